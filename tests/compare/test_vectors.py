"""Vectors and neighbours: distances in units of the tolerance, computed by hand."""

import math

import numpy as np
import pytest

from refimpl.compare import compare_neighbours, compare_scores, compare_vector, tolerance

FLOAT32, FLOAT16 = tolerance.named("float32"), tolerance.named("float16")
INT8, RANKING = tolerance.named("int8"), tolerance.named("quantised ranking")


def test_a_vector_by_its_worst_element():
    comparison = compare_vector("v", np.array([0.6, 0.8 + 3e-6]), np.array([0.6, 0.8]), FLOAT32)
    assert comparison.distance == pytest.approx(3.0)
    assert comparison.message == (
        "1 of 2 elements mismatch (50%), maximum difference 3e-06 at index 1: got 0.800003, expected 0.8, "
        "3 times the 1e-06 allowed"
    )
    assert not comparison.matches
    assert compare_vector("v", np.array([0.6, 0.8]), np.array([0.6, 0.8]), FLOAT32).distance == 0.0


def test_a_vector_by_its_cosine_whatever_its_length():
    comparison = compare_vector("v", np.array([3.0, 4.0]), np.array([0.8, 0.6]), INT8)
    assert comparison.distance == pytest.approx(0.04 / 0.3)  # cosine 0.96, expected at least 0.7
    assert comparison.message.startswith("cosine 0.960000, expected at least 0.7; maximum difference 3.4 at index 1")
    assert compare_vector("v", np.array([8.0, 6.0]), np.array([0.8, 0.6]), INT8).distance == pytest.approx(0, abs=1e-12)


def test_of_element_and_cosine_the_worse_counts():
    near = np.array([0.6, 0.8])
    turned = np.array([np.cos(0.92), np.sin(0.92)])
    distances = (np.abs(turned - near).max() / 2e-3, (1 - turned @ near) / 1e-4)
    assert compare_vector("v", turned, near, FLOAT16).distance == pytest.approx(max(distances))
    wide = np.full(400, 0.05)  # unit length
    shifted = wide + 1.5e-3 * (-1.0) ** np.arange(400)  # each entry within 2e-3, the cosine 1 / sqrt(1 + 9e-4)
    assert compare_vector("v", shifted, wide, FLOAT16).distance == pytest.approx((1 - 1.0009**-0.5) / 1e-4)
    assert compare_vector("v", near * 1.1, near, FLOAT16).distance == pytest.approx(0.08 / 2e-3)  # cosine 1


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("allowed", [FLOAT32, FLOAT16, INT8, RANKING])
def test_values_that_are_not_finite_never_match(bad, allowed):
    assert not compare_vector("v", np.array([bad, 1.0]), np.array([0.0, 1.0]), allowed).matches


def test_a_zero_vector_has_no_direction():
    assert not compare_vector("v", np.zeros(2), np.array([0.6, 0.8]), RANKING).matches


def test_equally_near_neighbours_may_be_exchanged():
    expected = np.eye(8)  # all are at the same distance from each other
    shuffled = np.random.default_rng(0).normal(size=(8, 8))
    assert compare_neighbours(list("abcdefgh"), shuffled, expected, FLOAT32).matches
    arc = np.array([[math.cos(a), math.sin(a)] for a in np.linspace(0, 1.5, 8)])
    assert compare_neighbours(list("abcdefgh"), arc, arc, FLOAT32).matches
    exchanged = arc[[7, 1, 2, 3, 4, 5, 6, 0]]
    comparison = compare_neighbours(list("abcdefgh"), exchanged, arc, FLOAT32)
    assert comparison.distance == math.inf
    assert "fewest for 'a'" in comparison.message


def test_the_share_of_neighbours_is_that_of_a_loop_over_pairs():
    rng = np.random.default_rng(4)
    expected = rng.normal(size=(12, 3))
    got = expected + 0.6 * rng.normal(size=(12, 3))

    def five_nearest(vectors, i):
        a = vectors[i]
        cosines = {j: a @ b / math.sqrt((a @ a) * (b @ b)) for j, b in enumerate(vectors) if j != i}
        return set(sorted(cosines, key=lambda j: -cosines[j])[:5])

    hits = sum(len(five_nearest(got, i) & five_nearest(expected, i)) for i in range(12))
    assert 30 < hits < 60
    for allowed, overlap in ((FLOAT16, 0.97), (INT8, 0.75), (RANKING, 0.6)):
        comparison = compare_neighbours([str(i) for i in range(12)], got, expected, allowed)
        assert comparison.distance == pytest.approx((1 - hits / 60) / (1 - overlap))


@pytest.mark.parametrize(
    ("allowed", "entry", "cosine", "score"),
    [(FLOAT32, 1e-6, None, 1e-5), (FLOAT16, 2e-3, 0.9999, 2e-2), (INT8, None, 0.7, 0.3), (RANKING, None, 0.6, None)],
)
def test_each_class_allows_what_is_documented_and_no_more(allowed, entry, cosine, score):
    """The limits of docs/oracle.md, and int8's 0.3 per score; a cosine of c is a shift of 0.05 sqrt(1 / c^2 - 1)."""
    wide, signs = np.full(400, 0.05), (-1.0) ** np.arange(400)  # unit length
    for share, matches in ((0.999, True), (1.001, False)):
        if entry is not None:
            one = wide + entry * share * (np.arange(400) == 7)
            assert compare_vector("v", one, wide, allowed).matches == matches
        if cosine is not None:
            turned = wide + 0.05 * math.sqrt((1 - share * (1 - cosine)) ** -2 - 1) * signs
            assert compare_vector("v", turned, wide, allowed).matches == matches
        if score is not None:
            assert compare_scores("s", np.array([score * share]), np.zeros(1), allowed).matches == matches
    assert (allowed.entry is None, allowed.cosine is None, allowed.score is None) == (
        entry is None,
        cosine is None,
        score is None,
    )


def test_one_vector_has_no_neighbours_and_two_have_one():
    assert compare_neighbours(["a"], np.ones((1, 2)), -np.ones((1, 2)), FLOAT32).distance == 0.0
    two = compare_neighbours(["a", "b"], np.eye(2), -np.eye(2), FLOAT32)
    assert two.message == "100.0% of the 1 nearest are the expected ones, expected at least 100%"


def test_a_tolerance_class_by_name_and_an_unknown_one():
    assert tolerance.named("quantised ranking") is tolerance.named("quantised-ranking")
    assert all(one.reason for one in tolerance.CLASSES.values())
    with pytest.raises(
        ValueError, match="tolerance must be one of float32, float16, int8, quantised-ranking, got 'f8'"
    ):
        tolerance.named("f8")
