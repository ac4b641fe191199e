"""Input files that are read once: a path, a pipe such as /dev/stdin or <(command), or - for standard input."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

STDIN = "-"
DEV = ("/", "dev")  # /dev/stdin may be a regular file


@contextmanager
def opened(file: str | Path) -> Iterator[BinaryIO]:
    """Open the file for reading bytes; OSError, in one sentence, if it cannot be opened."""
    if str(file) == STDIN:
        yield sys.stdin.buffer
        return
    try:
        stream = open(file, "rb")  # noqa: SIM115  closed below; an error of the caller is not an error of opening
    except OSError as error:
        raise type(error)(_unreadable(file, error)) from error
    with stream:
        yield stream


def read_bytes(file: str | Path) -> bytes:
    """Return the whole content of the file. Raises as `opened`."""
    with opened(file) as stream:
        try:
            return stream.read()
        except OSError as error:
            raise type(error)(_unreadable(file, error)) from error


def is_piped(file: str | Path) -> bool:
    """Whether the file is a pipe or device: readable once, with a name that does not determine its format."""
    path = Path(file)
    return str(file) == STDIN or (path.exists() and not path.is_file() and not path.is_dir()) or path.parts[:2] == DEV


def _unreadable(file: str | Path, error: OSError) -> str:
    return f"expected a file that can be read, a pipe, or - for standard input, got {file} ({error.strerror})"
