"""From a model's token states to the vector: weights are solved for, and compared with the known poolings."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64

from refimpl.common.types import Array
from refimpl.identify.reference import Input, Reference, States
from refimpl.identify.values import in_ranges, to_ranges

EXACT = 1e-4
"""Relative residual of float32 arithmetic; another activation or epsilon deviates by more."""
LOW = 0.05
"""Relative residual up to which the states are those of the model, in low precision or with a small fault."""
UNIFORM = 1e-3  # of a weight, as those of float32 vectors are solved for
BITS = 0.01  # share of bits that rounding near zero may change

Weights = Float64[Array, "_tokens"]


def _one(count: int, position: int) -> Weights:
    return np.eye(count)[min(position, count - 1)]


def _between(states: States, before: int, after: int) -> Weights:
    weights = np.zeros(len(states))
    weights[before : len(states) - after] = 1.0
    return weights / max(weights.sum(), 1.0)


LINEAR: Mapping[str, Callable[[States, int, int], Weights]] = {
    "mean over all tokens": lambda h, a, b: np.full(len(h), 1 / len(h)),
    "the first token ([CLS])": lambda h, a, b: _one(len(h), 0),
    "the last token": lambda h, a, b: _one(len(h), -1),
    "mean over tokens other than special ones": _between,
    "mean without the first special token": lambda h, a, b: _between(h, a, 0),
    "mean without the last special token": lambda h, a, b: _between(h, 0, b),
    "mean weighted by position, from 1": lambda h, a, b: np.arange(1, len(h) + 1) / np.arange(1, len(h) + 1).sum(),
    "mean weighted by position, from the end": lambda h, a, b: (
        np.arange(len(h), 0, -1) / np.arange(1, len(h) + 1).sum()
    ),
    "mean of the first and the last token": lambda h, a, b: (_one(len(h), 0) + _one(len(h), -1)) / 2,
    "mean of tokens scaled to unit length": lambda h, a, b: 1 / np.linalg.norm(h, axis=1) / len(h),
    "the first token that is not special": lambda h, a, b: _one(len(h), a),
}
SCALES: Mapping[str, Callable[[Array, int], float]] = {
    "": lambda whole, tokens: 1.0,
    "sum: times the number of tokens": lambda whole, tokens: float(tokens),
    "times the root of the number of tokens": lambda whole, tokens: float(np.sqrt(tokens)),
    "unit length before the cut": lambda whole, tokens: 1 / float(np.linalg.norm(whole)),
}
UNIT = "unit length before the numbers are scaled"
DIRECTION = "in direction, with lengths of its own"
Values = Sequence[tuple[Array, int]]
"""Of each text the pooled vector, before any cut, and the number of tokens."""


@dataclass(frozen=True)
class Pooled:
    """The input and pooling that reproduce the vectors.

    `residual` is that of the vectors in the span of the token states, `error` that of the pooling; `name` is "" where
    the span has the vectors and no known pooling does, and `weights` are then the solved ones of one text. `rivals` are
    poolings that come nearly as near.
    """

    input: str
    name: str
    scale: str
    part: str
    residual: float
    error: float
    weights: tuple[float, ...]
    rivals: tuple[str, ...] = ()


def solve(states: States, vector: Array) -> tuple[Weights, float]:
    """The weights of tokens that come nearest to `vector`, and the relative residual."""
    weights = np.linalg.lstsq(states.T, vector, rcond=None)[0]
    return weights, float(np.linalg.norm(states.T @ weights - vector) / np.linalg.norm(vector))


def find(model: Reference, inputs: Sequence[Input], texts: Sequence[str], vectors: Array, unit: bool) -> Pooled | None:
    """The input whose token states have the vectors in their span, and the pooling; None where there is none."""
    best: Pooled | None = None
    bits, ranges = len(np.unique(vectors)) <= 2, in_ranges(vectors)
    for candidate in inputs:
        states = [model.states(candidate.ids(text)) for text in texts]
        known = _candidates(model, states, candidate.special)
        for part, columns in _parts(vectors.shape[1], states[0].shape[1]).items():
            if bits:
                found = _bits(known, columns, vectors)
            elif ranges is not None:
                found = _in_ranges(known, columns, ranges)
            else:
                found = _linear(known, [one[:, columns] for one in states], columns, vectors, unit)
            if found is not None and (best is None or found.error < best.error / 3):
                best = replace(found, input=candidate.name, part=part)
        if best is not None and best.name and best.error < (BITS if bits or ranges is not None else EXACT):
            return best
    return best


def _parts(width: int, hidden: int) -> dict[str, slice]:
    if width == hidden:
        return {"all": slice(None)}
    if width > hidden:
        return {}
    return {
        f"the first {width} of {hidden}": slice(width),
        f"the last {width} of {hidden}": slice(hidden - width, None),
    }


def _linear(
    known: Mapping[str, Values], states: Sequence[States], columns: slice, vectors: Array, unit: bool
) -> Pooled | None:
    """The known pooling that is nearest, if all others are far; else solved weights, if the span has the vectors."""
    solved = [solve(one, vector) for one, vector in zip(states, vectors, strict=True)]
    residual = max(one for _, one in solved)
    weights = tuple(float(weight) for weight in solved[1][0])
    nearest = replace(_nearest(known, columns, vectors, unit), residual=residual, weights=weights)
    allowed = max(EXACT, min(LOW, 3 * residual))
    if nearest.error > allowed and not unit:
        nearest = replace(_nearest(known, columns, vectors, True), residual=residual, weights=weights, scale=DIRECTION)
    if nearest.error <= allowed:
        return nearest
    overdetermined = vectors.shape[1] >= 2 * max(len(one) for one in states)  # else any vector is in the span
    if residual > EXACT or not overdetermined:
        return None
    return Pooled("", _uniform([one for one, _ in solved], residual), "", "", residual, residual, weights)


def _uniform(solved: Sequence[Weights], residual: float) -> str:
    """The name of equal weights from some token to the end, or to before the last tokens; "" for others."""
    allowed = max(UNIFORM, 100 * residual)
    ends = set()
    for weights in solved:
        used = np.flatnonzero(np.abs(weights) > allowed * np.abs(weights).max())
        first, last = int(used[0]), int(used[-1])
        part = weights[first : last + 1]
        if np.abs(part - part.mean()).max() > allowed * abs(part.mean()):
            return ""
        ends.add((first, len(weights) - 1 - last))
    if len(ends) > 1:
        return ""
    ((before, after),) = ends
    without = "" if not after else f", without the last {after}" if after > 1 else ", without the last one"
    return f"mean over the tokens from the {_ordinal(before + 1)} on{without}"


def _ordinal(number: int) -> str:
    suffix = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th") if number not in (11, 12, 13) else "th"
    return f"{number}{suffix}"


def _nearest(known: Mapping[str, Values], columns: slice, vectors: Array, unit: bool) -> Pooled:
    errors = {
        (label, scale): error
        for label, pooled in known.items()
        for scale, error in _errors(pooled, columns, vectors, unit).items()
    }
    label, scale = min(errors, key=lambda key: errors[key])
    error = errors[label, scale]
    rivals = dict.fromkeys(key[0] for key, other in errors.items() if key[0] != label and other <= 3 * error)
    return Pooled("", label, scale, "", error, error, (), tuple(rivals))


def _candidates(model: Reference, states: Sequence[States], special: tuple[int, int]) -> dict[str, Values]:
    """The vectors of each known pooling; of poolings that are equal for all texts the first."""
    every: dict[str, Values] = {
        label: [(weigh(one, *special) @ one, len(one)) for one in states] for label, weigh in LINEAR.items()
    }
    every["maximum over tokens"] = [(one.max(axis=0), len(one)) for one in states]
    pooled = [(model.pooler(one), len(one)) for one in states]
    every["the model's pooler"] = [(one, count) for one, count in pooled if one is not None]
    found: dict[str, Values] = {}
    for label, values in every.items():
        if values and not any(_equal(values, others) for others in found.values()):
            found[label] = values
    return found


def _equal(some: Values, others: Values) -> bool:
    return all(np.allclose(a, b, rtol=1e-9, atol=0) for (a, _), (b, _) in zip(some, others, strict=True))


def _errors(values: Values, columns: slice, vectors: Array, unit: bool) -> dict[str, float]:
    """The largest relative deviation, by scale; of directions where the vectors have unit length."""
    pairs = list(zip(values, vectors, strict=True))
    if unit:
        both = [(v[columns] / np.linalg.norm(v[columns]), y / np.linalg.norm(y)) for (v, _), y in pairs]
        return {"": max(float(np.linalg.norm(a - b)) for a, b in both)}
    return {
        name: max(float(np.linalg.norm(v[columns] * scale(v, n) - y) / np.linalg.norm(y)) for (v, n), y in pairs)
        for name, scale in SCALES.items()
    }


def _in_ranges(known: Mapping[str, Values], columns: slice, ranges: Array) -> Pooled | None:
    """The pooling whose columns, of unit length before or not, scaled from 0 to 1, are those of the integers."""
    errors: dict[tuple[str, str], float] = {}
    for label, pooled in known.items():
        whole = np.stack([vector for vector, _ in pooled])
        for scale, each in (("", whole), (UNIT, whole / np.linalg.norm(whole, axis=1, keepdims=True))):
            errors[label, scale] = float(np.abs(to_ranges(each[:, columns]) - ranges).mean())
    ranked = sorted(errors, key=lambda key: errors[key])
    least = errors[ranked[0]]
    if least > BITS:
        return None
    rivals = dict.fromkeys(label for label, _ in ranked if label != ranked[0][0] and errors[label, _] < 3 * least)
    return Pooled("", *ranked[0], "", least, least, (), tuple(rivals))


def _bits(known: Mapping[str, Values], columns: slice, vectors: Array) -> Pooled | None:
    """The pooling whose signs are the bits."""
    signs = vectors > vectors.min()
    shares = {
        label: float(np.mean(np.stack([v[columns] > 0 for v, _ in values]) != signs)) for label, values in known.items()
    }
    ranked = sorted(shares, key=lambda label: shares[label])
    least = shares[ranked[0]]
    if least > BITS:
        return None
    return Pooled("", ranked[0], "", "", least, least, (), tuple(one for one in ranked[1:] if shares[one] < 3 * BITS))
