"""Randomisation tests by enumeration, Holm's correction by hand, bootstrap intervals by the binomial distribution."""

import itertools

import numpy as np
import pytest
from scipy.stats import binom

from refimpl.evaluate import bootstrap_interval, holm, randomisation_test


def by_query(values):
    return {f"q{i}": float(value) for i, value in enumerate(values)}


def exact_p(differences):
    """The p-value by enumeration of all assignments of signs."""
    observed = abs(np.mean(differences))
    flips = itertools.product((1, -1), repeat=len(differences))
    means = [abs(np.mean(np.multiply(signs, differences))) for signs in flips]
    return sum(mean >= observed - 1e-12 for mean in means) / len(means)


def test_the_randomisation_test_equals_counting_every_flip():
    rng = np.random.default_rng(5)
    for size in (2, 5, 9):
        a, b = rng.random(size) + 0.2, rng.random(size)
        result = randomisation_test(by_query(a), by_query(b))
        assert result.p_value == pytest.approx(exact_p(a - b), abs=1e-12)
        assert result.difference == pytest.approx(float(np.mean(a - b)), abs=1e-12)


def test_under_the_null_hypothesis_5_percent_of_p_values_are_below_0_05():
    rng = np.random.default_rng(11)
    samples = rng.normal(size=(200, 12))
    p = [randomisation_test(by_query(row), by_query(np.zeros(12))).p_value for row in samples]
    assert 0.01 <= np.mean(np.array(p) <= 0.05) <= 0.10


def test_equal_systems_do_not_differ_and_the_seed_makes_it_repeatable():
    values = {str(i): i / 40 for i in range(40)}
    assert randomisation_test(values, values).p_value == 1.0
    other = {k: v * 0.9 + 0.01 * (int(k) % 3) for k, v in values.items()}
    assert randomisation_test(values, other, seed=3) == randomisation_test(values, other, seed=3)


def test_the_p_value_of_40_queries_is_that_of_9999_resamplings():
    """Equal differences: no random assignment of 40 signs is as extreme, so 2 (0 + 1) / (9999 + 1)."""
    higher, lower = by_query(np.full(40, 0.75)), by_query(np.full(40, 0.5))
    result = randomisation_test(higher, lower, measure="MAP")
    assert (result.measure, result.difference, result.queries) == ("MAP", 0.25, 40)
    assert result.p_value == pytest.approx(2 / 10000, rel=1e-12)
    assert randomisation_test(higher, higher, measure="MAP").queries == 40


def test_another_seed_draws_other_signs():
    rng = np.random.default_rng(2)
    a, b = by_query(rng.random(30)), by_query(rng.random(30))
    p = {randomisation_test(a, b, seed=seed).p_value for seed in range(4)}
    assert len(p) > 1
    assert max(p) - min(p) < 0.05
    assert randomisation_test(a, b) == randomisation_test(a, b, seed=0)


def test_unpaired_queries_raise():
    with pytest.raises(ValueError, match="same queries, got 2 unpaired: 'a'"):
        randomisation_test({"a": 1.0, "c": 0.0}, {"b": 1.0, "c": 0.0})
    with pytest.raises(ValueError, match="at least two"):
        randomisation_test({"a": 1.0}, {"a": 0.0})


def test_holms_correction_by_hand():
    """Holm (1979): 4 * 0.005; 3 * 0.01; then 2 * 0.03 and 1 * 0.04, of which the second may not be below the first."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02], abs=1e-12)
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([0.02]) == [0.02]
    assert holm([]) == []


def test_the_bootstrap_interval_of_a_share_is_that_of_the_binomial_distribution():
    """Resampled means of 40 queries with values 0 and 1 are binomial: 2.5% and 97.5% quantiles, to one query."""
    values = [1.0] * 12 + [0.0] * 28
    low, high = bootstrap_interval(values)
    expected = binom.ppf([0.025, 0.975], 40, 0.3) / 40
    assert [low, high] == pytest.approx(expected, abs=1 / 40 + 1e-12)
    assert low < 0.3 < high
    assert bootstrap_interval(values) == [low, high]


def test_few_or_equal_values():
    assert bootstrap_interval([]) is None
    assert bootstrap_interval([0.5]) is None
    assert bootstrap_interval([0.5, 0.5, 0.5]) == [0.5, 0.5]
