"""Negative tests of every validation: right engines pass, and an engine that is wrong in one way fails.

The engines here are written from the definitions, without refimpl: scores by numpy or plain loops, sorted by Python.
"""

import math
import re
from collections import Counter
from functools import cache

import numpy as np
import pytest
from scipy.sparse import csr_array, random_array, vstack

from refimpl.search.documents import Documents
from refimpl.search.milvus_deviations import bm25_vectors, validate_full_text
from refimpl.search.plan import LoadedDataset
from refimpl.search.records import Ranker, SearchResults
from refimpl.search.run_validation import fused_bounds, validate_hybrid
from refimpl.search.topk import TopK
from refimpl.search.validation import (
    Bounds,
    dense_bounds,
    sparse_bounds,
    validate,
    validate_dense,
    validate_sparse,
)

rng = np.random.default_rng(7)
DOCS, QUERIES, DIM, TERMS, K = 60, 12, 8, 30, 20
DENSE = rng.normal(size=(DOCS, DIM)).astype(np.float32)
DENSE_QUERIES = rng.normal(size=(QUERIES, DIM)).astype(np.float32)
SPARSE = csr_array(random_array((DOCS, TERMS), density=0.1, rng=rng, dtype=np.float32)) * np.float32(3)
SPARSE_QUERIES = csr_array(random_array((QUERIES, TERMS), density=0.15, rng=rng, dtype=np.float32))
VOCABULARY = [f"word{i}" for i in range(25)]
TEXTS = [" ".join(rng.choice(VOCABULARY, size=rng.integers(3, 12))) for _ in range(DOCS)]
QUERY_TEXTS = [" ".join(rng.choice(VOCABULARY, size=3, replace=False)) for _ in range(QUERIES)]
LOADED = LoadedDataset(
    "toy",
    "",
    Documents.of([str(i) for i in range(DOCS)], TEXTS),
    {f"q{i}": text for i, text in enumerate(QUERY_TEXTS)},
    {},
)


def top(rows, k=K):
    """The k best of each row of scores (-inf: no hit), rounded to float32 as an engine returns them."""
    ids, scores = np.full((len(rows), k), -1), np.full((len(rows), k), -np.inf)
    for query, row in enumerate(rows):
        order = sorted((i for i in range(len(row)) if row[i] > -np.inf), key=lambda i: (-row[i], i))[:k]
        ids[query, : len(order)], scores[query, : len(order)] = order, np.float32([row[i] for i in order])
    return TopK(ids, scores)


def dense_matrix(metric, queries=DENSE_QUERIES, documents=DENSE):
    q, d = queries.astype(np.float64), documents.astype(np.float64)
    if metric == "L2":
        return -((q[:, None] - d[None]) ** 2).sum(axis=2)
    if metric == "COSINE":
        q, d = q / np.linalg.norm(q, axis=1, keepdims=True), d / np.linalg.norm(d, axis=1, keepdims=True)
    return np.einsum("qi,di->qd", q, d)


def sparse_matrix(queries=SPARSE_QUERIES, documents=SPARSE):
    q, d = queries.toarray().astype(np.float64), documents.toarray().astype(np.float64)
    shared = np.einsum("qi,di->qd", q != 0, d != 0, dtype=int) > 0
    return np.where(shared, np.einsum("qi,di->qd", q, d), -np.inf)


def bm25_matrix(k1=1.5, b=0.75, factor=None, idf=lambda n, df: math.log(1 + (n - df + 0.5) / (df + 0.5))):
    """BM25 as Robertson and Zaragoza (2009) define it with Lucene's idf, term by term; `factor` replaces (k1 + 1)."""
    words = [Counter(re.findall(r"\w+", text.lower())) for text in TEXTS]
    df = Counter(word for counts in words for word in counts)
    avgdl = sum(sum(counts.values()) for counts in words) / len(words)
    rows = np.full((QUERIES, DOCS), -np.inf)
    for query, text in enumerate(QUERY_TEXTS):
        for doc, counts in enumerate(words):
            norm = k1 * (1 - b + b * sum(counts.values()) / avgdl)
            shared = [word for word in text.split() if word in counts]
            if shared:
                rows[query, doc] = sum(
                    idf(len(words), df[w]) * counts[w] * (factor or k1 + 1) / (counts[w] + norm) for w in shared
                )
    return rows


def ranks(row):
    """`{document: rank from 1}` of a route's K best."""
    return {int(doc): rank for rank, doc in enumerate(top([row]).ids[0], start=1) if doc >= 0}


def fused_matrix(routes, share):
    """Sum over the routes of `share(route, rank, score)` for the documents among the route's K best."""
    rows = np.full((QUERIES, DOCS), -np.inf)
    for query in range(QUERIES):
        totals = {}
        for number, route in enumerate(routes):
            for doc, rank in ranks(route[query]).items():
                totals[doc] = totals.get(doc, 0.0) + share(number, rank, route[query][doc])
        rows[query, list(totals)] = list(totals.values())
    return rows


def reciprocal(k=60, start=1):
    return lambda route, rank, score: 1 / (k + rank - 1 + start)


def weighting(weights, maps):
    return lambda route, rank, score: weights[route] * maps[route](score)


def unit_cosine(score):
    return (1 + score) / 2


def unit_ip(score):
    return 0.5 + math.atan(score) / math.pi


def unit_bm25(score):
    return 2 * math.atan(score) / math.pi


def unit_l2(score):
    return 1 - 2 * math.atan(-score) / math.pi


def identity(score):
    return score


WEIGHTS = (0.7, 0.3)
COSINE_AND_SPARSE = (dense_matrix("COSINE"), sparse_matrix())
L2_AND_SPARSE = (dense_matrix("L2"), sparse_matrix())


def validate_fused(hits, ranker, metric="COSINE"):
    routes = [dense_bounds(DENSE_QUERIES, DENSE, metric), sparse_bounds(SPARSE_QUERIES, SPARSE)]
    return validate_hybrid(hits, ranker, routes, [metric, "IP"], K)


def full_text(hits):
    ids = [[str(doc) for doc in row if doc >= 0] for row in hits.ids]
    return validate_full_text(
        SearchResults(ids, [list(row[: len(i)]) for row, i in zip(hits.scores, ids, strict=True)]), LOADED, K
    )


# target: the scores of a right engine, the validation of its hits
TARGETS = {
    "IP": (lambda: dense_matrix("IP"), lambda hits: validate_dense(hits, DENSE_QUERIES, DENSE, "IP")),
    "COSINE": (lambda: dense_matrix("COSINE"), lambda hits: validate_dense(hits, DENSE_QUERIES, DENSE, "COSINE")),
    "L2": (lambda: dense_matrix("L2"), lambda hits: validate_dense(hits, DENSE_QUERIES, DENSE, "L2")),
    "sparse": (sparse_matrix, lambda hits: validate_sparse(hits, SPARSE_QUERIES, SPARSE)),
    "full text": (bm25_matrix, full_text),
    "RRF": (lambda: fused_matrix(COSINE_AND_SPARSE, reciprocal()), lambda hits: validate_fused(hits, Ranker("rrf"))),
    "RRF, k 1000": (
        lambda: fused_matrix(COSINE_AND_SPARSE, reciprocal(1000)),
        lambda hits: validate_fused(hits, Ranker("rrf", rrf_k=1000)),
    ),
    "weighted": (
        lambda: fused_matrix(COSINE_AND_SPARSE, weighting(WEIGHTS, (unit_cosine, unit_ip))),
        lambda hits: validate_fused(hits, Ranker("weighted", weights=WEIGHTS)),
    ),
    "weighted, L2": (
        lambda: fused_matrix(L2_AND_SPARSE, weighting(WEIGHTS, (unit_l2, unit_ip))),
        lambda hits: validate_fused(hits, Ranker("weighted", weights=WEIGHTS), "L2"),
    ),
    "weighted, scores as they are": (
        lambda: fused_matrix(COSINE_AND_SPARSE, weighting(WEIGHTS, (identity, identity))),
        lambda hits: validate_fused(hits, Ranker("weighted", weights=WEIGHTS, norm_score=False)),
    ),
}


@cache
def right_matrix(target):
    return TARGETS[target][0]()


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


def test_zero_vectors_are_no_error():
    zero = np.zeros((2, DIM), np.float32)
    for metric in ("IP", "COSINE", "L2"):
        rows = np.zeros((2, DOCS)) if metric != "L2" else dense_matrix("L2", zero)
        assert validate_dense(top(rows), zero, DENSE, metric).passed
    assert validate_dense(top(np.zeros((2, 2))), zero, zero, "IP").passed
    assert validate_sparse(top(np.full((2, DOCS), -np.inf)), csr_array((2, TERMS)), SPARSE).passed


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


def test_any_of_several_documents_that_tie_for_the_last_place_matches():
    row = np.array([3.0, 1.0, 1.0, 1.0, 0.5])
    truth = [Bounds(row, row)]
    assert validate(TopK(np.array([[0, 3]]), np.array([[3.0, 1.0]])), truth, "IP").passed
    assert validate(TopK(np.array([[0, 4]]), np.array([[3.0, 0.5]])), truth, "IP").recall == 0.5
    ties = TopK(np.array([[1, 2]]), np.array([[1.0, 1.0]]))
    assert validate(ties, truth, "IP").recall == 0.5  # ties cannot replace document 0


def test_scores_within_bounds_match_and_outside_do_not():
    lower, upper = np.array([0.9, 0.4, 0.4, -np.inf, -np.inf]), np.array([0.9, 0.5, 0.5, 0.3, -np.inf])
    truth = [Bounds(lower, upper)]
    assert validate(TopK(np.array([[0, 2, 1]]), np.array([[0.9, 0.5, 0.4]])), truth, "RRF").passed
    for score, error in ((0.6, 0.1), (0.3, 0.1)):
        outside = validate(TopK(np.array([[0, 2, 1]]), np.array([[0.9, score, 0.4]])), truth, "RRF")
        assert outside.max_error == pytest.approx(error)
        assert not outside.passed
    forbidden = validate(TopK(np.array([[0, 2, 4]]), np.array([[0.9, 0.5, 0.4]])), truth, "RRF")
    assert not forbidden.passed
    assert forbidden.recall == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("ranker", "contributions"),
    [(Ranker("rrf"), (1 / 61, 1 / 62)), (Ranker("weighted", weights=(0.5,), norm_score=False), (1.5, 1.0))],
)
def test_of_two_documents_that_tie_for_the_last_rank_either_may_be_cut_off(ranker, contributions):
    row = np.array([3.0, 2.0, 2.0, 1.0, -np.inf])
    first, second = contributions
    lower, upper, _ = fused_bounds(ranker, [Bounds(row, row)], ["IP"], 2)
    np.testing.assert_allclose(lower, [first, -np.inf, -np.inf, -np.inf, -np.inf], rtol=1e-12)
    np.testing.assert_allclose(upper, [first, second, second, -np.inf, -np.inf], rtol=1e-12)


def test_a_document_that_shares_no_column_must_not_be_a_hit():
    query, documents = csr_array(np.array([[1.0, 0.0]])), csr_array(np.array([[2.0, 0.0], [0.0, 1.0]]))
    assert validate_sparse(TopK(np.array([[0, -1]]), np.array([[2.0, -np.inf]])), query, documents).passed
    wrong = validate_sparse(TopK(np.array([[0, 1]]), np.array([[2.0, 0.0]])), query, documents)
    assert wrong.problems == ("a document that shares no term with the query (1 of 1 queries)",)


@pytest.mark.parametrize("unknown", [2, 7, -5])
def test_an_unknown_document_after_all_right_hits_is_a_problem(unknown):
    query, documents = csr_array(np.array([[1.0]])), csr_array(np.array([[2.0], [1.0]]))
    hits = TopK(np.array([[0, 1, unknown]]), np.array([[2.0, 1.0, 0.5]]))
    validation = validate_sparse(hits, query, documents)
    assert (validation.recall, validation.max_error) == (1.0, 0.0)
    assert validation.problems == ("a document that is not in the collection (1 of 1 queries)",)
    assert not validation.passed


def test_more_hits_than_k_raise():
    with pytest.raises(ValueError, match="query 1: expected at most 2 hits, got 3"):
        SearchResults([["a"], ["a", "b", "c"]], [[1.0], [3.0, 2.0, 1.0]]).hits({"a": 0, "b": 1, "c": 2}, 2)


def test_bm25_vectors_by_hand():
    queries, blocks = bm25_vectors(lambda: iter([["One two two"], [], ["two, three"]]), ["TWO two one", "four"])
    documents = csr_array(vstack([block for block in blocks() if block.shape[0]]))
    idf_one, idf_two = math.log(1 + 1.5 / 1.5), math.log(1 + 0.5 / 2.5)
    tf = {(0, "one"): 2.5 / (1 + 1.5 * (0.25 + 0.75 * 3 / 2.5)), (0, "two"): 5 / (2 + 1.5 * (0.25 + 0.75 * 3 / 2.5))}
    second = 2.5 / (1 + 1.5 * (0.25 + 0.75 * 2 / 2.5))
    scores = (queries @ documents.T).toarray()
    expected = [2 * idf_two * tf[0, "two"] + idf_one * tf[0, "one"], 2 * idf_two * second]
    np.testing.assert_allclose(scores, [expected, [0, 0]], rtol=1e-12)


@pytest.mark.parametrize(
    ("scale", "scores", "ordered"),
    [
        (1.0, [2e-6, 3e-6], True),  # 1e-6 apart, 1e-5 allowed
        (1e-6, [2e-6, 3e-6], False),  # 3e-11 allowed
        (1.0, [1000.0, 1000.005], True),  # 1e-2 allowed
        (1.0, [1000.0, 1000.05], False),
        (1.0, [-1000.005, -1000.0], True),
        (1.0, [-1000.05, -1000.0], False),
    ],
)
def test_scores_within_the_tolerance_may_come_in_either_order(scale, scores, ordered):
    row = np.array(scores)
    validation = validate(TopK(np.array([[0, 1]]), row[None]), [Bounds(row, row, scale)], "IP")
    assert validation.problems == (() if ordered else ("scores that are not in descending order (1 of 1 queries)",))


@pytest.mark.parametrize(
    ("scale", "scores", "recall"),
    [
        (1.0, [3e-6, 2e-6], 1.0),
        (1e-6, [3e-6, 2e-6], 0.0),
        (1.0, [1000.0, 999.995], 1.0),
        (1.0, [1000.0, 999.95], 0.0),
        (1.0, [-1000.0, -1000.005], 1.0),
        (1.0, [-1000.0, -1000.05], 0.0),
    ],
)
def test_a_document_within_the_tolerance_of_the_last_place_replaces_it(scale, scores, recall):
    """The tolerance is 1e-5 times the larger of scale and score."""
    row = np.array(scores)
    assert validate(TopK(np.array([[1]]), row[None, 1:]), [Bounds(row, row, scale)], "IP").recall == recall


@pytest.mark.parametrize(("lower", "error"), [(0.5, 0.25), (4.0, 0.0625), (-4.0, 0.0625)])
def test_the_error_is_relative_to_the_larger_of_scale_and_score(lower, error):
    row = np.array([lower])
    for score in (lower - 0.25, lower + 0.25):
        assert validate(TopK(np.array([[0]]), np.array([[score]])), [Bounds(row, row)], "IP").max_error == error


@pytest.mark.parametrize(
    ("ids", "scores", "problem"),
    [
        ([0, -2], [3.0, 1.0], "a document that is not in the collection"),
        ([0, 3], [3.0, 1.0], "a document that is not in the collection"),
        ([0, 2], [3.0, 1.0], "a document that shares no term with the query"),
        ([0, 0], [3.0, 3.0], "a duplicate document"),
        ([0, 1], [3.0, np.nan], "a score that is not finite"),
        ([0, 1], [3.0, 3.1], "scores that are not in descending order"),
    ],
)
def test_each_problem_is_named_once(ids, scores, problem):
    row = np.array([3.0, 1.0, -np.inf])
    right = [0, 1], [3.0, 1.0]
    hits = TopK(np.array([ids, right[0]]), np.array([scores, right[1]]))
    assert validate(hits, [Bounds(row, row)] * 2, "IP").problems == (f"{problem} (1 of 2 queries)",)


def test_the_scale_is_the_product_of_the_lengths_up_to_1():
    queries, documents = np.array([[3e-2, 4e-2], [3.0, 4.0]]), np.array([[0.6, 0.8], [0.3, 0.4]])
    assert [bounds.scale for bounds in dense_bounds(queries, documents, "IP")] == pytest.approx([0.05, 1.0])
    assert [bounds.scale for bounds in dense_bounds(queries, documents, "COSINE")] == [1.0, 1.0]
    squared = [bounds.scale for bounds in dense_bounds(queries, documents * 0.1, "L2")]
    assert squared == pytest.approx([0.15**2, 1.0])
    sparse = sparse_bounds(csr_array(queries), csr_array(documents))
    assert [bounds.scale for bounds in sparse] == pytest.approx([0.05, 1.0])


def test_equal_scores_tie_for_the_last_place_whatever_the_tolerance():
    row = np.array([1.0, 1.0])
    assert validate(TopK(np.array([[1]]), row[None, 1:]), [Bounds(row, row)], "IP", tolerance=0.0).recall == 1.0
