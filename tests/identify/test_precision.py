"""Rounded scores, and float32 ones written with the fewest digits, as in JSON by Java, Go, Rust and C++."""

import numpy as np
import pytest
from miswritten_bm25 import Bm25

from refimpl.check.runner import check
from refimpl.check.suites.base import Settings
from refimpl.check.targets.python import PythonTarget
from refimpl.compare.tolerance import named
from refimpl.identify import identify_bm25
from refimpl.identify.scores import precision
from refimpl.identify.values import kind_of

RANGES = [(0.1, 1), (0.01, 10), (1, 10), (0.001, 3), (5, 60), (200, 900)]
pytestmark = pytest.mark.usefixtures("unchecked")


def drawn(low, high):
    return np.exp(np.random.default_rng(0).uniform(np.log(low), np.log(high), 200))


def shortest(values):
    return np.array([float(str(np.float32(value))) for value in values])


@pytest.mark.parametrize(("low", "high"), RANGES)
def test_float32_with_the_fewest_digits_is_float32(low, high):
    assert precision(shortest(drawn(low, high))).name == "float32"


@pytest.mark.parametrize("decimals", range(2, 10))
@pytest.mark.parametrize(("low", "high"), RANGES)
def test_decimals_are_told(low, high, decimals):
    assert precision(np.round(drawn(low, high), decimals)).name == f"rounded to {decimals} decimals"


@pytest.mark.parametrize("factor", [1, 4, 40])
def test_a_bm25_of_float32_scores_is_confirmed(factor):
    function = Bm25(row=lambda row: shortest(factor * row))
    found = identify_bm25(PythonTarget(function, "mine"))
    assert found.confirmed, found.sentence
    assert [one.value for one in found.factors if one.name == "precision"] == ["float32"]


def test_check_names_no_rounding_of_float32_scores():
    target = PythonTarget(Bm25(row=shortest), "mine")
    (suite,) = check(target, ["bm25"], Settings(named("float32"), "lucene")).suites
    assert "factor of the tf: k1 + 1 instead of none" in suite.diagnosis
    assert "confirmed" in suite.diagnosis
    assert "decimals" not in suite.diagnosis


def unit_vectors():
    vectors = np.random.default_rng(0).normal(size=(12, 384))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


NUMBERS = {
    "float64": unit_vectors(),
    "float32": unit_vectors().astype(np.float32).astype(np.float64),
    "float32, written in the fewest digits": shortest(unit_vectors().ravel()).reshape(12, 384),
    **{f"rounded to {decimals} decimals": np.round(unit_vectors(), decimals) for decimals in range(4, 11)},
}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_of_vectors_are_told(name):
    assert kind_of(NUMBERS[name]) == ("known form", name)
