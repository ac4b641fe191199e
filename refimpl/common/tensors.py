"""Stored tensors as numpy arrays: safetensors files, number formats, and pages of mapped files."""

import mmap
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, deserialize, safe_open

from refimpl.common.array_files import MOST_DIMENSIONS
from refimpl.common.json_reader import JsonError, parse_json
from refimpl.common.types import Array

DTYPES = {
    **{"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "BOOL": "?"},
    **{"I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1"},
}
"""numpy's dtype for each dtype of a safetensors header; bfloat16, which numpy lacks, as its 16 bits."""


class TensorFileError(ValueError):
    """A file is not a whole safetensors file, or has a tensor of another dtype or of no elements."""


def read_tensors(content: bytes, name: str) -> dict[str, Array]:
    """Return the tensors of a safetensors file by name, bfloat16 as float32.

    Parameters
    ----------
    content
        The whole file.
    name
        The file's name, for messages.

    Raises
    ------
    TensorFileError
        If `content` is not a whole safetensors file, or has a dtype that is not in `DTYPES`.
    """
    try:
        stored = dict(deserialize(content))  # type: ignore[no-untyped-call]  # safetensors leaves it untyped
    except SafetensorError as error:
        raise TensorFileError(f"{name} is not a whole safetensors file ({error})") from error
    tensors = {}
    for tensor, entry in stored.items():
        array = np.frombuffer(entry["data"], _dtype(name, tensor, entry, DTYPES)).reshape(_shape(name, tensor, entry))
        tensors[tensor] = as_float(array, np.dtype(np.float32)) if entry["dtype"] == "BF16" else array
    return tensors


def map_tensors(file: Path, dtypes: Collection[str] = tuple(DTYPES)) -> dict[str, Array]:
    """Return the tensors of a safetensors file by name, as read-only views of the memory-mapped file.

    The safetensors library checks that the header is sound and covers the file exactly.

    Parameters
    ----------
    file
        An existing file.
    dtypes
        The header's dtypes to accept, of `DTYPES`; bfloat16 is mapped as uint16, see `as_float`.

    Raises
    ------
    TensorFileError
        If the file is not a whole safetensors file, or has a tensor of another dtype or of no elements.
    """
    try:
        with safe_open(str(file), framework="numpy"):
            pass
    except SafetensorError as error:
        raise TensorFileError(f"{file} is not a whole safetensors file ({error})") from error
    mapped = np.memmap(file, dtype=np.uint8, mode="r")
    start = 8 + int.from_bytes(mapped[:8].tobytes(), "little")
    try:
        header = parse_json(mapped[8:start].tobytes(), f"the header of {file}")
    except JsonError as error:
        raise TensorFileError(str(error)) from error
    header.pop("__metadata__", None)
    tensors = {}
    for tensor, entry in header.items():
        dtype = _dtype(str(file), tensor, entry, dtypes)
        shape, (begin, end) = _shape(str(file), tensor, entry), entry["data_offsets"]
        if begin == end:
            raise TensorFileError(f"{file}: {tensor} is empty, its shape is {shape}")
        tensors[tensor] = np.asarray(mapped[start + begin : start + end]).view(dtype).reshape(shape)
    return tensors


def as_float(stored: Array, dtype: np.dtype[Any]) -> Array:
    """Convert a stored tensor to the float `dtype`, without a copy where it has that dtype.

    uint16 is read as bfloat16: the upper half of a float32.
    """
    if stored.dtype == np.uint16:
        stored = (stored.astype(np.uint32) << 16).view(np.float32)
    with np.errstate(over="ignore"):  # overflow becomes infinity, which the caller refuses
        return stored.astype(dtype, copy=False)


def release_pages(tensor: Array) -> None:
    """Drop a memory-mapped tensor's pages from this process's memory; they are read again when next used.

    A model of 2 GB then takes the memory of what is being read, not of all that was read. No effect on any other array,
    nor where the system has no madvise (Windows).
    """
    if not hasattr(mmap, "MADV_DONTNEED"):
        return
    base: Any = tensor
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap):
        offset = tensor.__array_interface__["data"][0] - np.frombuffer(base, np.uint8).__array_interface__["data"][0]
        first = offset - offset % mmap.PAGESIZE
        base.madvise(mmap.MADV_DONTNEED, first, offset - first + tensor.nbytes)


def _dtype(file: str, tensor: str, entry: Mapping[str, Any], accepted: Collection[str]) -> str:
    if entry["dtype"] not in accepted or entry["dtype"] not in DTYPES:
        raise TensorFileError(f"{file}: {tensor} has dtype {entry['dtype']}, expected one of {', '.join(accepted)}")
    return DTYPES[entry["dtype"]]


def _shape(file: str, tensor: str, entry: Mapping[str, Any]) -> tuple[int, ...]:
    if len(entry["shape"]) > MOST_DIMENSIONS:
        raise TensorFileError(
            f"{file}: {tensor} has {len(entry['shape'])} dimensions, expected at most {MOST_DIMENSIONS}"
        )
    return tuple(entry["shape"])
