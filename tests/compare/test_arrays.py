"""Arrays, scores, mappings and ids: the distance in units of the tolerance, and the message; NaN never matches."""

import math

import numpy as np
import pytest

from refimpl.compare import (
    Comparison,
    compare_arrays,
    compare_ids,
    compare_mappings,
    compare_scores,
    compare_values,
    from_condition,
    worst_of,
)
from refimpl.compare.tolerance import named

FLOAT32, RANKING = named("float32"), named("quantised ranking")


def test_the_message_of_a_match_has_the_largest_difference():
    comparison = compare_arrays("s", np.array([1.0, 2.0 + 2**-20]), np.array([1.0, 2.0]), 1e-6)
    assert comparison.matches
    assert comparison.status == "matches"
    assert (comparison.max_abs, comparison.n_mismatched, comparison.n) == (2**-20, 0, 2)
    assert str(comparison) == (
        "s: maximum difference 9.54e-07 at index 1: got 2.000000954, expected 2, 0.954 times the 1e-06 allowed"
    )


def test_the_message_of_a_mismatch_has_its_share_index_and_both_values():
    comparison = compare_arrays(
        "layer.0.query", np.array([[0.0, 1.0], [0.0, 0.0]]), np.array([[0.0, 0.5], [0.25, 0.0]]), 0.1
    )
    assert not comparison.matches
    assert comparison.status == "mismatch"
    assert (comparison.worst, comparison.n_mismatched, comparison.n) == ((0, 1), 2, 4)
    assert (comparison.got, comparison.expected, comparison.distance) == (1.0, 0.5, 5.0)
    assert str(comparison) == (
        "layer.0.query: 2 of 4 elements mismatch (50%), maximum difference 0.5 at index (0, 1): got 1, expected 0.5, "
        "5 times the 0.1 allowed"
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("tolerance", [0.0, 1e30])
def test_nan_and_infinity_never_match(bad, tolerance):
    assert not compare_arrays("s", np.array([bad]), np.array([1.0]), tolerance).matches
    assert not compare_arrays("s", np.array([1.0]), np.array([bad]), tolerance).matches
    assert not compare_arrays("s", np.array([bad]), np.array([bad]), tolerance).matches
    assert not compare_values("s", np.array([bad]), np.array([bad]), tolerance).matches
    assert not compare_scores("s", np.array([bad]), np.array([1.0]), FLOAT32).matches


def test_zero_tolerance_means_equal():
    assert compare_arrays("ids", np.array([3, 4]), np.array([3, 4]), 0.0).matches
    comparison = compare_arrays("ids", np.array([3, 5, 9]), np.array([3, 4, 4]), 0.0)
    assert (comparison.distance, comparison.worst) == (math.inf, (2,))
    assert comparison.message.endswith("maximum difference 5 at index 2: got 9, expected 4, equality is required")


def test_unsigned_integers_do_not_wrap():
    assert compare_arrays("ids", np.array([0], np.uint8), np.array([1], np.uint8), 0.0).max_abs == 1.0


def test_another_shape_is_a_mismatch_at_any_tolerance():
    comparison = compare_arrays("s", np.zeros(2), np.zeros(3), 1e30)
    assert (comparison.matches, comparison.distance) == (False, math.inf)
    assert str(comparison) == "s: got shape (2,), expected (3,)"
    assert not compare_scores("s", np.zeros(2), np.zeros(3), RANKING).matches


def test_empty_arrays_and_scalars():
    assert compare_arrays("s", np.zeros((0, 3)), np.zeros((0, 3)), 0.0).matches
    assert compare_arrays("s", np.array(1.0), np.array(1.5), 0.25).distance == 2.0


def test_values_are_relative_above_one_and_absolute_below():
    assert compare_values("s", np.array([1002.0]), np.array([1000.0]), 1e-3).distance == pytest.approx(2.0)
    assert compare_values("s", np.array([0.003]), np.array([0.001]), 1e-3).distance == pytest.approx(2.0)
    both = compare_values("s", np.array([1001.0, 0.003]), np.array([1000.0, 0.001]), 1e-3)
    assert (both.worst, both.n_mismatched) == ((1,), 1)  # of the two differences the smaller is further out
    assert compare_values("s", np.array([1.0]), np.array([1.0, 2.0]), 1e-3).distance == math.inf
    assert compare_values("s", np.array([3]), np.array([3]), 0.0).matches
    assert not compare_values("s", np.array([3]), np.array([4]), 0.0).matches


def test_scores_with_a_tolerance_are_compared_by_value():
    comparison = compare_scores("s", np.array([1.00003, 2.0]), np.array([1.0, 2.0]), FLOAT32)
    assert comparison.distance == pytest.approx(3.0)


def test_scores_without_a_tolerance_are_compared_by_the_better_half():
    expected = np.array([4.0, 3.0, 2.0, 1.0])
    assert compare_scores("s", np.array([0.9, 0.8, 0.2, 0.1]), expected, RANKING).distance == 0.0
    swapped = compare_scores("s", np.array([0.9, 0.2, 0.8, 0.1]), expected, RANKING)
    assert swapped.distance == pytest.approx(0.5 / 0.4)
    assert str(swapped) == "s: 50% of the top 2 are the expected ones, expected at least 60%"


@pytest.mark.parametrize(("lower", "overlap"), [(3.0, 1.0), (3.0 - 5e-7, 1.0), (3.0 - 2e-6, 0.5)])
def test_scores_within_1e_6_of_the_last_of_the_better_half_belong_to_it(lower, overlap):
    """The got scores put the third first: in the better half where it ties with the second."""
    comparison = compare_scores("s", np.array([0.8, 0.2, 0.9, 0.1]), np.array([4.0, 3.0, lower, 1.0]), RANKING)
    assert comparison.distance == pytest.approx((1 - overlap) / 0.4)


def test_the_better_half_has_at_least_one_score():
    assert compare_scores("s", np.array([0.3]), np.array([7.0]), RANKING).matches
    assert compare_scores("s", np.array([0.3, 0.2, 0.1]), np.array([7.0, 5.0, 6.0]), RANKING).distance == 0.0
    assert compare_scores("s", np.array([0.3, 0.2, 0.1]), np.array([5.0, 7.0, 6.0]), RANKING).distance == 1 / 0.4
    assert compare_scores("s", np.zeros(0), np.zeros(0), RANKING).matches


def test_a_difference_of_exactly_the_tolerance_matches():
    comparison = compare_arrays("s", np.array([1.5, -2.0]), np.array([1.0, -2.25]), 0.5)
    assert (comparison.distance, comparison.n_mismatched, comparison.matches) == (1.0, 0, True)
    assert (comparison.max_abs, comparison.worst, comparison.tolerance) == (0.5, (0,), 0.5)
    below_zero = compare_arrays("s", np.array([-9.0]), np.array([-8.0]), 0.0, 0.25)
    assert (below_zero.distance, below_zero.tolerance) == (0.5, 2.0)


def test_a_difference_where_nothing_is_allowed_is_infinitely_far():
    comparison = compare_arrays("s", np.array([2.0, 0.25]), np.array([1.0, 0.0]), 0.0, 1.0)
    assert (comparison.worst, comparison.distance, comparison.n_mismatched) == ((1,), math.inf, 1)


def test_missing_names_have_the_value_zero():
    assert compare_mappings("m", {"a": 1.0}, {"a": 1.0, "b": 1e-9}, 1e-6).matches
    assert compare_mappings("m", {}, {}, 1e-6).matches
    assert not compare_mappings("m", {"a": 1.0}, {"a": 1.0, "b": 0.5}, 1e-6).matches
    comparison = compare_mappings("m", {"a": 1.0, "c": 0.5}, {"a": 1.0}, 1e-6)
    assert not comparison.matches
    assert "maximum difference 0.5 at c: got 0.5, expected 0" in str(comparison)


def test_ids_name_the_first_position():
    assert compare_ids("t", [101, 7, 102], [101, 7, 102]).matches
    wrong = compare_ids("t", [101, 8, 102], [101, 7, 102])
    assert (wrong.distance, str(wrong)) == (math.inf, "t: first mismatch at position 1: got 8, expected 7")
    assert str(compare_ids("t", [101], [101, 102])).endswith("got the end, expected 102 (1 ids, expected 2)")
    assert not compare_ids("t", [101, 102], [101]).matches
    many = compare_ids("t", [*range(299), 7], [*range(299), 8])
    assert str(many) == "t: first mismatch at position 299: got 7, expected 8"


def test_the_worst_of_several_and_what_is_not_compared():
    one, other = Comparison("a", 0.5, ""), Comparison("b", math.inf, "")
    assert worst_of([one, other]) is other
    assert worst_of([one, Comparison("c", 0.5, "")]) is one
    assert from_condition(True, "a", "") == Comparison("a", 0.0, "", 0.0, 0.0, (), 0.0, 0.0, 0, 0, True, "")
    assert not from_condition(False, "a", "").matches
    missing = Comparison("a", 0.0, "", compared=False)
    assert (missing.matches, missing.status) == (False, "not compared")
