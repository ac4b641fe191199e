"""Arrays, scores, mappings and ids compared with expected ones; messages as numpy.testing's, with the worst element."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest

import numpy as np

from refimpl.common.types import Array
from refimpl.compare.comparison import Comparison, from_condition
from refimpl.compare.tolerance import Tolerance

TIE = 1e-6  # similarities and scores closer than this are equal: float32 cannot order them


def compare_arrays(
    name: str, got: Array, expected: Array, atol: float, rtol: float = 0.0, labels: Sequence[str] | None = None
) -> Comparison:
    """Compare element by element: |got - expected| may be max(atol, rtol * |expected|), as in pytest.approx.

    Differences are computed in float64. NaN and infinity never match, nor does another shape. `labels` name the
    elements of a 1-D array in the message.
    """
    if got.shape != expected.shape:
        message = f"got shape {got.shape}, expected {expected.shape}"
        return Comparison(name, np.inf, message, atol, np.inf, n_mismatched=expected.size, n=expected.size)
    if not got.size:
        return Comparison(name, 0.0, "empty, as expected", atol)
    reference = expected.astype(np.float64)
    with np.errstate(invalid="ignore"):
        difference = np.abs(got.astype(np.float64) - reference)
        difference = np.where(np.isfinite(difference), difference, np.inf)
        allowed = np.fmax(atol, rtol * np.abs(reference))
    distance = np.where(difference > 0, np.inf, 0.0)
    np.divide(difference, allowed, out=distance, where=(allowed > 0) & np.isfinite(difference))
    furthest = np.where(distance == distance.max(), difference, -1.0)
    worst = tuple(int(i) for i in np.unravel_index(int(np.argmax(furthest)), distance.shape))
    comparison = Comparison(
        name=name,
        distance=float(distance[worst]),
        message="",
        tolerance=float(allowed[worst]),
        max_abs=float(difference.max()),
        worst=worst,
        got=float(got[worst]),
        expected=float(expected[worst]),
        n_mismatched=int(np.count_nonzero(distance > 1)),
        n=distance.size,
    )
    return replace(comparison, message=_message(comparison, labels))


def compare_values(
    name: str, got: Array, expected: Array, tolerance: float, labels: Sequence[str] | None = None
) -> Comparison:
    """Compare element by element, differences relative to max(1, |expected|)."""
    return compare_arrays(name, got, expected, tolerance, tolerance, labels)


def compare_scores(name: str, got: Array, expected: Array, tolerance: Tolerance) -> Comparison:
    """Compare the scores of one list by value; where the tolerance has no `score`, by which half ranks higher."""
    if tolerance.score is not None or got.shape != expected.shape or not got.size:
        return compare_values(name, got, expected, tolerance.score or 0.0)
    k = max(1, got.size // 2)
    top = np.argsort(-got.ravel(), kind="stable")[:k]
    truth = expected.ravel()
    overlap = float((truth[top] >= np.sort(truth)[-k] - TIE).mean())
    message = f"{overlap:.0%} of the top {k} are the expected ones, expected at least {tolerance.overlap:.0%}"
    return Comparison(name, (1 - overlap) / (1 - tolerance.overlap), message)


def compare_mappings(
    name: str, got: Mapping[str, float], expected: Mapping[str, float], tolerance: float
) -> Comparison:
    """Compare named values as `compare_values` does; a name that one side lacks has the value 0 there."""
    keys = sorted(got.keys() | expected.keys())
    a, b = (np.array([side.get(key, 0.0) for key in keys]) for side in (got, expected))
    return compare_values(name, a, b, tolerance, keys)


def compare_ids(name: str, got: Sequence[int], expected: Sequence[int]) -> Comparison:
    """Compare sequences of integers, which must be equal; the message has the first position that differs."""
    pairs = enumerate(zip_longest(got, expected, fillvalue="the end"))
    differing = [(i, a, b) for i, (a, b) in pairs if a != b]
    if not differing:
        return from_condition(True, name, f"{len(expected)} ids, all equal")
    i, a, b = differing[0]
    lengths = f" ({len(got)} ids, expected {len(expected)})" if len(got) != len(expected) else ""
    return from_condition(False, name, f"first mismatch at position {i}: got {a}, expected {b}{lengths}")


def largest_difference(comparison: Comparison, labels: Sequence[str] | None = None) -> str:
    """The difference at the worst element, where that is, and the two values, in words."""
    c = comparison
    index = c.worst[0] if len(c.worst) == 1 else c.worst
    place = labels[c.worst[0]] if labels else f"index {index}"
    return f"maximum difference {abs(c.got - c.expected):.3g} at {place}: got {c.got:.10g}, expected {c.expected:.10g}"


def _message(comparison: Comparison, labels: Sequence[str] | None) -> str:
    c = comparison
    limit = f"{c.distance:.3g} times the {c.tolerance:.3g} allowed" if c.tolerance else "equality is required"
    mismatched = f"{c.n_mismatched} of {c.n} elements mismatch ({100 * c.n_mismatched / c.n:.3g}%), "
    return f"{mismatched if c.n_mismatched else ''}{largest_difference(c, labels)}, {limit}"
