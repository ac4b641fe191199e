"""Reads the golden vectors and cases of the package, which other libraries computed, checked against the manifest."""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from refimpl.common.json_reader import JsonError, read_json
from refimpl.common.resources import data_path

SCHEMA = 1


class GoldenError(ValueError):
    """A golden vector and its manifest disagree; the message has the command that regenerates both."""


@dataclass(frozen=True)
class GoldenVector:
    """One row of the manifest: an array, its source, its tolerance and the reason for that."""

    stage: str
    input: str
    file: str
    tensor: str
    sha256: str
    source: dict[str, str]
    model: dict[str, str]
    dtype: str
    shape: list[int]
    tolerance: float
    observed_max: float | None
    reason: str

    @property
    def name(self) -> str:
        """File and tensor, unique in the manifest."""
        return f"{self.file}:{self.tensor}"


@cache
def manifest(folder: str = "") -> dict[str, Any]:
    """Return the manifest, of MiniLM or of `folder`; GoldenError when its schema is not the one of this version."""
    file = data_path("vectors") / folder / "manifest.json"
    content = _read(file)
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema != SCHEMA:
        raise GoldenError(f"manifest.json has schema {schema}, expected {SCHEMA}: install package and vectors together")
    return dict(content)


def vectors(folder: str = "") -> list[GoldenVector]:
    """Return the rows of the manifest, of MiniLM or of `folder` ("family": the other models)."""
    return [GoldenVector(**row) for row in manifest(folder)["vectors"]]


def texts() -> dict[str, str]:
    """Return the inputs by name, in the order of the vectors' rows; GoldenError when they are not the manifest's."""
    return {case["name"]: case["text"] if "text" in case else case["repeat"] * case["times"] for case in _text_cases()}


def reasons() -> dict[str, str]:
    """Return the reason for each input of `texts`."""
    return {case["name"]: case["reason"] for case in _text_cases()}


def _text_cases() -> list[dict[str, Any]]:
    file = data_path("vectors") / "minilm" / "texts.json"
    _check(file, manifest()["texts_sha256"])
    cases: list[dict[str, Any]] = _read(file)
    return cases


@dataclass(frozen=True)
class GoldenCase:
    """One case of a suite's file: an input and a peer's output; `who` is known to fail it."""

    name: str
    reason: str
    who: str
    input: Any
    expected: Any
    source: dict[str, Any]


@cache
def cases(suite: str) -> dict[str, GoldenCase]:
    """Return the cases of `suite` (a key of the manifest's `suites`) by name; GoldenError when the file has changed."""
    row = manifest()["suites"][suite]
    file = data_path("vectors") / row["file"]
    _check(file, row["sha256"], row["command"])
    content = _read(file)
    if content["schema"] != SCHEMA:
        raise GoldenError(f"{file.name} has schema {content['schema']}, expected {SCHEMA}")
    return {case["name"]: GoldenCase(**case) for case in content["cases"]}


def array(vector: GoldenVector) -> np.ndarray:
    """Return the vector's values; GoldenError when the file is not the one that the manifest describes."""
    file = data_path("vectors") / vector.file
    values = _tensors(file, vector.sha256)[vector.tensor]
    if list(values.shape) != vector.shape or str(values.dtype) != vector.dtype:
        got = f"{vector.name} is {values.dtype} {values.shape}"
        raise _stale(file, f"{got}, expected {vector.dtype} {vector.shape}")
    return values


@cache
def _tensors(file: Path, sha256: str) -> dict[str, np.ndarray]:
    _check(file, sha256)
    return load_file(file)


def _read(file: Path) -> Any:
    try:
        return read_json(file)
    except JsonError as error:
        raise GoldenError(f"{error}: install the package again") from error


def _check(file: Path, expected: str, command: str | None = None) -> None:
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    if sha256 != expected:
        raise _stale(file, f"{file.name} has sha256 {sha256}, expected {expected}", command)


def _stale(file: Path, what: str, command: str | None = None) -> GoldenError:
    command = command or manifest("family" if file.parent.name == "family" else "")["command"]
    return GoldenError(f"golden vectors and manifest disagree: {what}: regenerate both with {command}")
