"""Answers in a file, made elsewhere for the inputs that `refimpl check --emit-inputs` wrote."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from refimpl.oracle.subjects.base import ALL_TASKS, AnswerError, NotAskableError, SubjectError, Task, counted


class FileSubject:
    """Answers of one suite's inputs, whole and in their order: `.npy`, `.safetensors` (vectors), or JSON lines.

    A safetensors file holds one tensor, or one called `vectors` or `embeddings` among others.
    """

    traits: frozenset[str] = frozenset()

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._suffix = path.suffix.lower()
        self._answers = _read(path)

    def tasks(self) -> frozenset[str]:
        """Vectors only, for files that hold an array; all tasks for JSON lines."""
        return ALL_TASKS if self._suffix not in (".npy", ".safetensors") else frozenset(("embed",))

    def ask(self, task: Task, inputs: Sequence[Any]) -> list[Any]:
        """The file's answers; AnswerError when their number is not that of the inputs."""
        if task not in self.tasks():
            raise NotAskableError(f"{self.name} holds an array, which can answer for vectors only: write JSON lines")
        return counted(list(self._answers), inputs, self.name)


def _read(path: Path) -> Any:
    if not path.is_file():
        raise SubjectError(f"{path} is no file: write it for the inputs of `refimpl check --emit-inputs FILE`")
    if path.suffix.lower() == ".npy":
        try:
            array = np.load(path, allow_pickle=False)
        except (ValueError, EOFError, OSError) as error:
            raise SubjectError(f"{path} is no array that numpy can read: {error}") from error
        return _rows(array, path)
    if path.suffix.lower() == ".safetensors":
        return _rows(_tensor(path), path)
    return [_line(line, number, path) for number, line in enumerate(_text(path).split("\n"), 1) if line.strip()]


def _rows(array: Any, path: Path) -> Any:
    if not isinstance(array, np.ndarray) or array.ndim != 2:
        raise AnswerError(f"{path} must hold an array (texts, dim), got shape {np.shape(array)}")
    return array


def _tensor(path: Path) -> Any:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors = load_file(path)
    except (SafetensorError, ValueError, OSError) as error:
        raise SubjectError(f"{path} is no safetensors file: {error}") from error
    for name in ("vectors", "embeddings", *tensors):
        if name in tensors and (len(tensors) == 1 or name in ("vectors", "embeddings")):
            return tensors[name]
    raise SubjectError(f"{path} holds {sorted(tensors)}: name the tensor of vectors `vectors`")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SubjectError(f"{path} is not UTF-8 ({error}): give .npy, .safetensors or JSON lines") from error


def _line(line: str, number: int, path: Path) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise SubjectError(f"{path}, line {number} is no JSON ({error}): {line[:60]!r}") from None
