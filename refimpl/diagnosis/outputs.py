"""What sentence vectors show by themselves: zeros, one vector for all texts, precision, length, order."""

from collections.abc import Iterator
from math import log2, log10

import numpy as np

from refimpl.common.types import Array
from refimpl.diagnosis.hypotheses import Combination
from refimpl.diagnosis.pooling import NORM, STORAGE, EmbeddingVariant, multiples_by_vector, multiples_of

ROWS_PER_PRODUCT = 256
FLOAT32 = 2.0**-23  # relative rounding of values that were float32 on their way
UNIT = 1e-4  # by which a length may deviate from 1, of vectors of float32
COARSE_UNIT = 0.05  # of vectors stored in low precision
FINEST = 5e-7  # step that is measured, of unit vectors
CLEAR = 10  # times the rounding of float32 that a step has at least
FLOATS = 2**11  # steps per unit from which a power of two is rather a float16 or bfloat16 number's
FEW_STEPS = 4  # that the smallest difference of two values may have
LEVELS = (7, 127, 128)  # of the largest magnitude of a vector
FLOAT16, BFLOAT16, BFLOAT16_CUT = STORAGE[:3]


def degenerate(actual: Array, expected: Array) -> str | None:
    """A sentence for vectors `(texts, dim)` that depend on no text, or are not finite; None for others."""
    finite = np.isfinite(actual).all(axis=1)
    if not finite.any():
        return "no vector is finite"
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
    if (stored := _stored(actual)) == (BFLOAT16,):
        return [*_with_length(actual, (BFLOAT16,)), *_with_length(actual, (BFLOAT16_CUT,))]
    return _with_length(actual, stored)


def _with_length(actual: Array, stored: Combination) -> list[Combination]:
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
    others = [(by_name[name], *stored) for name in ("no normalisation", "normalised by the squared length")]
    return [*([stored] if stored else []), *others]


def _stored(actual: Array) -> Combination:
    """The coarsest storage that leaves every value as it is; `()` for float32 and float64."""
    if (per_unit := _per_unit(actual)) is not None:
        return (multiples_of(per_unit),)
    for hypothesis in (*map(multiples_by_vector, LEVELS), BFLOAT16, FLOAT16):
        rounded = hypothesis.apply(EmbeddingVariant()).store(actual)
        if np.all(np.abs(rounded - actual) <= 2 * FLOAT32 * np.abs(actual)):
            return (hypothesis,)
    return ()


def step_of(actual: Array) -> float:
    """The step of the format that the vectors `(texts, dim)` are stored in, at their largest entries; 0 for float32."""
    if (per_unit := _per_unit(actual)) is not None:
        return 1 / per_unit
    bits = {BFLOAT16: 2.0**-7, FLOAT16: 2.0**-10}
    largest = float(np.abs(actual).max(initial=0.0))
    return max((bits.get(each, 1 / min(LEVELS)) * largest for each in _stored(actual)), default=0.0)


def _per_unit(actual: Array) -> float | None:
    """Steps per unit, where every value `(texts, dim)` is a whole number of equal steps; None where they are not.

    The smallest difference of two values is one step, or, of few values, a few steps.
    """
    values = np.unique(np.abs(actual))
    noise = float(FLOAT32 * values[-1])
    differences = np.diff(values, prepend=0.0)
    smallest = float(differences.min(initial=np.inf, where=differences > 2 * noise))
    if not max(FINEST, CLEAR * noise) <= smallest < np.inf:
        return None
    for steps in range(1, FEW_STEPS + 1):
        for guess in (10.0 ** round(log10(steps / smallest)), steps / smallest):
            per_unit = _refined(guess, values, noise)
            measurable = CLEAR * noise * per_unit <= 1  # else any values are multiples
            if measurable and np.all(np.abs(np.round(values * per_unit) / per_unit - values) <= noise):
                return None if per_unit >= FLOATS and log2(per_unit).is_integer() else per_unit
    return None


def _refined(guess: float, values: Array, noise: float) -> float:
    """The guess by which the values are whole numbers, as nearly as the noise allows; a whole number where one is."""
    if round(log10(guess)) == log10(guess):
        return guess
    for most in (10, 100, 1000, np.inf):  # steps up to which a multiple of the guess is counted right
        some = values[values * guess <= most]
        counts = np.round(some * guess)
        guess = float(np.sum(counts * counts) / np.sum(counts * some)) if counts.any() else guess
    return float(round(guess)) if abs(guess - round(guess)) <= max(noise * guess, 1e-6 * guess) else guess
