"""A model folder's files as arrays and settings: JSON objects, and safetensors memory-mapped.

The `safetensors` library validates a file's header; we map the validated file.
"""

from collections.abc import Callable
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from refimpl.common import json_reader
from refimpl.common.tensors import TensorFileError, map_tensors
from refimpl.common.types import Array

MODEL_FOLDER = "a model folder holds config.json, model.safetensors and tokenizer.json"


class WeightsError(ValueError):
    """A model's configuration or weights are unusable; the message names each fault."""


def read_json(file: Path) -> dict[str, Any]:
    """The object in a JSON file; WeightsError when it is another value, FileNotFoundError when the file is missing."""
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
        return json_reader.read_json(file)
    except json_reader.JsonError as error:
        raise WeightsError(str(error)) from error


def map_safetensors(file: Path) -> dict[str, Array]:
    """Every tensor of a safetensors file as a read-only view of the mapped file; bfloat16 as its uint16 bits.

    The library checks that the header is sound and covers the file exactly, so no shape exceeds the file.
    """
    if not file.is_file():
        raise FileNotFoundError(f"{file} is missing: {MODEL_FOLDER}")
    try:
        return map_tensors(file, STORED)
    except TensorFileError as error:
        raise WeightsError(f"{error}: fetch it again") from error


def map_shards(index: Path, read: Callable[[Path], dict[str, Array]]) -> dict[str, Array]:
    """Every tensor of a model in several files, each of which `read` maps; `index` is its *.index.json.

    The index has a weight_map, from each tensor's name to the file with it. WeightsError names every tensor that is in
    another file, or in none of them, or that the index lacks; and a file that is missing or outside the index's folder.
    """
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map or not all(isinstance(f, str) for f in weight_map.values()):
        raise WeightsError(f"{index}: expected a weight_map with the file of each tensor, got {str(weight_map)[:80]}")
    tensors, places = dict[str, Array](), list[tuple[str, str]]()
    for shard in sorted(set(weight_map.values())):
        if not shard or PurePosixPath(shard).name != shard or PureWindowsPath(shard).name != shard:
            raise WeightsError(f"{index}: expected the name of a file beside it, got {shard!r}")
        if not (index.parent / shard).is_file():
            raise WeightsError(f"{index}: {shard} is missing: fetch it again")
        stored = read(index.parent / shard)
        tensors |= stored
        places += [(name, shard) for name in stored]
    if differing := sorted(set(places) ^ set(weight_map.items())):
        listed = ", ".join(f"{name} in {shard}" for name, shard in differing[:4])
        raise WeightsError(
            f"{index}: expected each file to have the tensors of weight_map, got a mismatch for {listed}"
        )
    return tensors


STORED = ("F64", "F32", "F16", "BF16", "I64", "I32")
