"""Validation over blocks finds what validation over all scores at once finds, also for wrong hits and ties."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array, random_array

from refimpl.search.records import Ranker
from refimpl.search.run_validation import validate_hybrid
from refimpl.search.scorers import DenseScorer, SparseScorer
from refimpl.search.topk import TopK, empty
from refimpl.search.truth import common_rows, joined, largest_norm, part_of_truth, renumbered, truth_of
from refimpl.search.validation import Bounds, validate

DOCS, QUERIES, K = 200, 12, 15
SIZES = [0, 7, 64, 1, 0, 128]


def tied(seed, dim=6):
    rng = np.random.default_rng(seed)
    return rng.integers(-2, 3, (60, dim)).astype(np.float32)[rng.integers(0, 60, DOCS)]


DENSE, DENSE_QUERIES = tied(1), tied(2)[:QUERIES]
SPARSE = csr_array(np.maximum(tied(3, 30), 0))
SPARSE_QUERIES = csr_array(random_array((QUERIES, 30), density=0.1, rng=np.random.default_rng(4), dtype=np.float32))


def matrix(kind):
    """All scores by loops over dimensions, -inf where nothing is shared; no part of refimpl."""
    if kind == "sparse":
        queries, documents = SPARSE_QUERIES.toarray().astype(float), SPARSE.toarray().astype(float)
        shared = np.einsum("qi,di->qd", queries != 0, documents != 0, dtype=int) > 0
        return np.where(shared, np.einsum("qi,di->qd", queries, documents), -np.inf)
    queries, documents = DENSE_QUERIES.astype(float), DENSE.astype(float)
    if kind == "L2":
        return -((queries[:, None] - documents[None]) ** 2).sum(axis=2)
    if kind == "COSINE":
        queries, documents = (
            np.divide(v, n, out=np.zeros_like(v), where=n > 0)
            for v, n in ((v, np.linalg.norm(v, axis=1, keepdims=True)) for v in (queries, documents))
        )
    return np.einsum("qi,di->qd", queries, documents)


def scorer(kind):
    return SparseScorer(SPARSE_QUERIES) if kind == "sparse" else DenseScorer(DENSE_QUERIES, kind)


def blocks(kind):
    vectors = SPARSE if kind == "sparse" else DENSE
    ends = np.cumsum(SIZES)
    assert ends[-1] == DOCS
    return lambda: (vectors[end - size : end] for size, end in zip(SIZES, ends, strict=True))


def engine(scores, k=K, seed=0):
    """The best k of each row in float32, ties in random order."""
    order = np.random.default_rng(seed).permutation(scores.shape[1])
    ids = order[np.argsort(-scores[:, order], axis=1, kind="stable")[:, :k]]
    values = np.take_along_axis(scores, ids, axis=1).astype(np.float32).astype(float)
    return TopK(np.where(np.isneginf(values), -1, ids), values)


def fault(name, hits):
    ids, scores = hits.ids.copy(), hits.scores.copy()
    if name == "without the best":
        return TopK(np.roll(ids, -1, 1)[:, :-1], np.roll(scores, -1, 1)[:, :-1])
    if name == "another document":
        ids[:, 2] = (ids[:, 2] + 97) % DOCS
    elif name == "a score":
        scores[3, 1] *= 1.01
        scores[3, 1] += 0.01
    elif name == "unknown":
        ids[0, 0] = DOCS
    elif name == "twice":
        ids[:, 1] = ids[:, 0]
    elif name == "reversed":
        ids, scores = ids[:, ::-1], scores[:, ::-1]
    return TopK(ids, scores)


FAULTS = ["none", "without the best", "another document", "a score", "unknown", "twice", "reversed"]


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("kind", ["IP", "COSINE", "L2", "sparse"])
def test_fields_are_validated_as_by_the_scores_of_all_documents(kind, name):
    scores = matrix(kind)
    hits = fault(name, engine(scores))
    truth = truth_of(scorer(kind), blocks(kind), hits)
    whole = validate(hits, [Bounds(row, row, scale) for row, scale in zip(scores, truth.scales, strict=True)], kind)
    found = truth.compare(hits, kind)
    assert found.max_error == pytest.approx(whole.max_error, abs=1e-12)
    assert replace(found, max_error=0.0) == replace(whole, max_error=0.0)
    assert found.passed == (name == "none")


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("kind", ["IP", "COSINE", "L2", "sparse"])
def test_parts_that_follow_each_other_are_joined_to_the_truth_of_all(kind, name):
    hits = fault(name, engine(matrix(kind)))
    whole = truth_of(scorer(kind), blocks(kind), hits)
    scales = scorer(kind).scales(largest_norm(scorer(kind), blocks(kind)()))
    parts, first_row = [], 0
    for block in blocks(kind)():
        parts.append(part_of_truth(scorer(kind), [block], hits, scales, first_row))
        first_row += block.shape[0]
    assert len(parts) > 2
    halves = [joined(parts[:2], hits, scales), joined(parts[2:], hits, scales), joined([], hits, scales)]
    for found in (joined(parts, hits, scales), joined(halves, hits, scales)):
        assert found.scales.tobytes() == whole.scales.tobytes()
        assert [rows.tolist() for rows in found.rows] == [rows.tolist() for rows in whole.rows]
        assert [scores.tobytes() for scores in found.scores] == [scores.tobytes() for scores in whole.scores]


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("ranker", [Ranker("rrf"), Ranker("weighted", weights=(0.3, 0.9))])
def test_hybrids_are_validated_as_by_the_scores_of_all_documents(ranker, name):
    kinds = ("L2", "sparse")
    scores = [matrix(kind) for kind in kinds]
    truths = [truth_of(scorer(kind), blocks(kind), empty(QUERIES, K)) for kind in kinds]
    hits = fault(name, fused(scores, ranker))
    whole = validate_hybrid(
        hits,
        ranker,
        [
            iter([Bounds(r, r, s) for r, s in zip(of, t.scales, strict=True)])
            for of, t in zip(scores, truths, strict=True)
        ],
        ["L2", "IP"],
        K,
    )
    rows, routes = common_rows(hits, truths, DOCS)
    found = validate_hybrid(renumbered(hits, rows), ranker, routes, ["L2", "IP"], K)
    assert found.max_error == pytest.approx(whole.max_error, abs=1e-12)
    assert replace(found, max_error=0.0) == replace(whole, max_error=0.0)
    assert found.passed == (name == "none")


def fused(scores, ranker):
    """Fusion by its definition: the best K of each route, ties by index, then reciprocal ranks or weighted sums."""
    total = np.full((QUERIES, DOCS), -np.inf)
    for number, of in enumerate(scores):
        for query, row in enumerate(of):
            best = [i for i in sorted(range(DOCS), key=lambda i: (-row[i], i))[:K] if row[i] > -np.inf]
            for rank, i in enumerate(best, 1):
                angle = np.arctan(row[i]) / np.pi
                normal = 0.5 + angle if number else 1 + 2 * angle  # IP, and L2 as negated distance
                part = 1 / (60 + rank) if ranker.kind == "rrf" else ranker.weights[number] * normal
                total[query, i] = part + (total[query, i] if total[query, i] > -np.inf else 0.0)
    return engine(total)


@pytest.mark.parametrize("count", [2_000, 20_000])
def test_memory_depends_on_the_hits_and_ties_not_on_the_documents(count):
    rng = np.random.default_rng(9)
    queries = rng.normal(size=(5, 8)).astype(np.float32)

    def drawn():
        return (np.random.default_rng(seed).normal(size=(1000, 8)).astype(np.float32) for seed in range(count // 1000))

    truth = truth_of(DenseScorer(queries, "IP"), drawn, empty(5, 10))
    assert max(map(len, truth.rows)) < 12
