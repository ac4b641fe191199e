"""BEIR folders: `corpus.jsonl`, `queries.jsonl`, `qrels/<split>.tsv` (Thakur et al. 2021, arXiv:2104.08663)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from refimpl.common.json_reader import JsonError, parse_json
from refimpl.common.seen import Seen
from refimpl.common.text_files import check_id, decoded, integer, numbered
from refimpl.datasets.base import BadLines, DatasetError, Document, Qrels

HEADER = ["query-id", "corpus-id", "score"]


class BeirFolder:
    """A BEIR folder read line by line; a document's text is `title + " " + text`, stripped, as BEIR and MTEB join them.

    Raises DatasetError where a file is missing, or at a malformed line unless `skip_bad` (then `bad.lines` lists them).
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
        """Every document of corpus.jsonl, in the file's order."""
        seen = Seen()
        for line, row in self._rows("corpus.jsonl"):
            problem = _problem(row, seen)
            if problem:
                self.bad.report("corpus.jsonl", line, problem)
                continue
            seen.add(row["_id"])
            yield Document(row["_id"], f"{row.get('title') or ''} {row['text']}".strip())

    def queries(self) -> dict[str, str]:
        """The queries with qrels in the split, in the order of queries.jsonl."""
        qrels = self.qrels()
        queries: dict[str, str] = {}
        seen = Seen()
        for line, row in self._rows("queries.jsonl"):
            problem = _problem(row, seen)
            if problem:
                self.bad.report("queries.jsonl", line, problem)
                continue
            seen.add(row["_id"])
            if row["_id"] in qrels:
                queries[row["_id"]] = row["text"]
        return queries

    def qrels(self) -> Qrels:
        """The qrels of the split."""
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
            qrels.setdefault(query_id, {})[doc_id] = integer(score, "score")
        return qrels

    def _rows(self, file: str) -> Iterator[tuple[int, dict[str, Any]]]:
        for line, text in self._lines(file):
            try:
                row = parse_json(text, "the line")
            except JsonError as error:
                self.bad.report(file, line, str(error))
                continue
            if not isinstance(row, dict):
                self.bad.report(file, line, f"expected a JSON object, got {type(row).__name__}")
                continue
            yield line, row

    def _lines(self, file: str) -> Iterator[tuple[int, str]]:
        """Lines that are not blank, without line ends; bytes that are not UTF-8 are reported."""
        with (self.folder / file).open("rb") as stream:
            for line, raw in numbered(stream):
                try:
                    text = decoded(raw, first=line == 1)
                except ValueError as error:
                    self.bad.report(file, line, str(error))
                    continue
                yield line, text.rstrip("\r\n")

    def _splits(self) -> str:
        splits = sorted(file.stem for file in (self.folder / "qrels").glob("*.tsv"))
        return f" (qrels has {', '.join(splits)})" if splits else ""


def _problem(row: dict[str, Any], seen: Seen) -> str:
    for key in ("_id", "text"):
        if key not in row:
            return f"{key!r} is missing"
    if not isinstance(row["text"], str):
        return f"'text' must be a string, got {type(row['text']).__name__}"
    try:
        check_id(row["_id"], "'_id'")
    except ValueError as error:
        return str(error)
    if not isinstance(row.get("title") or "", str):
        return f"'title' must be a string, got {type(row['title']).__name__}"
    if row["_id"] in seen:
        return f"'_id' {row['_id']!r} occurs on an earlier line"
    return ""


def _qrels_problem(columns: list[str], qrels: Qrels) -> str:
    if len(columns) != 3:
        return f"expected 3 tab-separated columns (query-id, corpus-id, score), got {len(columns)}"
    query_id, doc_id, score = columns
    try:
        check_id(query_id, "the query-id")
        check_id(doc_id, "the corpus-id")
        relevance = integer(score, "score")
    except ValueError as error:
        return str(error)
    if qrels.get(query_id, {}).get(doc_id, relevance) != relevance:
        return f"query {query_id!r} and document {doc_id!r} have another score on an earlier line"
    return ""
