"""A comparison says what is out, where, and by how much, and never calls NaN a match."""

import numpy as np
import pytest

from refimpl.oracle.compare import compare


def test_a_match_tells_its_largest_difference():
    verdict = compare("s", np.array([1.0, 2.0]), np.array([1.0, 2.0 + 2**-20]), 1e-6)
    assert verdict.matches
    assert verdict.max_abs == 2**-20
    assert str(verdict) == "s: matches, max |difference| 9.54e-07 of 1e-06 allowed"


def test_a_mismatch_tells_stage_place_and_both_values():
    verdict = compare("layer.0.query", np.array([[0.0, 1.0], [0.0, 0.0]]), np.array([[0.0, 0.5], [0.25, 0.0]]), 0.1)
    assert not verdict.matches
    assert (verdict.worst, verdict.out, verdict.total) == ((0, 1), 2, 4)
    assert str(verdict).startswith(
        "layer.0.query: 2 of 4 entries are out of 0.1; worst at (0, 1): got 1.0, expected 0.5"
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("tolerance", [0.0, 1e30])
def test_nan_and_infinity_never_match(bad, tolerance):
    assert not compare("s", np.array([bad]), np.array([1.0]), tolerance).matches
    assert not compare("s", np.array([1.0]), np.array([bad]), tolerance).matches


def test_zero_tolerance_means_equal():
    assert compare("ids", np.array([3, 4]), np.array([3, 4]), 0.0).matches
    assert not compare("ids", np.array([3, 5]), np.array([3, 4]), 0.0).matches


def test_unsigned_integers_do_not_wrap():
    assert compare("ids", np.array([0], np.uint8), np.array([1], np.uint8), 0.0).max_abs == 1.0


def test_another_shape_is_an_error():
    with pytest.raises(ValueError, match=r"s: got shape \(2,\), expected \(3,\)"):
        compare("s", np.zeros(2), np.zeros(3), 1.0)


def test_nothing_matches_nothing():
    assert compare("s", np.zeros((0, 3)), np.zeros((0, 3)), 0.0).matches
