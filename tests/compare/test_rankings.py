"""Rankings compared with the scores that decide them: ties by index, near scores in either order."""

import math

import numpy as np
import pytest

from refimpl.compare import compare_order, compare_ranking
from refimpl.compare.tolerance import named

FLOAT32, RANKING = named("float32"), named("quantised-ranking")
SCORES = np.array([0.5, 0.9, 0.5, 0.1])


def compared(ranking, scores=SCORES, top_k=None, tolerance=FLOAT32):
    return compare_ranking(ranking, np.asarray(scores), top_k, tolerance)


def test_the_ranking_by_score_and_then_by_index_matches():
    assert compared([1, 0, 2, 3]).distance == 0.0
    assert compared([1, 0], top_k=2).matches
    assert compared([], np.zeros(0)).distance == 0.0


@pytest.mark.parametrize(
    ("ranking", "message"),
    [
        ([1, 2, 0, 3], "first mismatch at rank 2: got document 2 (score 0.5), expected document 0 (score 0.5)"),
        ([1, 0, 3, 2], "first mismatch at rank 3: got document 3 (score 0.1), expected document 2 (score 0.5)"),
        ([1, 0, 2], "got 3 documents, expected 4: [1, 0, 2, 3]"),
        ([1, 0, 2, 1], "expected indices of 4 documents, each at most once, got [1, 0, 2, 1]"),
        ([1, 0, 2, 4], "expected indices of 4 documents, each at most once"),
        ([1, 0, 2, 5], "expected indices of 4 documents, each at most once"),
        ([1, 0, 2, -1], "expected indices of 4 documents, each at most once"),
    ],
)
def test_any_other_ranking_is_a_mismatch(ranking, message):
    comparison = compared(ranking)
    assert not comparison.matches
    assert message in str(comparison)


def test_near_scores_may_be_exchanged_and_ties_not():
    near = [0.5, 0.5 + 4e-6]
    assert compared([0, 1], near).distance == pytest.approx(0.4)
    assert compared([0, 1], [0.5, 0.5 + 4e-5]).distance == pytest.approx(4.0)
    assert compared([0, 1], [50.0, 50.0 + 4e-4]).distance == pytest.approx(0.8)  # relative to the score above 1
    assert compared([0, 1], [0.5, 0.54], tolerance=RANKING).matches
    assert compared([1, 0], [0.5, 0.5]).distance == math.inf
    assert compared([2, 3, 1, 0], [0.5, 0.5, 0.9, 0.9 + 4e-6]).distance == math.inf  # the first two may, the last not


@pytest.mark.parametrize(
    ("ranking", "scores", "cause"),
    [
        ([3, 0, 2, 1], SCORES, "the order is reversed: worst first"),
        ([1, 2, 0, 3], SCORES, "ties are broken by descending index, as TEI does"),
        ([2, 1, 0], [0.1, 0.5, -0.9], "the ranking is that of the absolute scores"),
        ([0, 1, 2, 3], SCORES, "the documents are in the order of the request: not ranked"),
        ([1, 2, 0], [0.5, 0.1, 0.9], "these are ranks of documents, not documents by rank"),
        ([0, 2, 1, 3], SCORES, "none of the known causes"),
    ],
)
def test_the_mistake_that_gives_exactly_the_ranking_is_named(ranking, scores, cause):
    assert str(compared(ranking, scores)).endswith(f"diagnosis: {cause}")


def test_the_mistake_of_a_cut_ranking_is_that_of_its_first_documents():
    assert str(compared([3, 0], top_k=2)).endswith("diagnosis: the order is reversed: worst first")


def test_the_message_has_the_first_rank_beyond_the_tolerance():
    """Rank 1 is within 1e-5; at rank 3 the scores 0.3 and 0.1 differ by 0.2."""
    scores = [0.9, 0.9 + 4e-6, 0.3, 0.1]
    comparison = compared([0, 1, 3, 2], scores)
    assert comparison.distance == pytest.approx(0.2 / 1e-5)
    assert comparison.message.startswith(
        "first mismatch at rank 3: got document 3 (score 0.1), expected document 2 (score 0.3), 2e+04 times the 1e-05 "
        "allowed\n  got      [0, 1, 3, 2]\n  expected [1, 0, 2, 3]\n"
    )


def test_without_a_tolerance_of_scores_5_percent_are_allowed():
    assert compared([0, 1], [0.5, 0.56], tolerance=RANKING).distance == pytest.approx(0.06 / 0.05)
    assert compared([0, 1], [-10.0, -9.6], tolerance=RANKING).distance == pytest.approx(0.4 / 9.6 / 0.05)


def test_an_order_is_compared_pair_by_pair():
    """Expected order 2, 0, 1; documents 1 and 3 are nearer than the tie, and may be in either order."""
    expected = np.array([0.5, 0.1, 0.9, 0.1 + 1e-8])
    assert compare_order("q", np.array([20.0, 10.0, 30.0, 1.0]), expected, 1e-6).matches
    wrong = compare_order("q", np.array([20.0, 25.0, 30.0, 1.0]), expected, 1e-6)
    assert not wrong.matches
    assert "1 of 5 pairs of documents are not in the expected order: document 0 (expected score 0.5) before" in str(
        wrong
    )
    assert "document 1 (0.1), got scores 20 and 25" in str(wrong)


@pytest.mark.parametrize("value", [np.nan, 7.0])
def test_equal_scores_and_none_are_no_order(value):
    assert not compare_order("q", np.full(2, value), np.array([0.5, 0.1]), 1e-6).matches
    assert compare_order("q", np.full(2, 7.0), np.array([0.5, 0.5]), 1e-6).matches
