"""The one reader of .npy and .npz content: nothing is unpickled, and no array is larger than its file."""

import io
import math
import re
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from refimpl.common.json_reader import parse_json
from refimpl.common.types import Array

MAGIC = b"\x93NUMPY"
MOST_DIMENSIONS = 64
"""numpy's limit, and torch's."""
NUMBERS = "biufc"
ZIP_ERRORS = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, OSError, EOFError, ValueError, KeyError, IndexError),
    *(NotImplementedError, RuntimeError, OverflowError),
)
"""What `zipfile` raises for a damaged archive: it documents only the first."""
_HEADER_BYTES = {1: 2, 2: 4, 3: 4}  # bytes of the header's length, by version of the format
_MOST_HEADER_BYTES = 10_000
_DTYPE = re.compile(r"[<>|=]?(?:\?|[biufcU]\d{1,6})")
_PRINTED = re.compile(r"[ -~]*\n?")
_JSON_WORDS = re.compile(r"\b(?:true|false|null)\b")
_TRAILING_COMMA = re.compile(r",\s*([\]}])")


class ArrayFileError(ValueError):
    """A .npy or .npz file is damaged or of another format; the message names the file."""


def parse_npy(content: bytes, name: str, kinds: Collection[str] = NUMBERS) -> Array:
    """Return the array in the bytes of a .npy file, read-only; numpy.lib.format versions 1 to 3.

    Parameters
    ----------
    content
        The whole file.
    name
        The file's name, for messages.
    kinds
        The kinds of dtype to accept, as in `numpy.dtype.kind`; never objects.

    Raises
    ------
    ArrayFileError
        If `content` is anything else, is truncated, or has bytes after the array.
    """
    try:
        return _array(content, kinds)
    except (ValueError, TypeError) as error:
        raise ArrayFileError(f"{name}: expected an array in numpy's format, got {error}") from error


def read_npz(file: Path, kinds: Collection[str] = NUMBERS) -> dict[str, Array]:
    """Return the arrays of a file that `numpy.savez` wrote, by name; each member's CRC is checked.

    Raises ArrayFileError for a damaged file, a compressed or repeated member, FileNotFoundError for a missing one.
    """
    with file.open("rb") as stream:
        content = stream.read()
    arrays: dict[str, Array] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.infolist():
                if member.filename in arrays or member.compress_type != zipfile.ZIP_STORED:
                    raise ValueError(f"{member.filename[:60]!r} twice, or compressed")
                if member.file_size > len(content):
                    raise ValueError(f"{member.filename[:60]!r} longer than the file")
                key = member.filename.removesuffix(".npy")
                arrays[key] = parse_npy(archive.read(member), f"{file}, {key[:60]!r}", kinds)
    except ArrayFileError:
        raise
    except ZIP_ERRORS as error:
        raise ArrayFileError(f"{file}: expected an archive that numpy.savez wrote, got {error}") from error
    return arrays


def check_shape(shape: object) -> tuple[int, ...]:
    """Return `shape`, read from a file, as a tuple; ValueError unless it is at most 64 integers of 0 to 2^48."""
    if not isinstance(shape, list | tuple) or len(shape) > MOST_DIMENSIONS:
        raise ValueError(f"a shape that is not a list of at most {MOST_DIMENSIONS} numbers")
    if not all(type(size) is int and 0 <= size < 1 << 48 for size in shape):
        raise ValueError(f"the shape {shape!r:.60}")
    return tuple(shape)


def _array(content: bytes, kinds: Collection[str]) -> Array:
    if content[:6] != MAGIC or len(content) < 12 or content[6] not in _HEADER_BYTES or content[7]:
        raise ValueError("other first bytes, or another version")
    start = 8 + _HEADER_BYTES[content[6]]
    length = int.from_bytes(content[8:start], "little")
    if length > min(_MOST_HEADER_BYTES, len(content) - start):
        raise ValueError(f"a header of {length} bytes")
    header = _header(content[start : start + length].decode("utf-8" if content[6] == 3 else "latin-1"))
    if header.keys() != {"descr", "fortran_order", "shape"}:
        raise ValueError(f"a header with the names {', '.join(header)[:60]}")
    shape, described = check_shape(header["shape"]), header["descr"]
    if not isinstance(described, str) or not _DTYPE.fullmatch(described):
        raise ValueError(f"the dtype {described!r:.60}")
    dtype = np.dtype(described)
    if dtype.kind not in kinds or type(header["fortran_order"]) is not bool:
        raise ValueError(f"dtype {described}, expected one of kind {', '.join(kinds)}")
    size, rest = math.prod(shape) * dtype.itemsize, len(content) - start - length
    if size != rest:
        raise ValueError(f"{rest} bytes for shape {shape} of {described}, which takes {size}")
    flat = np.frombuffer(content, dtype, math.prod(shape), start + length)
    return flat.reshape(shape, order="F" if header["fortran_order"] else "C")


def _header(text: str) -> dict[str, Any]:
    """The header, a Python dict display, as JSON: literal_eval would build what it nests, to any depth."""
    if not _PRINTED.fullmatch(text):  # what Python takes for no blank, a regular expression may
        raise ValueError("a header with another character than printed ASCII")
    if word := _JSON_WORDS.search(text):
        raise ValueError(f"{word[0]} in its header, which Python does not know")
    as_json = text.translate(str.maketrans("'()", '"[]')).replace("True", "true").replace("False", "false")
    header = parse_json(_TRAILING_COMMA.sub(r"\1", as_json), "its header")
    if not isinstance(header, dict):
        raise ValueError("a header that is not a dict")
    return header
