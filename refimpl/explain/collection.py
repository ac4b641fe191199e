"""Documents for a page: a file of lines or JSON lines, a BEIR folder, or a data set by name."""

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from refimpl.common.inputs import is_piped, opened, read_bytes
from refimpl.datasets import KINDS, names_of_datasets, open_dataset
from refimpl.datasets.base import DatasetError
from refimpl.dense.stream import json_records, lines


@dataclass(frozen=True)
class Collection:
    """Parallel ids and texts, and the number of documents that were skipped because their text is blank."""

    name: str
    ids: list[str]
    texts: list[str]
    blank: int = 0


def read(name: str) -> Collection:
    """The documents of a file, a BEIR folder, or a data set as `open_dataset` names it.

    A file has JSON lines when it is called *.jsonl or *.ndjson, or is a pipe or standard input (`-`) that begins with
    `{`; else one text per line. A JSON line has "text", and may have "title" and "_id" or "id", as in BEIR's
    corpus.jsonl. Of a BEIR folder only corpus.jsonl is read. Raises OSError for a file that cannot be read,
    DatasetError where nothing has this name, or no document has text.
    """
    kind, _, rest = name.partition(":")
    path = Path(rest if kind == "beir" and rest else name).expanduser()
    if path.is_dir():
        title, documents = path.resolve().name, _of_file(path / "corpus.jsonl")
    elif is_piped(path) or path.exists():
        title, documents = path.name, _of_file(path)
    elif kind in KINDS and kind != "beir":
        dataset = open_dataset(name)
        title, documents = dataset.name, [(document.id, document.text) for document in dataset.documents()]
    else:
        raise DatasetError(f"expected a file, a BEIR folder, or a data set ({names_of_datasets()}), got {name!r}")
    kept = [(doc_id, text) for doc_id, text in documents if text.strip()]
    if not kept:
        raise DatasetError(f"{name} has no document with text: give one text per line, or JSON lines")
    return Collection(title, [i for i, _ in kept], [text for _, text in kept], len(documents) - len(kept))


def _of_file(path: Path) -> list[tuple[str, str]]:
    if is_piped(path):  # read once; the name has no suffix, so the first character decides
        content = read_bytes(path)
        reader = _of_json if content.lstrip().startswith(b"{") else _of_lines
        return list(reader(io.BytesIO(content), path.name))
    reader = _of_json if path.suffix in (".jsonl", ".ndjson") else _of_lines
    with opened(path) as stream:
        return list(reader(stream, path.name))


def _of_lines(stream: Iterable[bytes], name: str) -> Iterator[tuple[str, str]]:
    for number, text in enumerate(lines(stream, name), start=1):
        yield f"line {number}", text


def _of_json(stream: Iterable[bytes], name: str) -> Iterator[tuple[str, str]]:
    for number, record in json_records(stream, name):
        if not isinstance(record, dict):
            raise DatasetError(f"{name}, line {number}: expected an object, got {type(record).__name__}")
        title, text = record.get("title") or "", record.get("text")
        if not isinstance(text, str) or not isinstance(title, str):
            raise DatasetError(f"{name}, line {number}: expected a string 'text', and a string 'title' or none")
        yield str(record.get("_id", record.get("id", f"line {number}"))), f"{title} {text}".strip()
