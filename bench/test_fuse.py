"""Fusion of several ranked lists by reciprocal ranks and by weights, against plain dictionaries."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from bench.collection import check_fused
from bench.race import SEED, Race
from refimpl.search.fusion import rrf, weighted
from refimpl.search.topk import TopK

QUERIES, DEPTH, DOCUMENTS, K = 100, 100, 5000, 10
WEIGHTS = (0.7, 0.3)


@pytest.mark.parametrize("kind", ["RRF", "weighted"])
def test_fuse(race: Race, kind: str) -> None:
    routes = _routes()
    if kind == "RRF":
        sides = {"refimpl": lambda: rrf(routes, K), "plain dictionaries": lambda: _plain(routes, _reciprocal)}
    else:
        sides = {
            "refimpl": lambda: weighted(routes, WEIGHTS, ("COSINE", "IP"), K),
            "plain dictionaries": lambda: _plain(routes, _normalised),
        }
    expected = sides["plain dictionaries"]()
    facts = {"work": QUERIES, "unit": "queries", "seed": SEED, "depth": DEPTH, "k": K}
    race(sides, stage="fuse", case=kind, check=lambda _, answer: check_fused(answer, expected), **facts)


def _routes() -> list[TopK]:
    """A cosine route and an inner product route: distinct documents per query, descending scores."""
    rng = np.random.default_rng(SEED)
    routes = []
    for least, most in ((-0.2, 1.0), (0.0, 25.0)):
        ids = np.stack([rng.choice(DOCUMENTS, DEPTH, replace=False) for _ in range(QUERIES)])
        routes.append(TopK(ids, -np.sort(-rng.uniform(least, most, (QUERIES, DEPTH)), axis=1)))
    return routes


def _reciprocal(_: int, rank: int, score: float) -> float:
    return 1.0 / (60 + rank)


def _normalised(route: int, _: int, score: float) -> float:
    mapped = (1 + score) / 2 if route == 0 else 0.5 + math.atan(score) / math.pi
    return WEIGHTS[route] * mapped


def _plain(routes: Sequence[TopK], contribution: Callable[[int, int, float], float]) -> TopK:
    """The definition as plain loops."""
    ids, scores = [], []
    for query in range(QUERIES):
        total: dict[int, float] = {}
        for number, route in enumerate(routes):
            pairs = zip(route.ids[query].tolist(), route.scores[query].tolist(), strict=True)
            for rank, (doc, score) in enumerate(pairs, start=1):
                total[doc] = total.get(doc, 0.0) + contribution(number, rank, score)
        best = sorted(total.items(), key=lambda item: (-item[1], item[0]))[:K]
        ids.append([doc for doc, _ in best])
        scores.append([score for _, score in best])
    return TopK(np.array(ids), np.array(scores))
