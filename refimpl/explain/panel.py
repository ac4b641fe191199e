"""A panel: its prose, the functions whose code it shows, and its numbers in a form that JSON can represent."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from refimpl.common.types import Array

SHOWN_TOKENS = 48  # in figures with one row per token; further tokens are summed or left out, and the page states it


@dataclass(frozen=True)
class Panel:
    """One step of the computation: `prose` is two sentences, `sources` the functions that compute it."""

    key: str
    title: str
    prose: tuple[str, str]
    sources: tuple[Callable[..., Any], ...]
    data: dict[str, Any]


def float32(values: Array) -> dict[str, Any]:
    """Encode numbers as little-endian float32 in base64: relative error at most 6e-8."""
    return _packed(values.astype("<f4"), "float32")


def fractions(values: Array) -> dict[str, Any]:
    """Encode numbers in [0, 1] as 16-bit fractions of 65,535 in base64: absolute error at most 8e-6."""
    return _packed(np.rint(values * 65535).astype("<u2"), "uint16")


def with_rest(values: Array) -> Array:
    """Return the first `SHOWN_TOKENS` along the last axis, followed by the sum of all others where there are any."""
    if values.shape[-1] <= SHOWN_TOKENS:
        return values
    rest = values[..., SHOWN_TOKENS:].sum(axis=-1, keepdims=True)
    return np.concatenate([values[..., :SHOWN_TOKENS], rest], axis=-1)


def _packed(values: Array, dtype: str) -> dict[str, Any]:
    return {
        "dtype": dtype,
        "shape": list(values.shape),
        "base64": base64.b64encode(np.ascontiguousarray(values).tobytes()).decode("ascii"),
    }
