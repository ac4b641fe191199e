"""A panel: its prose, the functions whose code it shows, and its numbers in a form that JSON can represent."""

import base64
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from refimpl.common.types import Array

SHOWN_TOKENS = 48  # in figures with one row per token; further tokens are summed or left out, and the page states it


@dataclass(frozen=True)
class Panel:
    """One step of the computation.

    `prose` is two sentences about the step, `look_for` one sentence about this very example, `sources` the functions
    that compute it.
    """

    key: str
    title: str
    prose: tuple[str, str]
    look_for: str
    sources: tuple[Callable[..., Any], ...]
    data: dict[str, Any]


def quoted(token: str) -> str:
    """Return the token in quotation marks, isolated, so that one from right to left does not reorder its sentence."""
    return f"‘\u2068{token}\u2069’"


def digits(value: float | np.floating[Any]) -> str:
    """Return the number with three significant digits."""
    return f"{value:.3g}"


def float32(values: Array) -> dict[str, Any]:
    """Encode numbers as float32: relative error at most 6e-8."""
    return _packed(values.astype("<f4"), 1)


def fractions(values: Array, scale: int = 65535) -> dict[str, Any]:
    """Encode numbers in [0, 1] as 16-bit multiples of 1 / `scale`: absolute error at most 0.5 / `scale`."""
    return _packed(np.rint(values * scale).astype("<u2"), scale)


def with_rest(values: Array, shown: int = SHOWN_TOKENS) -> Array:
    """Return the first `shown` along the last axis, followed by the sum of all others where there are any."""
    if values.shape[-1] <= shown:
        return values
    rest = values[..., shown:].sum(axis=-1, keepdims=True)
    return np.concatenate([values[..., :shown], rest], axis=-1)


def _packed(values: Array, scale: int) -> dict[str, Any]:
    """Deflate the numbers byte plane by byte plane, lowest first: the high bytes of neighbours are alike."""
    planes = np.ascontiguousarray(values).reshape(-1).view(np.uint8).reshape(-1, values.itemsize).T
    return {
        "dtype": values.dtype.name,
        "scale": scale,
        "shape": list(values.shape),
        "deflated": base64.b64encode(zlib.compress(planes.tobytes(), 9)).decode("ascii"),
    }
