import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.search.fusion import normalized, rank_bounds, rrf, weighted
from refimpl.search.topk import TopK

A = TopK(np.array([[0, 1, 2]]), np.array([[0.9, 0.8, 0.1]]))
B = TopK(np.array([[2, 3, -1]]), np.array([[12.0, 5.0, -np.inf]]))


def fused(hits):
    return {int(i): float(s) for i, s in zip(hits.ids[0], hits.scores[0], strict=True) if i != -1}


def test_rrf_by_hand():
    hits = rrf([A, B], 4)
    assert hits.ids.tolist() == [[2, 0, 1, 3]]  # 1 and 3 tie: the lower index first
    assert fused(hits) == pytest.approx({2: 1 / 63 + 1 / 61, 0: 1 / 61, 1: 1 / 62, 3: 1 / 62}, abs=1e-15)


def test_weighted_by_hand():
    hits = weighted([A, B], [0.7, 0.3], ["COSINE", "IP"], 4)
    expected = {
        0: 0.7 * 1.9 / 2,
        1: 0.7 * 1.8 / 2,
        2: 0.7 * 1.1 / 2 + 0.3 * (0.5 + math.atan(12) / math.pi),
        3: 0.3 * (0.5 + math.atan(5) / math.pi),
    }
    assert fused(hits) == pytest.approx(expected, abs=1e-12)
    assert hits.ids.tolist() == [sorted(expected, key=lambda i: -expected[i])]
    assert fused(weighted([A, B], [0.7, 0.3], ["COSINE", "IP"], 4, norm_score=False)) == pytest.approx(
        {0: 0.63, 1: 0.56, 2: 0.07 + 3.6, 3: 1.5}, abs=1e-12
    )


def test_distances_without_normalising():
    near = TopK(np.array([[0, 1]]), np.array([[-0.5, -2.0]]))
    alone = weighted([near], [1.0], ["L2"], 2, norm_score=False)
    assert fused(alone) == {0: -0.5, 1: -2.0}
    mixed = weighted([near, B], [1.0, 0.0], ["L2", "IP"], 2, norm_score=False)
    assert mixed.scores[0, 0] == pytest.approx(1 - 2 * math.atan(0.5) / math.pi, abs=1e-15)


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 10))
def test_normalised_scores_rise_with_the_score_and_stay_within_0_and_1(score, step):
    for metric, low in (("IP", -1e6), ("BM25", 0.0), ("L2", -1e6)):
        base = max(score, low) if metric != "L2" else min(score, 0.0)
        pair = normalized(np.array([base - step, base]) if metric == "L2" else np.array([base, base + step]), metric)
        assert 0.0 <= pair[0] <= pair[1] <= 1.0
    assert normalized(np.array([-1.0, 0.0, 1.0]), "COSINE").tolist() == [0.0, 0.5, 1.0]


@pytest.mark.parametrize("metrics", [("COSINE", "IP"), ("L2", "IP"), ("L2", "L2"), ("IP", "BM25")])
@pytest.mark.parametrize("norm_score", [True, False])
def test_weighted_equals_milvus_lites_own_merge(metrics, norm_score):
    ours, theirs = both(metrics, "weighted", weights=[0.6, 0.4], normalize=norm_score, metric_types=list(metrics))
    assert ours == pytest.approx(theirs, abs=1e-12)


def test_rrf_equals_milvus_lites_own_merge():
    ours, theirs = both(("COSINE", "IP"), "rrf", rrf_k=17.0)
    assert ours == pytest.approx(theirs, abs=1e-12)


def both(metrics, strategy, **settings):
    from milvus_lite.function.dataframe import DataFrame
    from milvus_lite.function.ops.merge_op import MergeOp
    from milvus_lite.function.types import ID_FIELD, SCORE_FIELD, STAGE_L2_RERANK, FuncContext

    rng = np.random.default_rng(3)
    routes, frames = [], []
    for metric in metrics:
        ids = rng.permutation(12)[:8]
        scores = np.sort(rng.random(8) * 2)[::-1]
        routes.append(TopK(ids[None], (-scores[::-1] if metric == "L2" else scores)[None]))
        raw = -routes[-1].scores[0] if metric == "L2" else routes[-1].scores[0]
        frames.append(DataFrame([[{ID_FIELD: int(i), SCORE_FIELD: float(s)} for i, s in zip(ids, raw, strict=True)]]))
    operator = MergeOp(strategy, **settings)
    merged = operator.execute_multi(FuncContext(STAGE_L2_RERANK), frames).chunk(0)
    sign = 1.0 if operator.sort_descending else -1.0
    theirs = {hit[ID_FIELD]: sign * hit[SCORE_FIELD] for hit in merged}
    if strategy == "rrf":
        return fused(rrf(routes, 12, rrf_k=17.0)), theirs
    return fused(weighted(routes, [0.6, 0.4], metrics, 12, norm_score=settings["normalize"])), theirs


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rrf([], 3), "expected at least one route"),
        (lambda: rrf([A], 0), "k must be at least 1"),
        (lambda: rrf([A], 10**9), "k must be at most 16384"),
        (lambda: rrf([A], 3, rrf_k=0), "above 0 and below 16384"),
        (lambda: rrf([A], 3, rrf_k=16384), "above 0 and below 16384"),
        (lambda: rrf([A, TopK(A.ids[:0], A.scores[:0])], 3), "same number of queries"),
        (
            lambda: weighted([A, B], [1.0], ["IP", "IP"], 3),
            "expected 2 weights and metrics, one per route, got 1 and 2",
        ),
        (lambda: weighted([A], [1.5], ["IP"], 3), "between 0 and 1"),
        (lambda: weighted([A], [-0.5], ["IP"], 3), "between 0 and 1"),
        (lambda: weighted([A], [1.0], ["HAMMING"], 3), "must be one of COSINE, IP, BM25, L2"),
    ],
)
def test_invalid_input_raises(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_query_without_hits_has_none():
    empty = TopK(np.array([[-1]]), np.array([[-np.inf]]))
    assert rrf([empty, empty], 2).ids.tolist() == [[-1, -1]]


def test_rank_bounds_by_hand():
    """Scores 5 and 3 have one rank each, the two within the tolerance share ranks 3 and 4, the cut is at depth 4."""
    row = np.array([1.0, 5.0, 2.0, 2.0 + 1e-6, -np.inf, 3.0])
    first, last = rank_bounds(row, 4, 1e-5)
    assert first.tolist() == [5, 1, 3, 3, 5, 2]
    assert last.tolist() == [5, 1, 4, 4, 5, 2]
    first, last = rank_bounds(row, 3, 1e-5)  # one of the two is cut off
    assert first.tolist() == [4, 1, 3, 3, 4, 2]
    assert last.tolist() == [4, 1, 4, 4, 4, 2]
    first, last = rank_bounds(np.array([2.0, 1.0, 2.0]), 3, 0.0)  # equal scores may swap whatever the tolerance
    assert (first.tolist(), last.tolist()) == ([1, 3, 1], [2, 3, 2])
    first, last = rank_bounds(row, 4, 1e-7)
    assert first.tolist() == last.tolist() == [5, 1, 4, 3, 5, 2]


def test_rank_bounds_of_small_scores_are_relative_to_the_scale():
    row = np.array([1e-6, 2e-6, 3e-6])
    assert [ranks.tolist() for ranks in rank_bounds(row, 3, 1e-5)] == [[1, 1, 1], [3, 3, 3]]
    assert [ranks.tolist() for ranks in rank_bounds(row, 3, 1e-5, scale=1e-6)] == [[3, 2, 1], [3, 2, 1]]


def test_the_ends_of_the_ranges_are_allowed():
    assert rrf([A], 1, rrf_k=0.5).scores.tolist() == [[1 / 1.5]]
    assert rrf([A], 1, rrf_k=16383.5).scores.tolist() == [[1 / 16384.5]]
    assert weighted([A, B], [0.0, 1.0], ["COSINE", "IP"], 1, norm_score=False).scores.tolist() == [[12.0]]


def test_rank_bounds_of_large_scores_are_relative_to_the_score():
    """Allowed: 1e-5 times 1000, of either sign."""
    for row, first, last in (
        ([1000.0, 1000.005, 999.0], [1, 1, 3], [2, 2, 3]),
        ([-1000.0, -1000.005, -1001.0], [1, 1, 3], [2, 2, 3]),
        ([1000.0, 1000.05, 999.0], [2, 1, 3], [2, 1, 3]),
    ):
        assert [ranks.tolist() for ranks in rank_bounds(np.array(row), 3, 1e-5)] == [first, last]


def test_the_default_scale_of_rank_bounds_is_1():
    assert [ranks.tolist() for ranks in rank_bounds(np.array([0.0, 0.5e-5]), 2, 1e-5)] == [[1, 1], [2, 2]]
    assert [ranks.tolist() for ranks in rank_bounds(np.array([0.0, 1.5e-5]), 2, 1e-5)] == [[2, 1], [2, 1]]


@pytest.mark.parametrize(("metric", "middle"), [("COSINE", 0.5), ("IP", 0.5), ("BM25", 0.0), ("L2", 1.0)])
def test_a_metric_is_known_by_its_letters_wherever_the_string_comes_from(metric, middle):
    assert normalized(np.array([0.0]), "".join(metric)).tolist() == [middle]
