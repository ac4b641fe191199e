"""Vectors compared by element and by cosine, and sets of vectors by their nearest neighbours."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from refimpl.common.types import Array
from refimpl.compare.arrays import TIE, compare_arrays, largest_difference
from refimpl.compare.comparison import Comparison, worst_of
from refimpl.compare.tolerance import Tolerance

NEIGHBOURS = 5


def compare_vector(
    name: str, got: Float[Array, " dim"], expected: Float[Array, " dim"], tolerance: Tolerance
) -> Comparison:
    """Compare one vector by its worst element and its cosine, where `tolerance` limits them; the worse counts."""
    entries = compare_arrays(name, got, expected, np.inf if tolerance.entry is None else tolerance.entry)
    if tolerance.cosine is None:
        return entries
    cosine = _cosine(got, expected)
    distance = (1 - cosine) / (1 - tolerance.cosine)
    message = f"cosine {cosine:.6f}, expected at least {tolerance.cosine:.10g}; {largest_difference(entries)}"
    by_cosine = replace(entries, distance=np.inf if np.isnan(distance) else distance, message=message)
    return by_cosine if tolerance.entry is None else worst_of([entries, by_cosine])


def compare_neighbours(
    names: Sequence[str], got: Float[Array, "texts dim"], expected: Float[Array, "texts dim"], tolerance: Tolerance
) -> Comparison:
    """Compare each vector's nearest neighbours by cosine: the share of those of `got` that `expected` has too.

    A neighbour as near as the last expected one counts as expected. `names` label the rows in the message.
    """
    k = min(NEIGHBOURS, len(got) - 1)
    if k < 1:
        return Comparison("neighbours", 0.0, "too few vectors to have neighbours")
    computed, true = _similarities(got), _similarities(expected)
    nearest = np.argsort(-computed, axis=1, kind="stable")[:, :k]
    threshold = -np.sort(-true, axis=1)[:, k - 1 : k]
    hits = np.take_along_axis(true, nearest, axis=1) >= threshold - TIE
    missed, allowed = 1 - float(hits.mean()), 1 - tolerance.overlap
    distance = missed / allowed if allowed else (np.inf if missed else 0.0)
    message = f"{1 - missed:.1%} of the {k} nearest are the expected ones, expected at least {tolerance.overlap:.0%}"
    fewest = f"; fewest for {names[int(np.argmin(hits.sum(axis=1)))]!r}"
    return Comparison("neighbours", float(distance), f"{message}{fewest if missed else ''}")


def _cosine(a: Float[Array, " dim"], b: Float[Array, " dim"]) -> float:
    """Cosine in float64; NaN where a vector is zero or not finite."""
    x, y = a.astype(np.float64), b.astype(np.float64)
    norms = np.linalg.norm(x) * np.linalg.norm(y)
    return float(x @ y / norms) if norms and np.isfinite(norms) else float("nan")


def _similarities(vectors: Float[Array, "texts dim"]) -> Array:
    """Cosines of all pairs, -inf on the diagonal; a row that is not finite or zero is similar to none."""
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    unit = np.where(np.isfinite(vectors), vectors, 0.0) / np.where(np.isfinite(norms) & (norms > 0), norms, 1.0)
    similarities = unit @ unit.T
    np.fill_diagonal(similarities, -np.inf)
    return similarities
