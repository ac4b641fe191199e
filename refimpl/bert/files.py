"""A model folder's files as arrays and settings: JSON objects, and safetensors mapped into memory and not copied.

The `safetensors` library validates a file's header; we map what it vouches for.
"""

import json
import mmap
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

Array = np.ndarray

MODEL_FOLDER = "a model folder holds config.json, model.safetensors and tokenizer.json"


class WeightsError(ValueError):
    """A model's configuration or weights are not what the encoder needs; the message names each culprit."""


def read_json(file: Path) -> dict[str, Any]:
    """The object in a JSON file; WeightsError when it is not one, FileNotFoundError when there is none."""
    content = _read(file)
    if not isinstance(content, dict):
        raise WeightsError(f"{file} must hold a JSON object, got {type(content).__name__}")
    return content


def read_list(file: Path) -> list[Any]:
    """The list in a JSON file; raises as `read_json` does."""
    content = _read(file)
    if not isinstance(content, list):
        raise WeightsError(f"{file} must hold a JSON list, got {type(content).__name__}")
    return content


def _read(file: Path) -> Any:
    if not file.is_file():
        raise FileNotFoundError(f"{file} is missing: {MODEL_FOLDER}")
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # not JSON, not UTF-8, a number of thousands of digits, too deep
        raise WeightsError(f"{file} is not JSON that holds a configuration: {error}") from error


def map_safetensors(file: Path) -> dict[str, Array]:
    """Every tensor of a safetensors file as a read-only view of the mapped file; bfloat16 as its uint16 bits.

    The library checks that the header is sound and covers the file exactly, so no shape can ask for more than is there.
    """
    if not file.is_file():
        raise FileNotFoundError(f"{file} is missing: {MODEL_FOLDER}")
    try:
        with safe_open(str(file), framework="numpy"):
            pass
    except SafetensorError as error:
        raise WeightsError(f"{file} is not a whole safetensors file ({error}): fetch it again") from error
    mapped = np.memmap(file, dtype=np.uint8, mode="r")
    header_size = 8 + int.from_bytes(mapped[:8].tobytes(), "little")
    header = json.loads(mapped[8:header_size].tobytes())
    header.pop("__metadata__", None)
    return {name: _view(file, name, mapped[header_size:], entry) for name, entry in header.items()}


STORED = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4"}


def _view(file: Path, name: str, data: Array, entry: dict[str, Any]) -> Array:
    if entry["dtype"] not in STORED:
        raise WeightsError(f"{file}: {name} has dtype {entry['dtype']}, expected one of {', '.join(STORED)}")
    begin, end = entry["data_offsets"]
    if begin == end:
        raise WeightsError(f"{file}: {name} is empty, its shape is {tuple(entry['shape'])}")
    return np.asarray(data[begin:end]).view(STORED[entry["dtype"]]).reshape(entry["shape"])


def as_float(stored: Array, dtype: np.dtype[Any]) -> Array:
    """The stored numbers in `dtype`: the mapped array itself when it has that dtype, else a converted copy."""
    if stored.dtype == np.uint16:  # bfloat16 is the upper half of a float32
        stored = (stored.astype(np.uint32) << 16).view(np.float32)
    with np.errstate(over="ignore"):  # what does not fit becomes infinite, and is refused as that
        return stored.astype(dtype, copy=False)


def let_go(tensor: Array) -> None:
    """Take a mapped tensor's pages out of this process's memory; of any other array nothing changes.

    A model of 2 GB then costs what is being read, not all that ever was.
    """
    base: Any = tensor
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap):
        offset = tensor.__array_interface__["data"][0] - np.frombuffer(base, np.uint8).__array_interface__["data"][0]
        first = offset - offset % mmap.PAGESIZE
        base.madvise(mmap.MADV_DONTNEED, first, offset - first + tensor.nbytes)
