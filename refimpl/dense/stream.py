"""Texts from a stream of lines to a .npy file, some at a time, whatever the length of the stream."""

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from refimpl.base import EmbeddingFunction
from refimpl.progress import progress

TEXTS_AT_A_TIME = 4096

Reader = Callable[[Iterable[bytes], str], Iterator[str]]


@contextmanager
def opened(file: str) -> Iterator[BinaryIO]:
    """The file opened for reading bytes; `-` is standard input."""
    if file == "-":
        yield sys.stdin.buffer
        return
    with open(file, "rb") as stream:
        yield stream


def lines(stream: Iterable[bytes], name: str) -> Iterator[str]:
    """One text a line, an empty line being an empty text; ValueError names the line that is not UTF-8."""
    for number, line in enumerate(stream, start=1):
        yield _decoded(line, name, number).rstrip("\r\n")


def json_lines(field: str) -> Reader:
    """A reader of JSON lines that takes each object's `field`; ValueError names the line that has none."""

    def read(stream: Iterable[bytes], name: str) -> Iterator[str]:
        for number, record in json_records(stream, name):
            if not isinstance(record, dict) or not isinstance(record.get(field), str):
                raise ValueError(f"{name}, line {number}: no str {field!r} in it; see --field")
            yield record[field]

    return read


def json_records(stream: Iterable[bytes], name: str) -> Iterator[tuple[int, Any]]:
    """Each line's number and JSON value, blank lines left out; ValueError names the line that is not JSON or UTF-8."""
    for number, line in enumerate(stream, start=1):
        if not line.strip():
            continue
        try:
            yield number, json.loads(_decoded(line, name, number))
        except (json.JSONDecodeError, RecursionError) as error:
            raise ValueError(f"{name}, line {number}: not JSON ({error})") from error


def embed_stream(function: EmbeddingFunction, texts: Iterator[str], out: Path) -> int:
    """Write the vectors of `texts` to `out` (.npy, float32, `(texts, dim)`) and return how many there were.

    Holds `TEXTS_AT_A_TIME` texts in memory. Writes beside `out` and renames, so `out` never holds half a file.
    """
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    count = 0
    try:
        with partial.open("wb") as file, progress("embedding", None, shown=sys.stderr.isatty()) as advance:
            _write_header(file, (0, function.dim))
            while chunk := list(islice(texts, TEXTS_AT_A_TIME)):
                np.asarray(function.encode_documents(chunk), dtype=np.float32).tofile(file)
                count += len(chunk)
                advance(len(chunk))
            file.seek(0)
            _write_header(file, (count, function.dim))
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
    return count


def _write_header(file: BinaryIO, shape: tuple[int, int]) -> None:
    """Numpy leaves room for the first axis to grow, so the header of the final shape is just as long."""
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})


def _decoded(line: bytes, name: str, number: int) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{name}, line {number}: not UTF-8 ({error}): convert the file first") from error
