"""The interface of a test collection: streamed documents, queries, qrels, and a hash of all three."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

Qrels = dict[str, dict[str, int]]


class DatasetError(ValueError):
    """A data set that cannot be read; the message has the file, the line and the remedy."""


@dataclass(frozen=True)
class Document:
    """One document: its stable id and the text to encode, with the title first where it has one."""

    id: str
    text: str


@dataclass(frozen=True)
class BadLine:
    """A malformed line: file, line number from 1, reason."""

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}: {self.reason}"


@dataclass
class BadLines:
    """Collects malformed lines in `lines` when `skip` is set; raises DatasetError at the first one otherwise."""

    skip: bool = False
    lines: list[BadLine] = field(default_factory=list)

    def report(self, file: str, line: int, reason: str) -> None:
        """Record the line, or raise DatasetError when `skip` is not set."""
        bad = BadLine(file, line, reason)
        if not self.skip:
            raise DatasetError(f"{bad}: fix the line, or skip such lines with --skip-bad (skip_bad=True)")
        if bad not in self.lines:  # a data set is read more than once
            self.lines.append(bad)


@runtime_checkable
class Dataset(Protocol):
    """A test collection. Each call of `documents()` iterates from the start; ids are unique."""

    name: str
    bad: BadLines

    def documents(self) -> Iterator[Document]:
        """Every document, in a fixed order."""
        ...

    def queries(self) -> dict[str, str]:
        """`{query_id: text}` of the judged queries."""
        ...

    def qrels(self) -> Qrels:
        """`{query_id: {doc_id: relevance}}`; relevance 0 or less means judged and not relevant."""
        ...


def fingerprint(documents: Iterable[Document], queries: Mapping[str, str], qrels: Qrels) -> str:
    """Hex sha256 over documents, queries and qrels, each string preceded by its length."""
    return finished(digest_of(documents), queries, qrels)


def digest_of(documents: Iterable[Document]) -> "hashlib._Hash":
    """The first part of `fingerprint`, which `finished` completes; the documents are streamed."""
    digest = hashlib.sha256()
    for document in documents:
        _update(digest, "d", document.id, document.text)
    return digest


def finished(digest: "hashlib._Hash", queries: Mapping[str, str], qrels: Qrels) -> str:
    """The fingerprint, from the digest of the documents."""
    for query_id, text in queries.items():
        _update(digest, "q", query_id, text)
    for query_id, judgements in qrels.items():
        for doc_id, relevance in judgements.items():
            _update(digest, "r", query_id, doc_id, str(relevance))
    return digest.hexdigest()


def _update(digest: "hashlib._Hash", *fields: str) -> None:
    for text in fields:
        encoded = text.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "little"))
        digest.update(encoded)
