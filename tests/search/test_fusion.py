import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.search.fusion import normalized, rrf, weighted
from refimpl.search.hits import Hits

A = Hits(np.array([[0, 1, 2]]), np.array([[0.9, 0.8, 0.1]]))
B = Hits(np.array([[2, 3, -1]]), np.array([[12.0, 5.0, -np.inf]]))


def fused(hits):
    return {int(i): float(s) for i, s in zip(hits.ids[0], hits.scores[0], strict=True) if i != -1}


def test_rrf_by_hand():
    found = rrf([A, B], 4)
    assert found.ids.tolist() == [[2, 0, 1, 3]]  # 1 and 3 tie: the lower index first
    assert fused(found) == pytest.approx({2: 1 / 63 + 1 / 61, 0: 1 / 61, 1: 1 / 62, 3: 1 / 62}, abs=1e-15)


def test_weighted_by_hand():
    found = weighted([A, B], [0.7, 0.3], ["COSINE", "IP"], 4)
    expected = {
        0: 0.7 * 1.9 / 2,
        1: 0.7 * 1.8 / 2,
        2: 0.7 * 1.1 / 2 + 0.3 * (0.5 + math.atan(12) / math.pi),
        3: 0.3 * (0.5 + math.atan(5) / math.pi),
    }
    assert fused(found) == pytest.approx(expected, abs=1e-12)
    assert found.ids.tolist() == [sorted(expected, key=lambda i: -expected[i])]
    assert fused(weighted([A, B], [0.7, 0.3], ["COSINE", "IP"], 4, norm_score=False)) == pytest.approx(
        {0: 0.63, 1: 0.56, 2: 0.07 + 3.6, 3: 1.5}, abs=1e-12
    )


def test_distances_without_normalising():
    near = Hits(np.array([[0, 1]]), np.array([[-0.5, -2.0]]))
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
def test_weighted_agrees_with_milvus_lites_own_merge(metrics, norm_score):
    ours, theirs = both(metrics, "weighted", weights=[0.6, 0.4], normalize=norm_score, metric_types=list(metrics))
    assert ours == pytest.approx(theirs, abs=1e-12)


def test_rrf_agrees_with_milvus_lites_own_merge():
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
        routes.append(Hits(ids[None], (-scores[::-1] if metric == "L2" else scores)[None]))
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
        (lambda: rrf([], 3), "nothing to fuse"),
        (lambda: rrf([A], 0), "k must be at least 1"),
        (lambda: rrf([A], 3, rrf_k=0), "above 0 and below 16384"),
        (lambda: rrf([A], 3, rrf_k=16384), "above 0 and below 16384"),
        (lambda: rrf([A, Hits(A.ids[:0], A.scores[:0])], 3), "same queries"),
        (lambda: weighted([A, B], [1.0], ["IP", "IP"], 3), "2 routes need as many weights"),
        (lambda: weighted([A], [1.5], ["IP"], 3), "between 0 and 1"),
        (lambda: weighted([A], [1.0], ["HAMMING"], 3), "must be one of COSINE, IP, BM25, L2"),
    ],
)
def test_what_cannot_be_fused_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_query_without_hits_has_none():
    empty = Hits(np.array([[-1]]), np.array([[-np.inf]]))
    assert rrf([empty, empty], 2).ids.tolist() == [[-1, -1]]
