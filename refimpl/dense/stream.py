"""Vectors of the texts in a stream of lines, written to a .npy file in batches of constant size."""

import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from refimpl.base import EmbeddingFunction
from refimpl.common.atomic import open_atomically
from refimpl.common.json_reader import JsonError, parse_json
from refimpl.common.progress import progress
from refimpl.common.text_files import decoded, numbered

TEXTS_AT_A_TIME = 4096

Reader = Callable[[Iterable[bytes], str], Iterator[str]]
Map = Callable[[Callable[[list[str]], Any], Iterable[list[str]]], Iterable[Any]]
"""The builtin `map`, or one that keeps its order, such as a cluster's."""


def lines(stream: Iterable[bytes], name: str) -> Iterator[str]:
    """Yield one text per line, an empty text for an empty line; ValueError names a line that is not UTF-8.

    A byte order mark at the start of the stream is skipped.
    """
    for number, line in enumerate(stream, start=1):
        yield _decoded(line, name, number).rstrip("\r\n")


def json_lines(field: str) -> Reader:
    """Return a reader of JSON lines that yields each object's `field`; ValueError names a line without it."""

    def read(stream: Iterable[bytes], name: str) -> Iterator[str]:
        for number, record in json_records(stream, name):
            if not isinstance(record, dict) or not isinstance(record.get(field), str):
                raise ValueError(f"{name}, line {number}: expected a str {field!r}, got none; see --field")
            yield record[field]

    return read


def json_records(stream: Iterable[bytes], name: str) -> Iterator[tuple[int, Any]]:
    """Yield number and JSON value of each non-blank line; ValueError names a line that is not JSON or UTF-8."""
    for number, line in numbered(stream):
        text = _decoded(line, name, number)
        try:
            record = parse_json(text, f"{name}, line {number}")
        except JsonError as error:
            raise ValueError(str(error)) from error
        yield number, record


def embed_stream(function: EmbeddingFunction, texts: Iterator[str], out: Path, map: Map = map) -> int:
    """Write the vectors of `texts` to the .npy file `out`, float32 `(texts, dim)`, and return the number of texts.

    `map` encodes `TEXTS_AT_A_TIME` texts at a time. `out` is replaced in one step, when all vectors are written.
    """
    count = 0
    with open_atomically(out) as file, progress("embedding", None, shown=sys.stderr.isatty()) as advance:
        _write_header(file, (0, function.dim))
        for vectors in map(function.encode_documents, _chunks(texts)):
            file.write(np.ascontiguousarray(vectors, dtype=np.float32).data)
            count += len(vectors)
            advance(len(vectors))
        file.seek(0)
        _write_header(file, (count, function.dim))
    return count


def _chunks(texts: Iterator[str]) -> Iterator[list[str]]:
    while chunk := list(islice(texts, TEXTS_AT_A_TIME)):
        yield chunk


def _write_header(file: BinaryIO, shape: tuple[int, int]) -> None:
    """Write the header; numpy pads it for a growing first axis, so its length is the same for every number of texts."""
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})


def _decoded(line: bytes, name: str, number: int) -> str:
    try:
        return decoded(line, first=number == 1)
    except ValueError as error:
        raise ValueError(f"{name}, line {number}: {error}: convert the file first") from error
