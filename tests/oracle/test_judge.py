"""Distances in units of what is allowed, by hand."""

import math

import numpy as np
import pytest

from refimpl.oracle import judge, tolerance
from refimpl.oracle.outcome import Finding, worst

FLOAT32, FLOAT16 = tolerance.named("float32"), tolerance.named("float16")
INT8, RANKING = tolerance.named("int8"), tolerance.named("quantised ranking")


def test_a_vector_by_its_worst_entry():
    finding = judge.judge_vector(np.array([0.6, 0.8 + 3e-6]), np.array([0.6, 0.8]), FLOAT32)
    assert finding.distance == pytest.approx(3.0)
    assert finding.message == "worst at entry 1: got 0.800003, expected 0.8, 3 times the 1e-06 allowed"
    assert not finding.ok
    assert judge.judge_vector(np.array([0.6, 0.8]), np.array([0.6, 0.8]), FLOAT32).distance == 0.0


def test_a_vector_by_its_cosine_whatever_its_length():
    finding = judge.judge_vector(np.array([3.0, 4.0]), np.array([0.8, 0.6]), INT8)  # cosine 0.96 of 0.7
    assert finding.distance == pytest.approx(0.04 / 0.3)
    assert judge.judge_vector(np.array([8.0, 6.0]), np.array([0.8, 0.6]), INT8).distance == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("allowed", [FLOAT32, FLOAT16, INT8, RANKING])
def test_what_is_no_number_is_never_near(bad, allowed):
    assert not judge.judge_vector(np.array([bad, 1.0]), np.array([0.0, 1.0]), allowed).ok
    if allowed.score is not None:
        assert not judge.judge_scores("s", np.array([bad]), np.array([1.0]), allowed).ok


def test_a_vector_of_zeros_has_no_direction():
    assert not judge.judge_vector(np.zeros(2), np.array([0.6, 0.8]), RANKING).ok


def test_numbers_are_relative_above_one_and_absolute_below():
    assert judge.judge_numbers("s", np.array([1002.0]), np.array([1000.0]), 1e-3).distance == pytest.approx(2.0)
    assert judge.judge_numbers("s", np.array([0.003]), np.array([0.001]), 1e-3).distance == pytest.approx(2.0)
    assert judge.judge_numbers("s", np.array([1.0]), np.array([1.0, 2.0]), 1e-3).distance == math.inf
    assert judge.judge_numbers("s", np.array([3]), np.array([3]), 0.0).ok
    assert not judge.judge_numbers("s", np.array([3]), np.array([4]), 0.0).ok


def test_scores_without_digits_are_held_to_the_better_half():
    expected = np.array([4.0, 3.0, 2.0, 1.0])
    assert judge.judge_scores("s", np.array([0.9, 0.8, 0.2, 0.1]), expected, RANKING).distance == 0.0
    assert judge.judge_scores("s", np.array([0.9, 0.2, 0.8, 0.1]), expected, RANKING).distance == pytest.approx(
        0.5 / 0.4
    )


def test_named_numbers_are_zero_where_they_are_missing():
    assert judge.judge_mapping("m", {"a": 1.0}, {"a": 1.0, "b": 1e-9}, 1e-6).ok
    finding = judge.judge_mapping("m", {"a": 1.0, "c": 0.5}, {"a": 1.0}, 1e-6)
    assert not finding.ok
    assert finding.message.startswith("m, c: worst at 0: got 0.5, expected 0")


def test_ids_tell_the_first_place():
    assert judge.judge_ids("t", [101, 7, 102], [101, 7, 102]).ok
    assert judge.judge_ids("t", [101, 8, 102], [101, 7, 102]).message == "t: departs at place 1: got 8, expected 7"
    assert judge.judge_ids("t", [101], [101, 102]).message.endswith("got the end, expected 102 (1 ids for 2)")


def test_neighbours_may_swap_where_they_are_as_near():
    expected = np.eye(8)  # everyone is as far from everyone
    shuffled = np.random.default_rng(0).normal(size=(8, 8))
    assert judge.judge_neighbours(list("abcdefgh"), shuffled, expected, FLOAT32).ok
    line = np.array([[math.cos(a), math.sin(a)] for a in np.linspace(0, 1.5, 8)])
    assert judge.judge_neighbours(list("abcdefgh"), line, line, FLOAT32).ok
    turned = line[[7, 1, 2, 3, 4, 5, 6, 0]]
    finding = judge.judge_neighbours(list("abcdefgh"), turned, line, FLOAT32)
    assert finding.distance == math.inf
    assert "fewest for 'a'" in finding.message


def test_nan_is_the_worst_finding():
    assert not worst([Finding(0.5, ""), Finding(math.nan, "")]).ok


def test_a_class_by_name_and_none():
    assert tolerance.named("quantised ranking") is tolerance.named("quantised-ranking")
    assert all(one.reason for one in tolerance.CLASSES.values())
    with pytest.raises(
        ValueError, match="tolerance must be one of float32, float16, int8, quantised-ranking; got 'f8'"
    ):
        tolerance.named("f8")
