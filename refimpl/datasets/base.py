"""What a test collection is: documents that stream, queries, judgements, and a hash of all three."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

Qrels = dict[str, dict[str, int]]


class DatasetError(ValueError):
    """A collection that cannot be read as it stands; the message names file, line and remedy."""


@dataclass(frozen=True)
class Document:
    """One document: its stable id and the text that is encoded, title first where it has one."""

    id: str
    text: str


@dataclass(frozen=True)
class BadLine:
    """A line that could not be used: where it stands and why."""

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}: {self.reason}"


@dataclass
class BadLines:
    """Decides what a malformed line means: the end, or one more entry of `found` when `skip` is set."""

    skip: bool = False
    found: list[BadLine] = field(default_factory=list)

    def report(self, file: str, line: int, reason: str) -> None:
        """Note the line, or raise DatasetError when `skip` is not set."""
        bad = BadLine(file, line, reason)
        if not self.skip:
            raise DatasetError(f"{bad}. Mend the line, or leave such lines out with --skip-bad (skip_bad=True)")
        if bad not in self.found:  # a collection is read more than once
            self.found.append(bad)


@runtime_checkable
class Dataset(Protocol):
    """A test collection. `documents()` starts anew at each call; ids are unique."""

    name: str
    bad: BadLines

    def documents(self) -> Iterator[Document]:
        """Every document, in a fixed order."""
        ...

    def queries(self) -> dict[str, str]:
        """`{query_id: text}` of the judged queries."""
        ...

    def qrels(self) -> Qrels:
        """`{query_id: {doc_id: relevance}}`; relevance 0 or less is "judged, not relevant"."""
        ...


def fingerprint(documents: Iterator[Document], queries: Mapping[str, str], qrels: Qrels) -> str:
    """Hex sha256 over documents, queries and judgements, each field with its length before it."""
    digest = hashlib.sha256()
    for document in documents:
        _feed(digest, "d", document.id, document.text)
    for query_id, text in queries.items():
        _feed(digest, "q", query_id, text)
    for query_id, judged in qrels.items():
        for doc_id, relevance in judged.items():
            _feed(digest, "r", query_id, doc_id, str(relevance))
    return digest.hexdigest()


def _feed(digest: "hashlib._Hash", *fields: str) -> None:
    for text in fields:
        encoded = text.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "little"))
        digest.update(encoded)
