"""Negative tests of every validation: right engines pass, and an engine that is wrong in one way fails.

The engines here are written from the definitions, without refimpl: scores by numpy or plain loops, sorted by Python.
"""

import math

import numpy as np
import pytest
from right_engines import (
    COSINE_AND_SPARSE,
    DENSE,
    DENSE_QUERIES,
    DOCS,
    L2_AND_SPARSE,
    QUERIES,
    SPARSE,
    SPARSE_QUERIES,
    TARGETS,
    WEIGHTS,
    K,
    bm25_matrix,
    dense_matrix,
    fused_matrix,
    identity,
    reciprocal,
    right_matrix,
    sparse_matrix,
    top,
    unit_bm25,
    unit_cosine,
    unit_ip,
    unit_l2,
    weighting,
)
from scipy.sparse import csr_array

from refimpl.search.records import Ranker
from refimpl.search.run_validation import validate_hybrid
from refimpl.search.topk import TopK
from refimpl.search.validation import (
    dense_bounds,
    sparse_bounds,
    validate_dense,
    validate_sparse,
)


@pytest.mark.parametrize("target", TARGETS)
def test_a_right_engine_passes(target):
    validation = TARGETS[target][1](top(right_matrix(target)))
    assert validation.passed, validation
    assert (validation.recall, validation.problems) == (1.0, ())
    assert validation.max_error < 1e-6  # float32 rounding


def without_first(hits):
    """Ranks off by one: the first hit is missing, and all others are one place higher."""
    hits.ids[0], hits.scores[0] = np.append(hits.ids[0, 1:], -1), np.append(hits.scores[0, 1:], -np.inf)


def without_last(hits):
    last = hits.counts[0] - 1
    hits.ids[0, last], hits.scores[0, last] = -1, -np.inf


def without_any(hits):
    hits.ids[0], hits.scores[0] = -1, -np.inf


def duplicate(hits):
    hits.ids[0, 1], hits.scores[0, 1] = hits.ids[0, 0], hits.scores[0, 0]


def scores_of_neighbours(hits):
    """Two documents have each other's score, in the right order of scores."""
    hits.ids[0, [0, 5]] = hits.ids[0, [5, 0]]


def scores_of_the_next_rank(hits):
    hits.scores[0, :-1] = hits.scores[0, 1:].copy()
    hits.ids[0, -1], hits.scores[0, -1] = -1, -np.inf


def one_score_off(hits):
    hits.scores[3, 2] += 1e-3 * abs(hits.scores[3, 2])


def negated(hits):
    hits.scores[hits.ids >= 0] *= -1


def reversed_order(hits):
    count = hits.counts[0]
    hits.ids[0, :count], hits.scores[0, :count] = hits.ids[0, :count][::-1].copy(), hits.scores[0, :count][::-1].copy()


def unknown_document(hits):
    hits.ids[0, 0] = DOCS


def not_a_number(hits):
    hits.scores[0, 0] = np.nan


def of_another_query(hits):
    hits.ids[[0, 1]], hits.scores[[0, 1]] = hits.ids[[1, 0]], hits.scores[[1, 0]]


def twice_the_score(hits):
    hits.scores[hits.ids >= 0] *= 2


FAULTS = [
    *(without_first, without_last, without_any, duplicate, scores_of_neighbours, scores_of_the_next_rank),
    *(one_score_off, negated, reversed_order, unknown_document, not_a_number, of_another_query, twice_the_score),
]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("target", TARGETS)
def test_hits_with_a_fault_fail(target, fault):
    hits = top(right_matrix(target))
    fault(hits)
    assert not TARGETS[target][1](hits).passed


@pytest.mark.parametrize("target", TARGETS)
def test_the_next_best_document_in_place_of_the_last_hit_fails_with_its_right_score(target):
    right, row = top(right_matrix(target)), right_matrix(target)[0]
    last = right.counts[0] - 1
    other = [doc for doc in np.argsort(-row) if row[doc] < right.scores[0, last] - 1e-5]  # does not tie
    right.ids[0, last], right.scores[0, last] = other[0], row[other[0]] if np.isfinite(row[other[0]]) else 0.0
    validation = TARGETS[target][1](right)
    assert not validation.passed
    assert validation.recall < 1


def shuffled_ranks(route, rank, score):
    return 1 / (60 + rank + (route == 1))


# target: engines that compute something else
WRONG = {
    "IP": {
        "cosine": lambda: dense_matrix("COSINE"),
        "L2": lambda: dense_matrix("L2"),
        "queries normalised": lambda: (
            dense_matrix("IP") / np.linalg.norm(DENSE_QUERIES, axis=1, keepdims=True).astype(np.float64)
        ),
    },
    "COSINE": {
        "not normalised": lambda: dense_matrix("IP"),
        "queries not normalised": lambda: dense_matrix("COSINE") * np.linalg.norm(DENSE_QUERIES, axis=1)[:, None],
        "distance": lambda: dense_matrix("COSINE") - 1,
        "in [0, 1]": lambda: (1 + dense_matrix("COSINE")) / 2,
    },
    "L2": {
        "not squared": lambda: -np.sqrt(-dense_matrix("L2")),
        "distance, farthest first": lambda: -dense_matrix("L2"),
        "halved": lambda: dense_matrix("L2") / 2,
        "without the norm of the query": lambda: dense_matrix("L2") + (DENSE_QUERIES**2).sum(axis=1)[:, None],
    },
    "sparse": {
        "shared columns": lambda: sparse_matrix((SPARSE_QUERIES > 0) * 1, (SPARSE > 0) * 1),
        "without query weights": lambda: sparse_matrix((SPARSE_QUERIES > 0) * 1),
        "documents without a shared column": lambda: np.maximum(sparse_matrix(), 0),
        "first column missing": lambda: sparse_matrix(SPARSE_QUERIES[:, 1:], SPARSE[:, 1:]),
        "cosine": lambda: sparse_matrix() / np.linalg.norm(SPARSE.toarray(), axis=1),
    },
    "full text": {
        "k1 1.2": lambda: bm25_matrix(k1=1.2),
        "b 0.5": lambda: bm25_matrix(b=0.5),
        "without k1 + 1": lambda: bm25_matrix(factor=1.0),
        "Robertson's idf": lambda: bm25_matrix(idf=lambda n, df: math.log((n - df + 0.5) / (df + 0.5))),
        "df off by one": lambda: bm25_matrix(idf=lambda n, df: math.log(1 + (n - df - 0.5) / (df + 1.5))),
    },
    "RRF": {
        "ranks from 0": lambda: fused_matrix(COSINE_AND_SPARSE, reciprocal(60, start=0)),
        "ranks from 2": lambda: fused_matrix(COSINE_AND_SPARSE, reciprocal(60, start=2)),
        "k 61": lambda: fused_matrix(COSINE_AND_SPARSE, reciprocal(61)),
        "k 59": lambda: fused_matrix(COSINE_AND_SPARSE, reciprocal(59)),
        "second route off by one": lambda: fused_matrix(COSINE_AND_SPARSE, shuffled_ranks),
        "first route only": lambda: fused_matrix(COSINE_AND_SPARSE[:1], reciprocal()),
        "routes swapped for copies": lambda: fused_matrix(COSINE_AND_SPARSE[1:] * 2, reciprocal()),
        "averaged": lambda: fused_matrix(COSINE_AND_SPARSE, reciprocal()) / 2,
        "maximum": lambda: np.maximum(*(fused_matrix([route], reciprocal()) for route in COSINE_AND_SPARSE)),
        "another metric": lambda: fused_matrix((dense_matrix("IP"), sparse_matrix()), reciprocal()),
        "sum of scores": lambda: fused_matrix(COSINE_AND_SPARSE, weighting((1, 1), (identity, identity))),
    },
    "RRF, k 1000": {
        "ranks from 0": lambda: fused_matrix(COSINE_AND_SPARSE, reciprocal(1000, start=0)),
        "k 1001": lambda: fused_matrix(COSINE_AND_SPARSE, reciprocal(1001)),
        "k 60": lambda: fused_matrix(COSINE_AND_SPARSE, reciprocal(60)),
    },
    "weighted": {
        "weights swapped": lambda: fused_matrix(COSINE_AND_SPARSE, weighting(WEIGHTS[::-1], (unit_cosine, unit_ip))),
        "equal weights": lambda: fused_matrix(COSINE_AND_SPARSE, weighting((0.5, 0.5), (unit_cosine, unit_ip))),
        "without weights": lambda: fused_matrix(COSINE_AND_SPARSE, weighting((1, 1), (unit_cosine, unit_ip))),
        "scores as they are": lambda: fused_matrix(COSINE_AND_SPARSE, weighting(WEIGHTS, (identity, identity))),
        "cosine as it is": lambda: fused_matrix(COSINE_AND_SPARSE, weighting(WEIGHTS, (identity, unit_ip))),
        "IP by BM25's formula": lambda: fused_matrix(COSINE_AND_SPARSE, weighting(WEIGHTS, (unit_cosine, unit_bm25))),
        "cosine by IP's formula": lambda: fused_matrix(COSINE_AND_SPARSE, weighting(WEIGHTS, (unit_ip, unit_ip))),
        "reciprocal ranks": lambda: fused_matrix(COSINE_AND_SPARSE, reciprocal()),
    },
    "weighted, L2": {
        "distance as it is": lambda: fused_matrix(L2_AND_SPARSE, weighting(WEIGHTS, (identity, unit_ip))),
        "farthest first": lambda: fused_matrix(
            L2_AND_SPARSE, weighting(WEIGHTS, (lambda score: 2 * math.atan(-score) / math.pi, unit_ip))
        ),
        "not squared": lambda: fused_matrix(
            (-np.sqrt(-dense_matrix("L2")), sparse_matrix()), weighting(WEIGHTS, (unit_l2, unit_ip))
        ),
    },
    "weighted, scores as they are": {
        "normalised": lambda: fused_matrix(COSINE_AND_SPARSE, weighting(WEIGHTS, (unit_cosine, unit_ip))),
        "weights swapped": lambda: fused_matrix(COSINE_AND_SPARSE, weighting(WEIGHTS[::-1], (identity, identity))),
    },
}


@pytest.mark.parametrize(("target", "engine"), [(target, name) for target in WRONG for name in WRONG[target]])
def test_an_engine_that_computes_something_else_fails(target, engine):
    with np.errstate(invalid="ignore"):
        hits = top(WRONG[target][engine]())
    assert not TARGETS[target][1](hits).passed


def test_every_target_has_wrong_engines():
    assert WRONG.keys() == TARGETS.keys()


@pytest.mark.parametrize("metric", ["IP", "COSINE", "L2"])
def test_tied_documents_may_come_in_any_order_and_replace_each_other_at_the_cut(metric):
    documents = np.repeat(DENSE[:20], 3, axis=0)  # each document three times
    rows = dense_matrix(metric, documents=documents)
    forward, backward = top(rows, 10), top(rows[:, ::-1], 10)  # ties by ascending and by descending index
    backward = TopK(DOCS - 1 - backward.ids, backward.scores)
    assert forward.ids.tolist() != backward.ids.tolist()
    for hits in (forward, backward):
        assert validate_dense(hits, DENSE_QUERIES, documents, metric).passed
    backward.ids[0, 0] = next(i for i in range(DOCS) if i not in backward.ids[0])  # does not tie
    assert not validate_dense(backward, DENSE_QUERIES, documents, metric).passed


@pytest.mark.parametrize("ranker", [Ranker("rrf"), Ranker("weighted", weights=WEIGHTS)])
def test_fusion_of_tied_routes_passes_in_either_order_and_not_with_ranks_from_0(ranker):
    dense, sparse = np.repeat(DENSE[:30], 2, axis=0), csr_array(np.repeat(SPARSE.toarray()[:30], 2, axis=0))
    for order in (1, -1):
        matrices = dense_matrix("COSINE", documents=dense[::order]), sparse_matrix(documents=sparse[::order])
        for start in (1, 0):
            share = reciprocal(start=start) if ranker.kind == "rrf" else weighting(WEIGHTS, (unit_cosine, unit_ip))
            hits = top(fused_matrix(matrices, share))
            if order == -1:
                hits = TopK(np.where(hits.ids < 0, -1, DOCS - 1 - hits.ids), hits.scores)
            routes = [dense_bounds(DENSE_QUERIES, dense, "COSINE"), sparse_bounds(SPARSE_QUERIES, sparse)]
            passed = validate_hybrid(hits, ranker, routes, ["COSINE", "IP"], K).passed
            assert passed == (ranker.kind == "weighted" or start == 1)


@pytest.mark.parametrize("metric", ["IP", "L2"])
@pytest.mark.parametrize("size", [1e-4, 1e4])
def test_the_tolerance_follows_the_length_of_the_vectors(metric, size):
    """Scores far below 1 are compared as strictly as others, and rounding of long vectors is no error."""
    queries, documents = DENSE_QUERIES * np.float32(size), DENSE * np.float32(size)
    rows = dense_matrix(metric, queries, documents)
    assert validate_dense(top(rows), queries, documents, metric).passed
    assert not validate_dense(top(rows * 1.001), queries, documents, metric).passed
    assert not validate_dense(top(rows[:, ::-1]), queries, documents, metric).passed
    shorter = SPARSE_QUERIES * np.float32(size)
    assert validate_sparse(top(sparse_matrix(shorter)), shorter, SPARSE).passed
    assert not validate_sparse(top(sparse_matrix(shorter) * 1.001), shorter, SPARSE).passed


def test_figures_and_problems_of_a_validation():
    right, check = top(right_matrix("IP")), TARGETS["IP"][1]
    lost = TopK(right.ids.copy(), right.scores.copy())
    without_last(lost)
    assert check(lost).recall == pytest.approx(1 - 1 / (QUERIES * K))
    lost.scores[3, 2] += 0.5 * max(1, abs(lost.scores[3, 2]))
    assert check(lost).max_error == pytest.approx(0.5, rel=0.2)
    twice = TopK(right.ids.copy(), right.scores.copy())
    duplicate(twice)
    assert check(twice).problems == (f"a duplicate document (1 of {QUERIES} queries)",)
    backwards = TopK(right.ids.copy(), right.scores.copy())
    reversed_order(backwards)
    assert check(backwards).recall == 1.0
    assert check(backwards).problems == (f"scores that are not in descending order (1 of {QUERIES} queries)",)
    entry = check(twice).to_dict("dense")
    assert (entry["what"], entry["passed"], entry["metric"], entry["k"]) == ("dense", False, "IP", K)
    assert entry["problems"] == [f"a duplicate document (1 of {QUERIES} queries)"]
