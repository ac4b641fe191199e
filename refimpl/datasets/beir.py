"""BEIR folders: `corpus.jsonl`, `queries.jsonl`, `qrels/<split>.tsv` (Thakur et al. 2021, arXiv:2104.08663)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from refimpl.datasets.base import BadLines, DatasetError, Document, Qrels

HEADER = ["query-id", "corpus-id", "score"]


class BeirFolder:
    """A BEIR folder read line by line; a document's text is `title + " " + text`, stripped, as BEIR and MTEB join them.

    Raises DatasetError where a file is missing, or at a malformed line unless `skip_bad` (then `bad.found` lists them).
    """

    def __init__(self, folder: Path, *, split: str = "test", skip_bad: bool = False) -> None:
        self.folder = Path(folder).expanduser()
        self.split = split
        self.name = f"beir:{self.folder.resolve().name}" + (f"@{split}" if split != "test" else "")
        self.bad = BadLines(skip_bad)
        for file in ("corpus.jsonl", "queries.jsonl", f"qrels/{split}.tsv"):
            if not (self.folder / file).is_file():
                raise DatasetError(f"{self.folder} is not a BEIR folder: it has no {file}{self._splits()}")

    def documents(self) -> Iterator[Document]:
        """Every document of corpus.jsonl, in its order."""
        seen: set[str] = set()
        for line, row in self._rows("corpus.jsonl"):
            problem = _problem(row, seen)
            if problem:
                self.bad.report("corpus.jsonl", line, problem)
                continue
            seen.add(row["_id"])
            yield Document(row["_id"], f"{row.get('title') or ''} {row['text']}".strip())

    def queries(self) -> dict[str, str]:
        """The queries that the split judges, in the order of queries.jsonl."""
        judged = self.qrels()
        found: dict[str, str] = {}
        seen: set[str] = set()
        for line, row in self._rows("queries.jsonl"):
            problem = _problem(row, seen)
            if problem:
                self.bad.report("queries.jsonl", line, problem)
                continue
            seen.add(row["_id"])
            if row["_id"] in judged:
                found[row["_id"]] = row["text"]
        return found

    def qrels(self) -> Qrels:
        """The split's judgements."""
        file = f"qrels/{self.split}.tsv"
        qrels: Qrels = {}
        for line, text in self._lines(file):
            columns = text.split("\t")
            if line == 1 and columns == HEADER:
                continue
            problem = _qrels_problem(columns, qrels)
            if problem:
                self.bad.report(file, line, problem)
                continue
            query_id, doc_id, score = columns
            qrels.setdefault(query_id, {})[doc_id] = int(score)
        return qrels

    def _rows(self, file: str) -> Iterator[tuple[int, dict[str, Any]]]:
        for line, text in self._lines(file):
            try:
                row = json.loads(text)
            except json.JSONDecodeError as error:
                self.bad.report(file, line, f"not JSON ({error})")
                continue
            if not isinstance(row, dict):
                self.bad.report(file, line, f"expected a JSON object, got {type(row).__name__}")
                continue
            yield line, row

    def _lines(self, file: str) -> Iterator[tuple[int, str]]:
        """Lines that are not blank, without their end; bytes that are not UTF-8 are reported."""
        with (self.folder / file).open("rb") as stream:
            for line, raw in enumerate(stream, 1):
                try:
                    text = raw.decode("utf-8-sig" if line == 1 else "utf-8").rstrip("\r\n")
                except UnicodeDecodeError as error:
                    self.bad.report(file, line, f"not UTF-8 (byte {error.start}: {error.reason})")
                    continue
                if text.strip():
                    yield line, text

    def _splits(self) -> str:
        there = sorted(file.stem for file in (self.folder / "qrels").glob("*.tsv"))
        return f" (qrels has {', '.join(there)})" if there else ""


def _problem(row: dict[str, Any], seen: set[str]) -> str:
    for key in ("_id", "text"):
        if key not in row:
            return f"{key!r} is missing"
        if not isinstance(row[key], str):
            return f"{key!r} must be a string, got {type(row[key]).__name__}"
    if not row["_id"]:
        return "'_id' is empty"
    if not isinstance(row.get("title") or "", str):
        return f"'title' must be a string, got {type(row['title']).__name__}"
    if row["_id"] in seen:
        return f"'_id' {row['_id']!r} came before"
    return ""


def _qrels_problem(columns: list[str], qrels: Qrels) -> str:
    if len(columns) != 3:
        return f"expected 3 tab-separated columns (query-id, corpus-id, score), got {len(columns)}"
    query_id, doc_id, score = columns
    try:
        relevance = int(score)
    except ValueError:
        return f"the score must be a whole number, got {score!r}"
    if qrels.get(query_id, {}).get(doc_id, relevance) != relevance:
        return f"query {query_id!r} and document {doc_id!r} were judged before, with another score"
    return ""
