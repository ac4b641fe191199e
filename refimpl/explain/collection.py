"""The documents that a page is about: a file of lines or JSON lines, a BEIR folder, or a data set by name."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from refimpl.datasets import open_dataset
from refimpl.datasets.base import DatasetError
from refimpl.dense.stream import json_records, lines, opened


@dataclass(frozen=True)
class Collection:
    """Parallel ids and texts, and how many documents were left out because they held no text."""

    name: str
    ids: list[str]
    texts: list[str]
    blank: int = 0


def read(name: str) -> Collection:
    """The documents of a file, a BEIR folder, or one of beir:PATH, ir:ID, python-docs.

    A file has JSON lines when it is called *.jsonl or *.ndjson, else one text a line. A JSON line holds "text", and may
    hold "title" and "_id" or "id", as BEIR's corpus.jsonl does. Raises DatasetError where there is no such thing, or no
    document with text in it.
    """
    kind, _, rest = name.partition(":")
    path = Path(rest if kind == "beir" and rest else name).expanduser()
    if path.is_dir():
        shown, found = path.resolve().name, list(_of_json(path / "corpus.jsonl"))
    elif path.is_file():
        shown, found = path.name, list(_of_json(path) if path.suffix in (".jsonl", ".ndjson") else _of_lines(path))
    elif kind in ("ir", "python-docs"):
        dataset = open_dataset(name)
        shown, found = dataset.name, [(document.id, document.text) for document in dataset.documents()]
    else:
        raise DatasetError(f"{name!r} is neither a file nor a BEIR folder, nor one of beir:PATH, ir:ID, python-docs")
    held = [(doc_id, text) for doc_id, text in found if text.strip()]
    if not held:
        raise DatasetError(f"{name} holds no document with text in it: give one text a line, or JSON lines")
    return Collection(shown, [i for i, _ in held], [text for _, text in held], len(found) - len(held))


def _of_lines(path: Path) -> Iterator[tuple[str, str]]:
    with opened(str(path)) as stream:
        for number, text in enumerate(lines(stream, path.name), start=1):
            yield f"line {number}", text


def _of_json(path: Path) -> Iterator[tuple[str, str]]:
    with opened(str(path)) as stream:
        for number, record in json_records(stream, path.name):
            if not isinstance(record, dict):
                raise DatasetError(f"{path.name}, line {number}: expected an object, got {type(record).__name__}")
            title, text = record.get("title") or "", record.get("text")
            if not isinstance(text, str) or not isinstance(title, str):
                raise DatasetError(f"{path.name}, line {number}: it needs a string 'text' (and may have a 'title')")
            yield str(record.get("_id", record.get("id", f"line {number}"))), f"{title} {text}".strip()
