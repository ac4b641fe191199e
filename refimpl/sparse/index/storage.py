"""Named arrays in one memory-mapped file of the safetensors format: header length, JSON header, arrays.

The last array, `checksums`, is the sha256 of the header with its length, then of each other array in the file's order.
The arrays cover the file exactly.
"""

import hashlib
import json
import math
import mmap
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from refimpl.common.array_files import check_shape
from refimpl.common.atomic import open_atomically
from refimpl.common.json_reader import parse_json
from refimpl.common.tensors import release_pages

DTYPES = {"F64": "<f8", "I64": "<i8", "I32": "<i4", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1"}
REBUILD = "build the index and save it again"
CHECKSUMS = "checksums"
MOST_HEADER_BYTES = 1 << 20
HASHED_AT_ONCE = 1 << 24  # bytes, so that a large array's pages need not be in memory together


class IndexFileError(ValueError):
    """A file is not an index, is damaged, or has another version."""


class ArrayFile:
    """The arrays of a file, as read-only views of the memory-mapped file, and its metadata.

    Opening checks the header's checksum and that the arrays cover the file exactly, and reads no array. `verify`
    compares the arrays with their checksums.

    Raises
    ------
    FileNotFoundError
    IndexFileError
        for a file that is truncated, too long, damaged in its header, or of another format.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        with self.path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            if size < 8:
                raise IndexFileError(f"{path} is not an index: expected at least 8 bytes, got {size}: {REBUILD}")
            mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        start = 8 + int.from_bytes(mapped[:8], "little")
        try:
            if start > min(size, MOST_HEADER_BYTES):
                raise ValueError(f"a header of {start} bytes in a file of {size}")
            header = parse_json(mapped[8:start], "its header")
            self.metadata = _metadata(header)
            entries = _checked_entries(header, size - start)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise IndexFileError(f"{path} is not an index, or damaged ({error}): {REBUILD}") from error
        self.arrays = {
            name: np.frombuffer(mapped, dtype, math.prod(shape), start + begin).reshape(shape)
            for name, (dtype, shape, begin) in entries.items()
        }
        self._header = mapped[:start]
        self._digests = self.arrays.pop(CHECKSUMS, None)
        self._verified = False

    def check_header(self) -> None:
        """Raise IndexFileError unless the header has its checksum, and each array has one."""
        expected = (len(self.arrays) + 1, hashlib.sha256().digest_size)
        if self._digests is None or self._digests.dtype != np.uint8 or self._digests.shape != expected:
            raise IndexFileError(f"{self.path} has no checksums, or damaged ones: {REBUILD}")
        if hashlib.sha256(self._header).digest() != self._digests[0].tobytes():
            raise IndexFileError(f"{self.path} is damaged: its header differs from its checksum: {REBUILD}")

    def verify(self) -> None:
        """Compare each array with its checksum, once, which reads the whole file; IndexFileError for a difference."""
        if self._verified:
            return
        self.check_header()
        assert self._digests is not None
        for digest, (name, array) in zip(self._digests[1:], self.arrays.items(), strict=True):
            if _digest(array) != digest.tobytes():
                raise IndexFileError(f"{self.path} is damaged: {name} differs from its checksum: {REBUILD}")
        self._verified = True


def write_arrays(path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Write the file atomically: at every instant `path` is the complete old file or the complete new one."""
    header: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))}
    contents = []
    end = 0
    ordered = sorted(arrays.items(), key=lambda item: (-item[1].itemsize, item[0]))  # so each is aligned
    for name, array in [*ordered, (CHECKSUMS, np.empty((len(arrays) + 1, 32), np.uint8))]:
        code = next(code for code, dtype in DTYPES.items() if np.dtype(dtype) == array.dtype)
        header[name] = {"dtype": code, "shape": list(array.shape), "data_offsets": [end, end + array.nbytes]}
        contents.append(np.ascontiguousarray(array))
        end += array.nbytes
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    encoded = len(encoded).to_bytes(8, "little") + encoded
    digests = hashlib.sha256(encoded).digest() + b"".join(map(_digest, contents[:-1]))

    with open_atomically(Path(path)) as stream:
        stream.write(encoded)
        for content in contents[:-1]:
            stream.write(content.data)
        stream.write(digests)


def _metadata(header: dict[str, Any]) -> dict[str, str]:
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError("metadata that is not an object of texts")
    return metadata


def _checked_entries(header: Mapping[str, Any], size: int) -> dict[str, tuple[np.dtype[Any], tuple[int, ...], int]]:
    """Each array's dtype, shape and offset, in the file's order; ValueError unless they cover `size` bytes exactly."""
    entries = {}
    at = 0
    for name, entry in sorted(header.items(), key=lambda item: tuple(item[1]["data_offsets"])):
        dtype, shape = np.dtype(DTYPES[entry["dtype"]]), check_shape(entry["shape"])
        end = at + math.prod(shape) * dtype.itemsize
        if entry["data_offsets"] != [at, end]:
            raise ValueError(f"{name[:40]} is expected at bytes {at} to {end}, got {entry['data_offsets']!r:.40}")
        entries[name] = dtype, shape, at
        at = end
    if at != size:
        raise ValueError(f"its arrays take {at} bytes, it has {size}")
    return entries


def _digest(array: np.ndarray) -> bytes:
    flat = array.reshape(-1).view(np.uint8)
    digest = hashlib.sha256()
    for begin in range(0, len(flat), HASHED_AT_ONCE):
        part = flat[begin : begin + HASHED_AT_ONCE]
        digest.update(part.data)
        release_pages(part)
    return digest.digest()
