"""The cause of a mismatch of fused scores: reciprocal rank fusion and weighted sums."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.special import expit

from refimpl.common.types import Array
from refimpl.diagnosis.hypotheses import Combination, Hypothesis, apply_all, change
from refimpl.diagnosis.result import Diagnosis
from refimpl.diagnosis.search import Problem, explain

Route = Sequence[tuple[str, float]]
Normalise = Callable[[Array, str], Array]
"""Takes the scores of a route, best first, and its metric."""


def as_milvus(scores: Array, metric: str) -> Array:
    """As Milvus does: by arctangent for IP and for the distance of L2, (1 + s) / 2 for COSINE."""
    if metric == "COSINE":
        return (1 + scores) / 2
    return 1 + 2 * np.arctan(scores) / np.pi if metric == "L2" else 0.5 + np.arctan(scores) / np.pi


def by_arctangent(scores: Array, metric: str) -> Array:
    """0.5 + arctan(s) / pi for every metric."""
    return 0.5 + np.arctan(scores) / np.pi


def by_range(scores: Array, metric: str) -> Array:
    """(s - min) / (max - min); 1 where all scores are equal."""
    spread = float(np.ptp(scores))
    return (scores - scores.min()) / spread if spread else np.ones_like(scores)


@dataclass(frozen=True)
class FusionVariant:
    """Everything that determines fused scores; the defaults are Milvus's."""

    first_rank: int = 1
    fixed_k: float | None = None
    merge: Callable[[Sequence[float]], float] = sum
    absent_rank: int | None = None
    """Places after its last rank that a route gives to a document that it lacks; None for nothing."""
    normalise: Normalise = as_milvus
    always: bool | None = None
    """Whether scores are normalised, whatever the call says."""
    weigh: Callable[[Array], Array] = lambda weights: weights


def _equal(weights: Array) -> Array:
    return np.ones_like(weights)


def _to_sum_1(weights: Array) -> Array:
    return weights / weights.sum() if weights.sum() else weights


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


fusion = partial(change, FusionVariant)
FUSION = tuple(
    Hypothesis(name, explanation, values)
    for name, explanation, values in (
        ("ranks from 0", "the best document of a route has rank 0", fusion(first_rank=0)),
        ("ranks from 2", "the best document of a route has rank 2", fusion(first_rank=2)),
        ("k fixed at 60", "k of the call is ignored", fusion(fixed_k=60.0)),
        ("the better of two routes", "a document of two routes gets the better value, not the sum", fusion(merge=max)),
        ("mean of routes", "a document of two routes gets the mean of its values, not the sum", fusion(merge=_mean)),
        ("last rank where absent", "a document that a route lacks is ranked after its last", fusion(absent_rank=1)),
        ("weights ignored", "every route has the weight 1", fusion(weigh=_equal)),
        ("weights of sum 1", "weights are divided by their sum", fusion(weigh=_to_sum_1)),
        ("never normalised", "scores are added as they are, whatever norm_score is", fusion(always=False)),
        ("always normalised", "scores are normalised, whatever norm_score is", fusion(always=True)),
        ("arctangent for every metric", "COSINE and L2 are normalised as IP", fusion(normalise=by_arctangent)),
        ("minimum to maximum", "scores are normalised by their range in the route", fusion(normalise=by_range)),
        ("sigmoid", "scores are normalised by the sigmoid", fusion(normalise=lambda s, _: np.asarray(expit(s)))),
        (
            "divided by the maximum",
            "scores are divided by the best",
            fusion(normalise=lambda s, _: s / s.max()),
        ),
    )
)


def fused(variant: FusionVariant, call: Mapping[str, Any]) -> dict[str, float]:
    """The fused score of each document of a call of the task fuse, under the variant."""
    given: dict[str, list[float]] = {}
    for route, values in zip(call["routes"], _values(variant, call), strict=True):
        for (doc, _), value in zip(route, values, strict=True):
            given.setdefault(doc, []).append(float(value))
    if call["method"] == "rrf" and variant.absent_rank is not None:
        for route in call["routes"]:
            last = len(route) - 1 + variant.absent_rank
            for doc in given.keys() - {doc for doc, _ in route}:
                given[doc].append(float(_reciprocal(variant, call, np.array([last]))[0]))
    return {doc: variant.merge(values) for doc, values in given.items()}


def _values(variant: FusionVariant, call: Mapping[str, Any]) -> list[Array]:
    """Of each route the value that it gives to each of its documents."""
    if call["method"] == "rrf":
        return [_reciprocal(variant, call, np.arange(len(route))) for route in call["routes"]]
    normalised = call["norm_score"] if variant.always is None else variant.always
    weights = variant.weigh(np.asarray(call["weights"], dtype=np.float64))
    values = []
    for route, metric, weight in zip(call["routes"], call["metrics"], weights, strict=True):
        scores = np.array([score for _, score in route], dtype=np.float64)
        values.append(weight * (variant.normalise(scores, metric) if normalised and len(scores) else scores))
    return values


def _reciprocal(variant: FusionVariant, call: Mapping[str, Any], places: Array) -> Array:
    k = call["k"] if variant.fixed_k is None else variant.fixed_k
    with np.errstate(divide="ignore"):
        return 1 / (k + variant.first_rank + places)


class FusionProblem(Problem):
    """Fused scores of several calls; a document that is missing has the score 0."""

    hypotheses: Sequence[Hypothesis] = FUSION

    def __init__(self, cases: Sequence[tuple[Mapping[str, Any], Mapping[str, float]]]) -> None:
        self.cases = cases

    def errors(self, combination: Combination, *, few: bool) -> Array:
        """Actual - computed scores."""
        variant, errors = apply_all(FusionVariant(), combination), []
        for call, actual in self.cases:
            computed = fused(variant, call)
            errors += [actual.get(doc, 0.0) - computed.get(doc, 0.0) for doc in sorted({*actual, *computed})]
        return np.array(errors)


def diagnose_fusion(
    cases: Sequence[tuple[Mapping[str, Any], Mapping[str, float]]], *, tolerance: float = 1e-6
) -> Diagnosis:
    """Compare fused scores with Milvus's, and find why they differ.

    Parameters
    ----------
    cases
        Calls of the task `fuse` (`refimpl check --list --suite fusion` has their form), each with the fused score of
        each document. A cause explains them only where it explains all of them, those that match included.
    tolerance
        Absolute.

    Raises
    ------
    ValueError
        Without a case.
    """
    if not cases:
        raise ValueError("expected at least one call with its scores, got none")
    problem = FusionProblem(cases)
    errors = np.abs(problem.errors((), few=False))
    difference = float(errors.max(initial=0.0)) if np.isfinite(errors).all() else np.inf
    causes = () if difference <= tolerance or difference == np.inf else explain(problem, tolerance)
    return Diagnosis(difference <= tolerance, difference, tolerance, causes)
