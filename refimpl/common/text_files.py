"""The rules for text files, the same in each reader: UTF-8, byte order marks, numbers in ASCII digits, ids."""

import math
import re
from collections.abc import Iterable, Iterator

BOM = "\ufeff"
MOST_ID_BYTES = 512
"""Milvus' limit for a primary key of this project's collections."""
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_INTEGER = re.compile(r"[+-]?[0-9]{1,9}")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def printable(text: str) -> str:
    """Replace each character that XML 1.0 does not allow by U+FFFD."""
    return _NOT_XML.sub("\ufffd", text)


def decoded(line: bytes, *, first: bool) -> str:
    """Return bytes as text; a byte order mark is skipped where it is the `first` thing in its file.

    Raises ValueError for bytes that are not UTF-8, with the first such byte.
    """
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 (byte {error.start}: {error.reason})") from error
    return text.removeprefix(BOM) if first else text


def numbered(stream: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield number, from 1, and bytes of each line that is not blank."""
    for number, line in enumerate(stream, start=1):
        if line.removeprefix(BOM.encode() if number == 1 else b"").strip():
            yield number, line


def integer(text: str, name: str) -> int:
    """Return a whole number of at most nine ASCII digits; ValueError, with `name`, for anything else."""
    if not _INTEGER.fullmatch(text):
        raise ValueError(f"the {name} must be an integer of at most 9 digits, got {text!r:.60}")
    return int(text)


def decimal(text: str, name: str) -> float:
    """Return a finite number in ASCII digits; ValueError, with `name`, for NaN, 1e400, 1_0 and anything else."""
    number = float(text) if _DECIMAL.fullmatch(text) else math.nan
    if not math.isfinite(number):
        raise ValueError(f"the {name} must be a finite number, got {text!r:.60}")
    return number


def check_id(value: object, name: str) -> None:
    """Raise ValueError, with `name`, unless `value` can be an id in a TREC run and in Milvus.

    That is a str of 1 to `MOST_ID_BYTES` bytes of UTF-8 without white space and control characters.
    """
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a string, got {type(value).__name__}")
    if not value:
        raise ValueError(f"{name} is empty")
    if value.split() != [value] or any(letter < " " or "\x7f" <= letter < "\xa0" for letter in value):
        raise ValueError(f"{name} must have no white space and no control characters, got {value!r:.60}")
    if value.startswith(BOM):
        raise ValueError(f"{name} begins with a byte order mark, got {value!r:.60}")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise ValueError(f"{name} has a lone surrogate, got {value!r:.60}") from None
    if size > MOST_ID_BYTES:
        raise ValueError(f"{name} must have at most {MOST_ID_BYTES} bytes, got {size}")
