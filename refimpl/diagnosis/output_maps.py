"""Vectors that are a known function of the right ones: of each entry, of a vector's length, of some dimensions."""

from collections.abc import Callable, Iterator

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.special import expit, log_softmax, softmax

from refimpl.bert.heads import l2_normalize
from refimpl.common.types import Array
from refimpl.diagnosis.linear_maps import CLEARER, LinearMap

FEWEST = 4  # texts
MOST_DIMENSIONS = 0.25  # share of the dimensions that may be wrong where the others are right
CHANGED_TEXTS = 0.5  # share of the texts in which a wrong dimension is wrong, or a length another one
SIZE = 3  # texts per group that has a shift of its own, at least on average

FUNCTIONS: dict[str, tuple[str, Callable[[Array], Array]]] = {
    "centred": ("the mean of its entries is subtracted", lambda v: v - v.mean(axis=1, keepdims=True)),
    "standardised": (
        "its entries have mean 0 and variance 1, as by a layer norm without weights",
        lambda v: (v - v.mean(axis=1, keepdims=True)) / v.std(axis=1, keepdims=True),
    ),
    "standardised by n - 1": (
        "its entries have mean 0 and variance 1 (ddof 1)",
        lambda v: (v - v.mean(axis=1, keepdims=True)) / v.std(axis=1, keepdims=True, ddof=1),
    ),
    "scaled to 0 to 1": (
        "its entries are scaled by their minimum and maximum",
        lambda v: (v - v.min(axis=1, keepdims=True)) / np.ptp(v, axis=1, keepdims=True),
    ),
    "through softmax": ("softmax is applied to its entries", lambda v: softmax(v, axis=1)),
    "through log-softmax": ("the logarithm of softmax is applied", lambda v: log_softmax(v, axis=1)),
    "through exp": ("exp is applied to its entries", np.exp),
    "through sigmoid": ("sigmoid is applied to its entries", expit),
    "through tanh": ("tanh is applied to its entries", np.tanh),
    "through ReLU": ("negative entries are 0", lambda v: np.maximum(v, 0)),
    "of magnitudes": ("its entries have lost their signs", np.abs),
    "squared": ("its entries are squared", np.square),
    "of signs": ("its entries are -1 and 1", np.sign),
    "of bits": ("its entries are 1 where the right ones are positive, else 0", lambda v: (v > 0).astype(v.dtype)),
}


def output_map(actual: Array, expected: Array, tolerance: float) -> LinearMap | None:
    """What was done to the right vectors `(texts, dim)` of unit length at the end; None for none of the known things.

    The tolerance is per entry, relative to the length of the vector.
    """
    if len(actual) < FEWEST:
        return None
    found = (*_dimensions(actual, expected, tolerance), *_functions(actual, expected, tolerance))
    found = (*found, *_shifts(actual, expected, tolerance))
    return next(iter(found), None)


def another_length(actual: Array, expected: Array, tolerance: float) -> LinearMap | None:
    """Vectors `(texts, dim)` of the right directions, but other lengths; None for others."""
    lengths = np.linalg.norm(actual, axis=1)
    if len(actual) < FEWEST or not lengths.all():
        return None
    residual = float(np.abs(actual / lengths[:, None] - expected).max())
    if residual > min(tolerance, float(np.abs(actual - expected).max()) / CLEARER):
        return None
    if np.mean(np.abs(lengths - 1) > tolerance) < CHANGED_TEXTS:  # of a few texts alone, by chance
        return None
    explanation = (
        f"every direction is right, so that cosines are; lengths are {lengths.min():.4g} to {lengths.max():.4g}"
    )
    return LinearMap("vectors of other lengths", explanation, residual)


def _dimensions(actual: Array, expected: Array, tolerance: float) -> Iterator[LinearMap]:
    """A few dimensions that are wrong in most texts, the others right."""
    errors = np.abs(actual - expected)
    wrong = np.flatnonzero((errors > tolerance).any(axis=0))
    if not 0 < len(wrong) <= MOST_DIMENSIONS * actual.shape[1]:
        return
    if ((errors[:, wrong] > tolerance).mean(axis=0) < CHANGED_TEXTS).any():  # of a few texts alone, by chance
        return
    consecutive = len(wrong) == wrong[-1] - wrong[0] + 1
    which = f"{wrong[0]} to {wrong[-1]}" if consecutive and len(wrong) > 1 else ", ".join(map(str, wrong[:8]))
    which += " and others" if not consecutive and len(wrong) > 8 else ""
    which, name = (
        (f"dimensions {which} are", "wrong dimensions")
        if len(wrong) > 1
        else (f"dimension {which} is", "wrong dimension")
    )
    values = "0 in every vector" if not actual[:, wrong].any() else "wrong"
    right = float(np.delete(errors, wrong, axis=1).max())
    yield LinearMap(f"{len(wrong)} {name}", f"{which} {values}; all others are right", right)


def _functions(actual: Array, expected: Array, tolerance: float) -> Iterator[LinearMap]:
    before = float(np.abs(actual - expected).max())
    for name, explanation, vectors in changed(expected):
        lengths = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1.0)
        residual = float(np.max(np.abs(actual - vectors) / lengths))
        if residual <= min(tolerance, before / CLEARER):
            yield LinearMap(name, explanation, residual)
            return


def changed(expected: Array) -> Iterator[tuple[str, str, Array]]:
    """Name, explanation and values of every listed function of the right vectors `(texts, dim)`."""
    for name, (explanation, function) in FUNCTIONS.items():
        with np.errstate(all="ignore"):
            values = function(expected)
            unit = l2_normalize(values)
        yield f"vectors {name}", f"of each vector: {explanation}", values
        yield f"vectors {name}, then unit length", f"of each vector: {explanation}, then unit length", unit


def _shifts(actual: Array, expected: Array, tolerance: float) -> Iterator[LinearMap]:
    """A vector that is added to all texts of a group, another for each group."""
    shift = actual - expected
    if float(np.abs(shift).max(axis=1).min()) < CLEARER * tolerance:
        return
    groups = fcluster(linkage(shift, "complete", metric="chebyshev"), 2 * tolerance, "distance")
    sizes = np.bincount(groups)[1:]
    if sizes.min() < 2 or sizes.mean() < SIZE:
        return
    residual = max(float(np.ptp(shift[groups == each], axis=0).max()) for each in set(groups))
    means = np.stack([expected[groups == each].mean(axis=0) for each in groups])
    centred = float(np.abs(shift + means).max()) <= 10 * tolerance
    name = "mean of the call subtracted" if centred else f"one of {len(sizes)} vectors added"
    yield LinearMap(name, "the texts of one call, or batch, differ by one and the same vector", residual)
