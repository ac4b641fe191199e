"""The golden vectors that come with the package: what other libraries computed, and a manifest of who and how."""

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from refimpl.resources import data_path

SCHEMA = 1


class GoldenError(ValueError):
    """A golden vector and its manifest disagree; the message holds the command that writes both anew."""


@dataclass(frozen=True)
class Vector:
    """One row of the manifest: an array, its source, and how closely it is to be met."""

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
    """The whole manifest, of MiniLM or of `folder`; GoldenError when its schema is another than this version reads."""
    file = data_path("vectors") / folder / "manifest.json"
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    if content["schema"] != SCHEMA:
        raise GoldenError(
            f"manifest.json has schema {content['schema']}, this refimpl reads {SCHEMA}: install them together"
        )
    return content


def vectors(folder: str = "") -> list[Vector]:
    """Every row of the manifest, of MiniLM or of `folder` ("family": the other models)."""
    return [Vector(**row) for row in manifest(folder)["vectors"]]


def texts() -> dict[str, str]:
    """The inputs by name, in the order of the vectors' rows; GoldenError when the vectors were made of others."""
    return {case["name"]: case["text"] if "text" in case else case["repeat"] * case["times"] for case in _text_cases()}


def reasons() -> dict[str, str]:
    """Why each input of `texts` is there."""
    return {case["name"]: case["reason"] for case in _text_cases()}


def _text_cases() -> list[dict[str, Any]]:
    file = data_path("vectors") / "minilm" / "texts.json"
    _check(file, manifest()["texts_sha256"])
    cases: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    return cases


@dataclass(frozen=True)
class GoldenCase:
    """One case of a suite's file: what is asked, and what a peer answered."""

    name: str
    reason: str
    who: str
    input: Any
    expected: Any
    source: dict[str, Any]


@cache
def cases(suite: str) -> dict[str, GoldenCase]:
    """The cases of `suite` (a key of the manifest's `suites`) by name; GoldenError when the file is another."""
    row = manifest()["suites"][suite]
    file = data_path("vectors") / row["file"]
    _check(file, row["sha256"], row["command"])
    content = json.loads(file.read_text(encoding="utf-8"))
    if content["schema"] != SCHEMA:
        raise GoldenError(f"{file.name} has schema {content['schema']}, this refimpl reads {SCHEMA}")
    return {case["name"]: GoldenCase(**case) for case in content["cases"]}


def array(vector: Vector) -> np.ndarray:
    """The vector's values; GoldenError when the file is not the one that the manifest describes."""
    file = data_path("vectors") / vector.file
    values = _tensors(file, vector.sha256)[vector.tensor]
    if list(values.shape) != vector.shape or str(values.dtype) != vector.dtype:
        found = f"{vector.name} is {values.dtype} {values.shape}"
        raise _stale(file, f"{found}, the manifest says {vector.dtype} {vector.shape}")
    return values


@cache
def _tensors(file: Path, sha256: str) -> dict[str, np.ndarray]:
    _check(file, sha256)
    return load_file(file)


def _check(file: Path, expected: str, command: str | None = None) -> None:
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if found != expected:
        raise _stale(file, f"{file.name} has sha256 {found}, the manifest says {expected}", command)


def _stale(file: Path, what: str, command: str | None = None) -> GoldenError:
    command = command or manifest("family" if file.parent.name == "family" else "")["command"]
    return GoldenError(f"golden vectors and manifest disagree: {what}. Write both anew with: {command}")
