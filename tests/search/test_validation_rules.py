"""Each rule of a validation by hand: ties, tolerances, scales, zero vectors, and what each problem is called."""

import math

import numpy as np
import pytest
from right_engines import (
    DENSE,
    DIM,
    DOCS,
    SPARSE,
    TERMS,
    dense_matrix,
    top,
)
from scipy.sparse import csr_array, vstack

from refimpl.search.milvus_deviations import bm25_vectors
from refimpl.search.records import Ranker, SearchResults
from refimpl.search.run_validation import fused_bounds
from refimpl.search.topk import TopK
from refimpl.search.validation import (
    Bounds,
    dense_bounds,
    sparse_bounds,
    validate,
    validate_dense,
    validate_sparse,
)


def test_zero_vectors_are_no_error():
    zero = np.zeros((2, DIM), np.float32)
    for metric in ("IP", "COSINE", "L2"):
        rows = np.zeros((2, DOCS)) if metric != "L2" else dense_matrix("L2", zero)
        assert validate_dense(top(rows), zero, DENSE, metric).passed
    assert validate_dense(top(np.zeros((2, 2))), zero, zero, "IP").passed
    assert validate_sparse(top(np.full((2, DOCS), -np.inf)), csr_array((2, TERMS)), SPARSE).passed


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
