"""Answers held against what is expected, in units of a tolerance class."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from refimpl.oracle.compare import Array
from refimpl.oracle.outcome import Finding, worst
from refimpl.oracle.tolerance import Tolerance

NEIGHBOURS = 5
SLACK = 1e-6  # similarities this close to the last neighbour's are as good: float32 cannot tell them apart


def judge_vector(mine: Float[Array, " dim"], expected: Float[Array, " dim"], tolerance: Tolerance) -> Finding:
    """One vector by its worst entry and its cosine, whichever of the two is further out."""
    found = []
    difference = np.abs(mine.astype(np.float64) - expected)
    difference[~np.isfinite(difference)] = np.inf
    at = int(np.argmax(difference))
    shown = f"worst at entry {at}: got {float(mine[at]):.9g}, expected {float(expected[at]):.9g}"
    cosine = cosine_of(mine, expected)
    if tolerance.entry is not None:
        distance = float(difference[at]) / tolerance.entry
        found.append(Finding(distance, f"{shown}, {_times(distance)} the {tolerance.entry:g} allowed"))
    if tolerance.cosine is not None:
        distance = (1 - cosine) / (1 - tolerance.cosine)
        said = f"cosine {cosine:.6f}, at least {tolerance.cosine:.10g} is asked; {shown}"
        found.append(Finding(distance, said))
    return worst(found)


def judge_neighbours(
    names: Sequence[str],
    mine: Float[Array, "texts dim"],
    expected: Float[Array, "texts dim"],
    tolerance: Tolerance,
) -> Finding:
    """The share of each text's nearest neighbours by `mine` that are so by `expected`, ties at the last one allowed."""
    k = min(NEIGHBOURS, len(mine) - 1)
    if k < 1:
        return Finding(0.0, "too few texts for neighbours")
    near, truly = _similarities(mine), _similarities(expected)
    chosen = np.argsort(-near, axis=1, kind="stable")[:, :k]
    threshold = -np.sort(-truly, axis=1)[:, k - 1 : k]
    hit = np.take_along_axis(truly, chosen, axis=1) >= threshold - SLACK
    overlap = float(hit.mean())
    missed = 1 - overlap
    allowed = 1 - tolerance.overlap
    distance = missed / allowed if allowed else (np.inf if missed else 0.0)
    text = names[int(np.argmin(hit.sum(axis=1)))]
    said = (
        f"{overlap:.1%} of the {k} nearest neighbours are the expected ones, at least {tolerance.overlap:.0%} are asked"
    )
    return Finding(float(distance), said if not missed else f"{said}; fewest for {text!r}")


def judge_numbers(name: str, mine: Array, expected: Array, allowed: float) -> Finding:
    """Numbers by their largest difference relative to max(1, |expected|), in units of `allowed` (0: equal)."""
    if mine.shape != expected.shape:
        return Finding(np.inf, f"{name}: got shape {mine.shape}, expected {expected.shape}")
    if not mine.size:
        return Finding(0.0, f"{name}: nothing, as expected")
    exact = expected.astype(np.float64)
    relative = np.abs(mine.astype(np.float64) - exact) / np.maximum(1.0, np.abs(exact))
    relative[~np.isfinite(relative)] = np.inf
    at = tuple(int(i) for i in np.unravel_index(int(np.argmax(relative)), relative.shape))
    distance = float(relative[at]) / allowed if allowed else (np.inf if relative[at] else 0.0)
    place = at[0] if len(at) == 1 else at
    values = f"worst at {place}: got {float(mine[at]):.9g}, expected {float(expected[at]):.9g}"
    return Finding(distance, f"{name}: {values}, {_times(distance)} the {allowed:g} allowed")


def judge_scores(name: str, mine: Array, expected: Array, tolerance: Tolerance) -> Finding:
    """Scores of one list by their values, or, where the class asks for no values, by who is in the better half."""
    if tolerance.score is not None or mine.shape != expected.shape or not mine.size:
        return judge_numbers(name, mine, expected, tolerance.score or 0.0)
    k = max(1, mine.size // 2)
    flat, truth = mine.ravel(), expected.ravel()
    chosen = np.argsort(-flat, kind="stable")[:k]
    overlap = float((truth[chosen] >= np.sort(truth)[-k] - SLACK).mean())
    said = f"{name}: {overlap:.0%} of the best {k} are the expected ones, at least {tolerance.overlap:.0%} are asked"
    return Finding((1 - overlap) / (1 - tolerance.overlap), said)


def judge_mapping(name: str, mine: Mapping[str, float], expected: Mapping[str, float], allowed: float) -> Finding:
    """Named numbers; a name that is missing or was not asked for counts as a value of 0 there."""
    keys = sorted(mine.keys() | expected.keys())
    if not keys:
        return Finding(0.0, f"{name}: nothing, as expected")
    found = []
    for key in keys:
        one = judge_numbers(
            f"{name}, {key}", np.array([mine.get(key, 0.0)]), np.array([expected.get(key, 0.0)]), allowed
        )
        found.append(one)
    return worst(found)


def judge_ids(name: str, mine: Sequence[int], expected: Sequence[int]) -> Finding:
    """Whole numbers, which are equal or wrong; tells the first place that departs."""
    if list(mine) == list(expected):
        return Finding(0.0, f"{name}: {len(expected)} ids, all equal")
    at = next(
        (i for i, (a, b) in enumerate(zip(mine, expected, strict=False)) if a != b), min(len(mine), len(expected))
    )
    got = mine[at] if at < len(mine) else "the end"
    wanted = expected[at] if at < len(expected) else "the end"
    lengths = f" ({len(mine)} ids for {len(expected)})" if len(mine) != len(expected) else ""
    return Finding(np.inf, f"{name}: departs at place {at}: got {got}, expected {wanted}{lengths}")


def cosine_of(a: Float[Array, " dim"], b: Float[Array, " dim"]) -> float:
    """Cosine in float64; NaN where a vector has no direction or is not finite."""
    x, y = a.astype(np.float64), b.astype(np.float64)
    norms = np.linalg.norm(x) * np.linalg.norm(y)
    return float(x @ y / norms) if norms and np.isfinite(norms) else float("nan")


def _similarities(vectors: Float[Array, "texts dim"]) -> Array:
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    unit = np.where(np.isfinite(vectors), vectors, 0.0) / np.where(np.isfinite(norms) & (norms > 0), norms, 1.0)
    similarities = unit @ unit.T
    np.fill_diagonal(similarities, -np.inf)
    return similarities


def _times(distance: float) -> str:
    return f"{distance:.3g} times"
