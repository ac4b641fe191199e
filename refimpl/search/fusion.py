"""Fusion of several ranked lists as Milvus defines it: reciprocal rank fusion (RRF) and the weighted sum of scores."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Int

from refimpl.common.hits import check_hits
from refimpl.common.types import Array
from refimpl.search.topk import ABSENT, TopK, best, stack

RRF_K = 60.0  # the paper's value and Milvus' default
DISTANCES = ("L2",)  # metrics for which Milvus returns distances (smaller is better), negated here


def rrf(routes: Sequence[TopK], k: int, *, rrf_k: int | float = RRF_K) -> TopK:
    """Reciprocal rank fusion: score = sum over routes of 1 / (rrf_k + rank), rank from 1; absent from a route adds 0.

    Cormack, Clarke and Büttcher, SIGIR 2009. Raises ValueError unless 0 < rrf_k < 16384 (Milvus' limits), and for
    routes with different numbers of queries.
    """
    if not 0 < rrf_k < 16384:
        raise ValueError(f"rrf_k must be above 0 and below 16384, got {rrf_k}")

    def reciprocal(route: int, scores: Array) -> Array:
        return 1.0 / (rrf_k + np.arange(1, len(scores) + 1))

    return _fuse(routes, k, reciprocal)


def weighted(
    routes: Sequence[TopK], weights: Sequence[float], metrics: Sequence[str], k: int, *, norm_score: bool = True
) -> TopK:
    """Weighted sum of the routes' scores; a document that is absent from a route gets 0 from it.

    With `norm_score` (pymilvus' default) each score is first mapped into [0, 1] by its metric, see `normalized`.
    Without, scores are summed as they are, with two exceptions: beside other metrics an L2 distance is normalised all
    the same, and of L2 routes alone the sum of distances is negated (so absence, adding 0, is the best distance: this
    is Milvus' definition).
    Raises ValueError unless there are as many weights in [0, 1] and metrics as routes.
    """
    if not len(routes) == len(weights) == len(metrics):
        raise ValueError(
            f"expected {len(routes)} weights and metrics, one per route, got {len(weights)} and {len(metrics)}"
        )
    if not all(0 <= weight <= 1 for weight in weights):
        raise ValueError(f"weights must be between 0 and 1, got {list(weights)}")

    def weigh(route: int, scores: Array) -> Array:
        return contribution(scores, weights[route], metrics, route, norm_score)

    return _fuse(routes, k, weigh)


def contribution(
    scores: Float[Array, " hits"], weight: float, metrics: Sequence[str], route: int, norm_score: bool
) -> Float[Array, " hits"]:
    """Summands of one route in the weighted sum, for documents with these scores in the route."""
    distances = [metric in DISTANCES for metric in metrics]
    mixed = any(distances) and not all(distances)
    if norm_score or (mixed and distances[route]):
        scores = normalized(scores, metrics[route])
    return weight * scores


def rank_bounds(
    row: Float[Array, " docs"], depth: int, tolerance: float, scale: float = 1.0
) -> tuple[Int[Array, " docs"], Int[Array, " docs"]]:
    """First and last possible rank of each document in a route, when scores within `tolerance` may swap.

    Ranks count from 1. `tolerance` is relative to max(scale, |score|). A document with score -inf has rank `depth + 1`,
    as has every document below the first `depth`.
    """
    rising = np.sort(row)
    slack = tolerance * np.maximum(scale, np.abs(np.where(np.isfinite(row), row, 0.0)))
    first = len(row) - np.searchsorted(rising, row + slack, side="right") + 1
    last = len(row) - np.searchsorted(rising, row - slack, side="left")
    outside = np.isneginf(row)
    first[outside] = last[outside] = depth + 1
    return np.minimum(first, depth + 1), np.minimum(last, depth + 1)


def normalized(scores: Float[Array, " hits"], metric: str) -> Float[Array, " hits"]:
    """Scores of a metric mapped into [0, 1], as Milvus does before a weighted sum.

    COSINE (1 + s) / 2; IP 1/2 + atan(s) / pi; BM25 2 atan(s) / pi; L2 1 - 2 atan(d) / pi, d = -s the squared distance.
    Raises ValueError for another metric.
    """
    if metric == "COSINE":
        return (1.0 + scores) / 2.0
    if metric == "IP":
        return 0.5 + np.arctan(scores) / math.pi
    if metric == "BM25":
        return 2.0 * np.arctan(scores) / math.pi
    if metric == "L2":
        return 1.0 - 2.0 * np.arctan(-scores) / math.pi
    raise ValueError(f"metric must be one of COSINE, IP, BM25, L2, got {metric!r}")


def _fuse(routes: Sequence[TopK], k: int, summand: Callable[[int, Array], Array]) -> TopK:
    if not routes:
        raise ValueError("expected at least one route, got none")
    queries = {len(route.ids) for route in routes}
    if len(queries) > 1:
        raise ValueError(f"every route must have the same number of queries, got {sorted(queries)}")
    check_hits(k, sum(route.ids.shape[1] for route in routes))
    fused = []
    for query in range(queries.pop()):
        ids, summands = [], []
        for number, route in enumerate(routes):
            present = route.ids[query] != ABSENT
            ids.append(route.ids[query][present])
            summands.append(summand(number, route.scores[query][present]))
        distinct, inverse = np.unique(np.concatenate(ids), return_inverse=True)
        totals = np.zeros(len(distinct))
        np.add.at(totals, inverse, np.concatenate(summands))
        fused.append(best(distinct, totals, k))
    return stack(fused, k)
