"""Named arrays in one memory-mapped file, in the safetensors layout: a length, a JSON header, then the arrays."""

import json
import mmap
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from refimpl.sparse.files import replace_atomically

DTYPES = {"F64": "<f8", "I64": "<i8", "I32": "<i4", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1"}


class IndexFileError(ValueError):
    """A file is no index, is damaged, or is one of another version."""


def write_arrays(path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Write the file so that it is at every instant the old one or the new one, whole."""
    header: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))}
    contents = []
    end = 0
    for name, array in sorted(arrays.items(), key=lambda item: (-item[1].itemsize, item[0])):  # so each is aligned
        code = next(code for code, dtype in DTYPES.items() if np.dtype(dtype) == array.dtype)
        header[name] = {"dtype": code, "shape": list(array.shape), "data_offsets": [end, end + array.nbytes]}
        contents.append(np.ascontiguousarray(array))
        end += array.nbytes
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)

    def write(temporary: Path) -> None:
        with temporary.open("wb") as stream:
            stream.write(len(encoded).to_bytes(8, "little") + encoded)
            for content in contents:
                stream.write(content.data)

    replace_atomically(Path(path), write)


def read_arrays(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays, as read-only views of the file that are read when they are used, and the metadata.

    Raises FileNotFoundError, and IndexFileError for a file that is cut short or not of this layout.
    """
    with Path(path).open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        if size < 8:
            raise IndexFileError(f"{path} is no index: it has {size} bytes. Build the index and save it again")
        mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    start = 8 + int.from_bytes(mapped[:8], "little")
    try:
        if start > size:
            raise ValueError("the header is longer than the file")
        header = json.loads(mapped[8:start])
        metadata = header.pop("__metadata__", {})
        return {name: _view(mapped, start, entry) for name, entry in header.items()}, metadata
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IndexFileError(f"{path} is no index, or cut short ({error}): build it and save it again") from error


def _view(mapped: mmap.mmap, start: int, entry: dict[str, Any]) -> np.ndarray:
    begin, end = entry["data_offsets"]
    dtype = np.dtype(DTYPES[entry["dtype"]])
    # ValueError where the file ends before the array does
    flat = np.frombuffer(mapped, dtype, (end - begin) // dtype.itemsize, start + begin)
    return flat.reshape(entry["shape"])
