"""Vectors that are a linear map of the right ones: another order or sign of dimensions, a factor, a rotation."""

from typing import NamedTuple

import numpy as np
from scipy.linalg import orthogonal_procrustes

from refimpl.common.types import Array

FEWEST = 4  # texts, with six similarities
CLEARER = 100  # times by which a map must bring the expected vectors nearer: it can absorb a part of any noise


class LinearMap(NamedTuple):
    """The map's name, its explanation, and the largest error that remains."""

    name: str
    explanation: str
    residual: float


def linear_map(actual: Array, expected: Array, tolerance: float) -> LinearMap | None:
    """The map of the expected vectors `(texts, dim)` that gives the actual ones; None if there is none.

    Under an orthogonal map and a factor, all cosine similarities are right. It is solved for by Schönemann (1966), "A
    generalized solution of the orthogonal Procrustes problem". The tolerance is per entry.
    """
    deviation = float(np.abs(actual - expected).max(initial=0.0))
    allowed = min(tolerance, deviation / CLEARER)
    if len(actual) < FEWEST:
        return None
    shift = actual - expected
    if (varying := float(np.ptp(shift, axis=0).max())) <= allowed:
        return LinearMap("a constant vector added", "every vector differs by one and the same vector", varying)
    scale = float(np.linalg.norm(actual) / np.linalg.norm(expected))
    if not scale:
        return None
    scaled = actual / scale
    rotated = expected @ orthogonal_procrustes(expected, scaled)[0]
    residual = float(np.abs(rotated - scaled).max())
    if residual > allowed:
        return None
    names = [] if abs(scale - 1) <= tolerance else [f"multiplied by {scale:.6g}"]
    return _described(scaled, expected, names, max(residual, tolerance), residual)


def _described(actual: Array, expected: Array, names: list[str], allowed: float, residual: float) -> LinearMap:
    """The map as another order and other signs of dimensions if it is only that, else as a rotation."""
    products = expected.T @ actual
    source = np.argmax(np.abs(products) / np.maximum(np.linalg.norm(expected, axis=0)[:, None], 1e-300), axis=0)
    dimensions = np.arange(len(source))
    signs = np.where(products[source, dimensions] < 0, -1.0, 1.0)
    if len(set(source)) < len(source) or np.abs(expected[:, source] * signs - actual).max() > allowed:
        names.append("rotated")
    else:
        moved, flipped = int(np.sum(source != dimensions)), int(np.sum(signs < 0))
        names += [f"{moved} dimensions in another order"] if moved else []
        names += [f"{flipped} dimensions with the other sign"] if flipped else []
    explanation = "the cosine similarities are right, but the vectors cannot be compared with those of other encoders"
    return LinearMap(" and ".join(names), explanation, residual)
