"""What sentence vectors show by themselves: zeros, one vector for all texts, precision, length, order."""

from collections.abc import Iterator

import numpy as np

from refimpl.common.types import Array
from refimpl.diagnosis.hypotheses import Combination
from refimpl.diagnosis.pooling import NORM, STORAGE, EmbeddingVariant

ROWS_PER_PRODUCT = 256
FLOAT32 = 1e-7  # relative rounding of values that were float32 on their way
UNIT = 1e-4  # by which a length may deviate from 1, of vectors of float32
COARSE_UNIT = 0.05  # of vectors stored in low precision


def degenerate(actual: Array, expected: Array) -> str | None:
    """A sentence for vectors `(texts, dim)` that depend on no text, or are not finite; None for others."""
    finite = np.isfinite(actual).all(axis=1)
    if not finite.all():
        return f"vector {np.argmin(finite)} is not finite, the first of {np.sum(~finite)} such vectors of {len(actual)}"
    if not actual.any():
        return "every vector is zero"
    different = len(actual) > 1 and np.ptp(expected, axis=0).max() > 0
    if different and np.ptp(actual, axis=0).max() <= FLOAT32 * np.abs(actual).max():
        return "every text has the same vector"
    return None


def reordered(actual: Array, expected: Array, tolerance: float) -> float | None:
    """The residual of the expected unit vectors in another order; None unless `actual` is a permutation of them."""
    if len(actual) < 2:
        return None
    residual, nearest = 0.0, []
    for rows in np.array_split(actual, -(-len(actual) // ROWS_PER_PRODUCT)):
        nearest.append(np.argmax(rows @ expected.T, axis=1))
        residual = max(residual, float(np.abs(rows - expected[nearest[-1]]).max()))
        if residual > tolerance:
            return None
    labels = np.concatenate(list(_first_equal(expected, tolerance)))
    found = labels[np.concatenate(nearest)]
    permuted = np.array_equal(np.sort(found), np.sort(labels)) and not np.array_equal(found, labels)
    return residual if permuted else None


def _first_equal(unit: Array, tolerance: float) -> Iterator[Array]:
    """Of each unit vector the first one that it equals within the tolerance: |a - b|^2 = 2 - 2 cos."""
    allowed = max(unit.shape[1] * tolerance**2 / 2, 1e-12)
    for rows in np.array_split(unit, -(-len(unit) // ROWS_PER_PRODUCT)):
        yield np.argmax(rows @ unit.T >= 1 - allowed, axis=1)


def measured_head(actual: Array) -> list[Combination]:
    """The hypotheses about storage and length that the vectors `(texts, dim)` themselves show, as alternatives.

    Vectors of unit length in float32 or float64 show none: `[()]`.
    """
    stored = _stored(actual)
    by_name = {hypothesis.name: hypothesis for hypothesis in NORM}
    lengths = {
        "": np.linalg.norm(actual, axis=1),
        "L1 normalisation": np.abs(actual).sum(axis=1),
        "normalised by the largest entry": np.abs(actual).max(axis=1),
    }
    allowed = COARSE_UNIT if stored else UNIT
    for name, length in lengths.items():
        if abs(float(np.median(length)) - 1) < allowed and np.mean(np.abs(length - 1) < allowed) > 0.5:
            return [(*((by_name[name],) if name else ()), *stored)]
    return [(by_name[name], *stored) for name in ("no normalisation", "normalised by the squared length")]


def _stored(actual: Array) -> Combination:
    """The coarsest storage that leaves every value as it is; `()` for float32 and float64."""
    coarsest_first = ("int8 vectors", "3 decimals", "4 decimals", "5 decimals", "bfloat16 vectors", "float16 vectors")
    by_name = {hypothesis.name: hypothesis for hypothesis in STORAGE}
    for name in (*coarsest_first, "6 decimals"):
        hypothesis = by_name[name]
        rounded = hypothesis.apply(EmbeddingVariant()).store(actual)
        if np.all(np.abs(rounded - actual) <= FLOAT32 * np.abs(actual)):
            return (hypothesis,)
    return ()
