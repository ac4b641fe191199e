"""What a panel is: its words, the functions that it shows, and its numbers as JSON can hold them."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray

SHOWN_TOKENS = 48  # of a text, in figures with a row a token; the tokens beyond are summed up or left out, and said


@dataclass(frozen=True)
class Panel:
    """One step of the walk. `prose` is two sentences; `sources` are what computes it, and the page shows their code."""

    key: str
    title: str
    prose: tuple[str, str]
    sources: tuple[Callable[..., Any], ...]
    data: dict[str, Any]


def float32(values: Array) -> dict[str, Any]:
    """Numbers as little-endian float32 in base64: within 6e-8 of `values`, relative."""
    return _packed(values.astype("<f4"), "float32")


def shares(values: Array) -> dict[str, Any]:
    """Numbers in [0, 1] as 16-bit fractions of 65,535 in base64: within 8e-6 of `values`."""
    return _packed(np.rint(values * 65535).astype("<u2"), "uint16")


def with_rest(values: Array) -> Array:
    """The first `SHOWN_TOKENS` along the last axis, and the sum of all others as one more entry where there are any."""
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
