"""Several ranked lists into one, as Milvus defines it: reciprocal rank fusion and the weighted sum."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Int

from refimpl.search.hits import ABSENT, Array, Hits, best, stack

RRF_K = 60.0  # Cormack, Clarke and Büttcher, SIGIR 2009; Milvus' default
NEGATIVE = ("L2",)  # metrics that Milvus gives as distances: smaller is better there, negated here


def rrf(routes: Sequence[Hits], k: int, *, rrf_k: int | float = RRF_K) -> Hits:
    """Reciprocal rank fusion: score = sum over routes of 1 / (rrf_k + rank), rank from 1; absent from a route adds 0.

    Raises ValueError unless 0 < rrf_k < 16384 (Milvus' own limits), and for routes with different numbers of queries.
    """
    if not 0 < rrf_k < 16384:
        raise ValueError(f"rrf_k must be above 0 and below 16384, got {rrf_k}")

    def reciprocal(route: int, scores: Array) -> Array:
        return 1.0 / (rrf_k + np.arange(1, len(scores) + 1))

    return _fuse(routes, k, reciprocal)


def weighted(
    routes: Sequence[Hits], weights: Sequence[float], metrics: Sequence[str], k: int, *, norm_score: bool = True
) -> Hits:
    """Weighted sum of the routes' scores; a document that is absent from a route gets 0 from it.

    With `norm_score` (pymilvus' default) each score is first mapped into [0, 1] by its metric, see `normalized`.
    Without, scores enter as they are, except that among mixed metrics an L2 distance is mapped as if normalised, and
    among L2 alone the sum of distances is negated (so absence, adding 0, is the best distance: Milvus' definition).
    Raises ValueError unless there are as many weights in [0, 1] and metrics as routes.
    """
    if not len(routes) == len(weights) == len(metrics):
        raise ValueError(
            f"{len(routes)} routes need as many weights and metrics, got {len(weights)} and {len(metrics)}"
        )
    if not all(0 <= weight <= 1 for weight in weights):
        raise ValueError(f"weights must lie between 0 and 1, got {list(weights)}")

    def weigh(route: int, scores: Array) -> Array:
        return contribution(scores, weights[route], metrics, route, norm_score)

    return _fuse(routes, k, weigh)


def contribution(
    scores: Float[Array, " hits"], weight: float, metrics: Sequence[str], route: int, norm_score: bool
) -> Float[Array, " hits"]:
    """What one route adds to the weighted sum for documents with these scores in it."""
    distances = [metric in NEGATIVE for metric in metrics]
    mixed = any(distances) and not all(distances)
    if norm_score or (mixed and distances[route]):
        scores = normalized(scores, metrics[route])
    return weight * scores


def rank_bounds(
    row: Float[Array, " docs"], depth: int, tolerance: float
) -> tuple[Int[Array, " docs"], Int[Array, " docs"]]:
    """First and last rank (from 1) that each document may have in a route, when scores within `tolerance` may swap.

    `tolerance` is relative to max(1, |score|). A document whose score is -inf has rank `depth + 1`, as all that lies
    below the first `depth` has.
    """
    rising = np.sort(row)
    slack = tolerance * np.maximum(1.0, np.abs(np.where(np.isfinite(row), row, 0.0)))
    first = len(row) - np.searchsorted(rising, row + slack, side="right") + 1
    last = len(row) - np.searchsorted(rising, row - slack, side="left")
    outside = np.isneginf(row)
    first[outside] = last[outside] = depth + 1
    return np.minimum(first, depth + 1), np.minimum(last, depth + 1)


def normalized(scores: Float[Array, " hits"], metric: str) -> Float[Array, " hits"]:
    """A metric's scores mapped into [0, 1], as Milvus does before a weighted sum.

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


def _fuse(routes: Sequence[Hits], k: int, part: Callable[[int, Array], Array]) -> Hits:
    if not routes:
        raise ValueError("there is nothing to fuse: give at least one route")
    queries = {len(route.ids) for route in routes}
    if len(queries) > 1:
        raise ValueError(f"every route must answer the same queries, got {sorted(queries)} of them")
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    fused = []
    for query in range(queries.pop()):
        ids, parts = [], []
        for number, route in enumerate(routes):
            present = route.ids[query] != ABSENT
            ids.append(route.ids[query][present])
            parts.append(part(number, route.scores[query][present]))
        distinct, where = np.unique(np.concatenate(ids), return_inverse=True)
        totals = np.zeros(len(distinct))
        np.add.at(totals, where, np.concatenate(parts))
        fused.append(best(distinct, totals, k))
    return stack(fused, k)
