"""A file of answers, computed elsewhere for the inputs that `refimpl check --emit-inputs` wrote."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from refimpl.check.targets.base import ALL_TASKS, AnswerError, TargetError, Task, UnsupportedError, counted
from refimpl.common.array_files import MAGIC, ArrayFileError, parse_npy
from refimpl.common.inputs import is_piped, read_bytes
from refimpl.common.json_reader import JsonError, parse_json
from refimpl.common.json_size import MAX_MEMORY, parsed_bytes
from refimpl.common.tensors import TensorFileError, read_tensors
from refimpl.common.text_files import decoded


class FileTarget:
    """The answers to all inputs of one suite, in their order: `.npy`, `.safetensors` (vectors), or JSON lines.

    A pipe, or `-` for standard input, may have any of these formats. A safetensors file has one tensor, or one called
    `vectors` or `embeddings` among others.
    """

    traits: frozenset[str] = frozenset()

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._answers = _read(path)

    def tasks(self) -> frozenset[str]:
        """Embedding only, for a file with an array; all tasks for JSON lines."""
        return frozenset(("embed",)) if isinstance(self._answers, np.ndarray) else ALL_TASKS

    def run(self, task: Task, inputs: Sequence[Any]) -> list[Any]:
        """Return the file's answers; AnswerError when their number is not that of the inputs."""
        if task not in self.tasks():
            raise UnsupportedError(
                f"{self.name} has an array, which has the form of the task embed, got {task}: write JSON lines"
            )
        return counted(list(self._answers), inputs, self.name)


def _read(path: Path) -> Any:
    try:
        content = read_bytes(path)
    except OSError as error:
        raise TargetError(f"{error}: write it for the inputs of `refimpl check --emit-inputs FILE`") from error
    kind = _kind(path, content)
    if kind == ".npy":
        try:
            return _rows(parse_npy(content, str(path)), path)
        except ArrayFileError as error:
            raise TargetError(str(error)) from error
    if kind == ".safetensors":
        return _rows(_tensor(content, path), path)
    if (memory := parsed_bytes(content)) > MAX_MEMORY:
        raise TargetError(
            f"{path}: expected answers that take at most {MAX_MEMORY / 1e9:.3g} GB of memory, "
            f"got {memory / 1e9:.3g} GB: write only the answers, or vectors as .npy"
        )
    text = _text(content, path)
    return [_line(line, number, path) for number, line in enumerate(text.split("\n"), 1) if line.strip()]


def _kind(path: Path, content: bytes) -> str:
    """The format by the file's suffix; of a pipe by its first bytes, numpy's magic or safetensors' header."""
    if not is_piped(path):
        return path.suffix.lower()
    if content.startswith(MAGIC):
        return ".npy"
    return ".safetensors" if content[5:9] == b"\0\0\0{" else ".jsonl"


def _rows(array: Any, path: Path) -> Any:
    if not isinstance(array, np.ndarray) or array.ndim != 2:
        raise AnswerError(f"{path}: expected an array (texts, dim), got shape {np.shape(array)}")
    return array


def _tensor(content: bytes, path: Path) -> Any:
    try:
        tensors = read_tensors(content, str(path))
    except TensorFileError as error:
        raise TargetError(f"{error}: write the file again") from error
    for name in ("vectors", "embeddings", *tensors):
        if name in tensors and (len(tensors) == 1 or name in ("vectors", "embeddings")):
            return tensors[name]
    raise TargetError(f"{path}: expected one tensor, got {sorted(tensors)}: name the tensor of vectors `vectors`")


def _text(content: bytes, path: Path) -> str:
    try:
        return decoded(content, first=True)
    except ValueError as error:
        raise TargetError(f"{path}: expected UTF-8, got {error}: write .npy, .safetensors or JSON lines") from error


def _line(line: str, number: int, path: Path) -> Any:
    try:
        return parse_json(line, "it")
    except JsonError as error:
        raise TargetError(f"{path}, line {number}: expected JSON, got {line[:60]!r} ({error})") from None
