"""Which reciprocal rank fusion and which weighted sum a hybrid search computes."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from refimpl.identify.questions import Question

ROUTES = [[["a", 9.0], ["b", 4.0], ["c", 1.0]], [["b", 0.5], ["d", 0.25]]]
BOTH = [ROUTES[0], [["z", 0.25]]]
ARCTAN = 0.5 + math.atan(4.0) / math.pi


def _read(doc: str) -> Callable[[Any], float | None]:
    def score(answer: Any) -> float | None:
        pairs = dict(answer)
        return None if doc not in pairs else float(pairs[doc])

    return score


def _rrf(factor: str, doc: str, k: int, options: Mapping[str, float]) -> Question:
    return Question(f"RRF, {factor}", {"routes": ROUTES, "method": "rrf", "k": k}, _read(doc), options)


def _weighted(
    factor: str,
    doc: str,
    routes: Any,
    metrics: list[str],
    weights: list[float],
    norm: bool,
    options: Mapping[str, float],
) -> Question:
    keywords = {"routes": routes, "method": "weighted", "weights": weights, "metrics": metrics, "norm_score": norm}
    return Question(f"weighted sum, {factor}", keywords, _read(doc), options)


def questions() -> list[Question]:
    """Every question."""
    return [*_rrf_questions(), _inner_products(), *_other_metrics(), *_weight_questions()]


def _rrf_questions() -> list[Question]:
    k = 20
    return [
        _rrf(
            "first rank and k",
            "a",
            k,
            {
                "1 / (k + rank), ranks from 1": 1 / (k + 1),
                "1 / (k + rank), ranks from 0": 1 / k,
                "1 / (60 + rank), k is ignored, ranks from 1": 1 / 61,
                "1 / (60 + rank), k is ignored, ranks from 0": 1 / 60,
            },
        ),
        _rrf(
            "a document of two routes",
            "b",
            k,
            {
                "sum of both, ranks from 1": 1 / (k + 2) + 1 / (k + 1),
                "sum of both, ranks from 0": 1 / (k + 1) + 1 / k,
                "the better one, ranks from 1": 1 / (k + 1),
                "the better one, ranks from 0": 1 / k,
                "mean of both, ranks from 1": (1 / (k + 2) + 1 / (k + 1)) / 2,
            },
        ),
    ]


def _inner_products() -> Question:
    mean, deviation = 14 / 3, math.sqrt(((9 - 14 / 3) ** 2 + (4 - 14 / 3) ** 2 + (1 - 14 / 3) ** 2) / 3)
    normalised = {
        "0.5 + arctan(x) / pi": ARCTAN,
        "none": 4.0,
        "(x - minimum) / (maximum - minimum)": 3 / 8,
        "x / maximum": 4 / 9,
        "x / sum": 4 / 14,
        "(x - mean) / standard deviation": (4 - mean) / deviation,
        "sigmoid": 1 / (1 + math.exp(-4.0)),
    }
    return _weighted("normalisation of inner products", "b", BOTH, ["IP", "IP"], [1.0, 1.0], True, normalised)


def _other_metrics() -> list[Question]:
    cosine, distance = (
        [[["a", 0.5], ["b", 0.25], ["c", -0.5]], [["z", 0.1]]],
        [[["a", -0.5], ["b", -2.0]], [["z", -1.0]]],
    )
    return [
        _weighted(
            "normalisation of cosines",
            "b",
            cosine,
            ["COSINE", "COSINE"],
            [1.0, 1.0],
            True,
            {
                "(1 + x) / 2": 0.625,
                "none": 0.25,
                "minimum to maximum": 0.75,
                "0.5 + arctan(x) / pi": 0.5 + math.atan(0.25) / math.pi,
            },
        ),
        _weighted(
            "normalisation of distances",
            "b",
            distance,
            ["L2", "L2"],
            [1.0, 1.0],
            True,
            {
                "1 - 2 arctan(d) / pi": 1 - 2 * math.atan(2.0) / math.pi,
                "none": -2.0,
                "1 / (1 + d)": 1 / 3,
                "exp(-d)": math.exp(-2.0),
                "minimum to maximum": 0.0,
            },
        ),
    ]


def _weight_questions() -> list[Question]:
    return [
        _weighted(
            "weights", "b", BOTH, ["IP", "IP"], [3.0, 1.0], False, {"as they are": 12.0, "divided by their sum": 3.0}
        ),
        _weighted(
            "norm_score false", "b", BOTH, ["IP", "IP"], [1.0, 1.0], False, {"no normalisation": 4.0, "ignored": ARCTAN}
        ),
    ]
