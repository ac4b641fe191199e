"""Measures by hand and as pytrec_eval, trec_eval's own code, computes them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trec_eval import per_query

from refimpl.evaluate import MEASURES, evaluate, trec_eval_ranking, write_run

# by hand: q1 has 3 relevant documents with gains 2, 1, 1; two are in the run, at rank 1 (gain 1) and 3 (gain 2)
QRELS = {"q1": {"a": 1, "c": 2, "z": 1, "n": 0}, "q2": {"x": 1}}
RUN = {"q1": {"a": 3.0, "b": 2.0, "c": 1.0}, "q2": {"y": 2.0, "x": 1.0}}


def test_the_four_measures_as_computed_by_hand():
    result = evaluate(RUN, QRELS)
    ideal = 2 / math.log2(2) + 1 / math.log2(3) + 1 / math.log2(4)
    assert result.per_query["nDCG@10"]["q1"] == pytest.approx((1 + 2 / math.log2(4)) / ideal, abs=1e-9)
    assert result.per_query["recall@100"] == pytest.approx({"q1": 2 / 3, "q2": 1.0}, abs=1e-9)
    assert result.per_query["MRR@10"] == {"q1": 1.0, "q2": 0.5}
    assert result.per_query["MAP"]["q1"] == pytest.approx((1 / 1 + 2 / 3) / 3, abs=1e-9)
    assert result.mean["MAP"] == pytest.approx(((1 + 2 / 3) / 3 + 0.5) / 2, abs=1e-9)


def test_queries_without_results_count_as_0_and_queries_without_qrels_are_ignored():
    qrels = QRELS | {"q3": {"x": 1}, "q4": {"x": 0}}
    result = evaluate(RUN | {"q4": {"x": 1.0}, "q9": {"a": 1.0}}, qrels)
    assert set(result.per_query["MAP"]) == {"q1", "q2", "q3", "q4"}
    assert result.per_query["nDCG@10"]["q3"] == result.per_query["nDCG@10"]["q4"] == 0.0
    assert result.mean["MRR@10"] == 1.5 / 4


def test_measures_stop_at_their_cutoffs():
    run = {"q": {f"d{i:03d}": 200.0 - i for i in range(200)}}
    assert evaluate(run, {"q": {"d009": 1}}).mean["MRR@10"] == 0.1
    assert evaluate(run, {"q": {"d010": 1}}).mean["MRR@10"] == 0.0
    assert evaluate(run, {"q": {"d010": 1}}).mean["nDCG@10"] == 0.0
    assert evaluate(run, {"q": {"d099": 1, "d100": 1}}).mean["recall@100"] == 0.5


@pytest.mark.parametrize("score", [math.nan, math.inf])
def test_a_score_that_is_not_finite_raises_with_query_and_document(score, tmp_path):
    with pytest.raises(ValueError, match=r"query 'q', document 'd': the score must be finite"):
        evaluate({"q": {"d": score}}, {"q": {"d": 1}})
    with pytest.raises(ValueError, match="finite"):
        write_run({"q": {"d": score}}, tmp_path / "run", "t")


def test_empty_qrels_raise():
    with pytest.raises(ValueError, match="qrels must have at least one query, got none"):
        evaluate(RUN, {})


def test_three_tied_documents_have_one_order_in_every_measure():
    """trec_eval: the greater id is first, so the relevant one is at rank 3."""
    result = evaluate({"q": {"a": 1.0, "b": 1.0, "c": 1.0}}, {"q": {"a": 1}}).mean
    assert result == pytest.approx({"nDCG@10": 0.5, "recall@100": 1.0, "MRR@10": 1 / 3, "MAP": 1 / 3}, abs=1e-9)


ids = st.sampled_from([*"abcdefghijklmnop", "B", "é", "ｚ", "\U0001f600", "1", "10", "2"])
near = st.builds(lambda score, step: score + step * 3e-8, st.sampled_from([-1.0, 0.0, 1.0, 7.5]), st.integers(0, 2))
wide = st.floats(allow_nan=False, allow_infinity=False)
runs = st.dictionaries(st.sampled_from(["q1", "q2", "q3"]), st.dictionaries(ids, near | wide, max_size=17))
all_qrels = st.dictionaries(
    st.sampled_from(["q1", "q2", "q9"]), st.dictionaries(ids, st.integers(-1, 4), min_size=1), min_size=1
)


@given(runs, all_qrels)
def test_every_measure_is_pytrec_evals_with_ties_near_ties_and_any_ids(run, qrels):
    result = evaluate(run, qrels)
    expected = per_query(qrels, run)
    for name in MEASURES:
        values = {query: expected.get(query, {}).get(name, 0.0) for query in qrels}
        assert result.per_query[name] == pytest.approx(values, abs=1e-9)


def test_scores_are_compared_in_float32_and_ids_by_code_point():
    assert trec_eval_ranking({"b": 1.0, "a": 1.0 + 1e-9, "c": 1.0 + 1e-6}) == ["c", "b", "a"]
    assert trec_eval_ranking({"Z": 0.5, "a": 0.5, "é": 0.5, "10": 0.5, "9": 0.5}) == ["é", "a", "Z", "9", "10"]
    assert trec_eval_ranking({"a": 1e300, "b": 1e299}) == ["b", "a"]  # both infinite in float32
    assert trec_eval_ranking({}) == []


def test_any_measure_of_ir_measures_by_its_name():
    """By hand: of q1's five first ranks two are relevant, of q2's one; ERR of a single grade 1 at rank 2 of 2^4."""
    result = evaluate(RUN, QRELS, ["P@5", "Success@1", "recall@1", "ERR@20"])
    assert result.mean == pytest.approx(
        {"P@5": (2 / 5 + 1 / 5) / 2, "Success@1": 0.5, "recall@1": 1 / 6, "ERR@20": (ERR_OF_Q1 + 1 / 32) / 2}, abs=1e-5
    )


ERR_OF_Q1 = 1 / 16 + (1 - 1 / 16) * (3 / 16) / 3  # grades 1, 0, 2; a grade g stops a reader with (2^g - 1) / 2^4


@pytest.mark.parametrize(
    ("measures", "message"),
    [
        (["nDGC@10"], "got 'nDGC@10' .measure not found"),
        (["P@x"], "got 'P@x'"),
        (["INST"], "got 'INST'"),
        (["alpha_nDCG@20"], "got 'alpha_nDCG@20'"),
        ([""], "got ''"),
        (["P@5", "P@5"], "measures must be distinct, got P@5, P@5"),
        ("P@5", "measures must be a list of names such as 'nDCG@10', got 'P@5'"),
        ([], "measures must be a list of names"),
    ],
)
def test_measures_that_are_not_computed_here_are_named(measures, message):
    with pytest.raises(ValueError, match=message):
        evaluate(RUN, QRELS, measures)


def test_beirs_rule_leaves_out_the_document_that_is_the_query():
    """ArguAna: each query is a document of the collection, and its own best hit. nDCG by hand: 1 / log2(3), then 1."""
    run, qrels = {"d1": {"d1": 9.0, "d2": 8.0}}, {"d1": {"d2": 1}}
    assert evaluate(run, qrels).mean["nDCG@10"] == pytest.approx(1 / math.log2(3), abs=1e-9)
    assert evaluate(run, qrels, ignore_identical_ids=True).mean["nDCG@10"] == 1.0
    assert run == {"d1": {"d1": 9.0, "d2": 8.0}}
