"""The rules of the search, on outputs of three numbers: pairs, what does not apply, and faults of a hypothesis."""

from dataclasses import FrozenInstanceError, dataclass

import numpy as np
import pytest

from refimpl.diagnosis import search
from refimpl.diagnosis.hypotheses import Combination, Hypothesis, NotApplicable, apply_all, change, compatible


@dataclass(frozen=True)
class Shift:
    """A reference of zeros, shifted."""

    first: float = 0.0
    second: float = 0.0
    third: float = 0.0
    steps: tuple[str, ...] = ()


def shifted(**values: float) -> Hypothesis:
    return Hypothesis(" and ".join(values), "shifted", change(Shift, **values))


class ShiftProblem(search.Problem):
    """Three numbers, and shifts of the reference's."""

    def __init__(self, actual: tuple[float, float, float], *hypotheses: Hypothesis) -> None:
        self.actual, self.hypotheses = np.array(actual), hypotheses

    def errors(self, combination: Combination, *, few: bool) -> np.ndarray:
        variant = apply_all(Shift(), combination)
        return self.actual - np.array([variant.first, variant.second, variant.third])


def named(actual: tuple[float, float, float], *hypotheses: Hypothesis) -> list[str]:
    causes = search.explain(ShiftProblem(actual, *hypotheses), tolerance=1e-9)
    return [" + ".join(cause.names) for cause in causes]


FIRST, SECOND = shifted(first=1.0), shifted(second=1.0)


def test_a_pair_that_explains_all_is_first():
    assert named((1.0, 1.0, 0.0), FIRST, SECOND)[0] == "first + second"


def test_a_pair_that_explains_little_more_than_its_better_half_is_not_listed():
    """Squares that remain: 0.09 + 1 of first alone, 1 of the pair: more than half."""
    assert named((3.0, 0.3, 1.0), shifted(first=3.0), shifted(second=0.3)) == ["first", "second"]


def test_a_pair_that_explains_much_more_than_either_half_is_listed():
    """Squares that remain: 4.01 of the better half, 0.01 of the pair."""
    assert named((3.0, 2.0, 0.1), shifted(first=3.0), shifted(second=2.0)) == ["first + second", "first", "second"]


def test_a_pair_of_halves_that_are_not_among_the_nearest_is_held_to_the_same_rule():
    """Three better singles, which exclude each other, leave no room for the halves among the nearest."""
    better = [shifted(first=value, second=0.0, third=0.0) for value in (2.9, 2.8, 2.7)]
    halves = [Hypothesis("half", "shifted", change(Shift, first=2.0)), shifted(second=0.05)]
    assert not any("half" in name for name in named((3.0, 0.1, 1.0), *better, *halves))


def test_what_does_not_apply_is_skipped_and_any_other_exception_propagates():
    class Refusing(ShiftProblem):
        def errors(self, combination: Combination, *, few: bool) -> np.ndarray:
            if SECOND in combination:
                raise self.error
            return super().errors(combination, few=few)

    problem = Refusing((1.0, 0.0, 0.0), SECOND, FIRST)
    problem.error = NotApplicable("no second number")
    assert [cause.names for cause in search.explain(problem, tolerance=1e-9)] == [("first",)]
    for problem.error in (ValueError(), KeyError(), AttributeError(), TypeError()):
        with pytest.raises(type(problem.error)):
            search.explain(problem, tolerance=1e-9)


def test_the_share_and_the_residual_of_a_cause():
    """Squares: 9 + 4 + 0.01 of the reference, 4 + 0.01 under the first, 9 + 0.01 under the second."""
    problem = ShiftProblem((3.0, 2.0, 0.1), shifted(first=3.0), shifted(second=2.0))
    both, first, second = search.explain(problem, tolerance=1e-9)
    assert (both.share, both.residual) == (pytest.approx(13 / 13.01), pytest.approx(0.1))
    assert (first.share, first.residual) == (pytest.approx(9 / 13.01), 2.0)
    assert (second.share, second.residual) == (pytest.approx(4 / 13.01), 3.0)
    assert [cause.explains_all for cause in (both, first, second)] == [False] * 3
    assert (both.explanation, first.explanation) == ("shifted; shifted", "shifted")


def test_a_residual_of_exactly_the_tolerance_is_explained():
    (cause,) = search.explain(ShiftProblem((1.25, 0.0, 0.0), FIRST), tolerance=0.25)
    assert (cause.explains_all, cause.residual, cause.share) == (True, 0.25, pytest.approx(1 - 0.0625 / 1.5625))


def test_what_explains_nothing_or_less_than_half_a_percent_is_not_listed():
    """Squares: 1.004 of 1 + 0.0004; removing 0.02 squared is 0.04%, 0.08 squared 0.6%."""
    assert named((1.0, 0.02, 0.0), shifted(second=0.02), shifted(third=4.0)) == []
    assert named((1.0, 0.08, 0.0), shifted(second=0.08)) == ["second"]


def test_without_pairs_only_single_hypotheses_are_listed():
    causes = search.explain(ShiftProblem((1.0, 1.0, 0.0), FIRST, SECOND), tolerance=1e-9, max_pairs=0)
    assert [cause.names for cause in causes] == [("first",), ("second",)]


class Recording(ShiftProblem):
    """Few texts are the first number alone; records which combinations are tried on which texts."""

    def errors(self, combination: Combination, *, few: bool) -> np.ndarray:
        self.tried.append((tuple(one.name for one in combination), few))
        return super().errors(combination, few=few)[: 1 if few else 3]


def tried(actual: tuple[float, float, float], *hypotheses: Hypothesis) -> tuple[list, list]:
    """The causes as `named` gives them, and the combinations in the order in which they were tried."""
    problem = Recording(actual, *hypotheses)
    problem.tried = []
    causes = search.explain(problem, tolerance=1e-9)
    return [" + ".join(cause.names) for cause in causes], problem.tried


def costly(cost: int, name: str, **values: float) -> Hypothesis:
    return Hypothesis(name, "shifted", change(Shift, **values), cost)


def test_costly_hypotheses_are_tried_only_where_no_cheaper_one_explains_all():
    by_cost = [costly(cost, f"cost {cost}", first=1.0) for cost in (2, 1, 0)]
    wrong = [costly(cost, f"wrong {cost}", first=5.0) for cost in (0, 1)]
    for cheapest, hypotheses in ((0, by_cost), (1, [*by_cost[:2], wrong[0]]), (2, [by_cost[0], *wrong])):
        names, combinations = tried((1.0, 0.0, 0.0), *hypotheses)
        assert names == [f"cost {cheapest}"]
        singles = {combination[0] for combination, few in combinations if combination}
        assert singles == {one.name for one in hypotheses if one.cost <= cheapest}


def test_a_hypothesis_that_is_perfect_on_few_texts_alone_is_completed_by_its_partner():
    """On few texts the first is perfect and the second changes nothing; the whole sample needs both."""
    names, combinations = tried((1.0, 1.0, 0.0), FIRST, SECOND, shifted(third=3.0))
    assert names[0] == "first + second"
    assert (("first", "second"), False) in combinations
    assert not any(few for combination, few in combinations if len(combination) == 2)


def test_of_explanations_of_everything_the_simpler_is_first():
    """Both are perfect on few texts; alone `whole` explains everything, and pairs are not tried."""
    names, combinations = tried((1.0, 1.0, 0.0), FIRST, shifted(second=1.0), costly(0, "whole", first=1.0, second=1.0))
    assert names[0] == "whole"
    assert max(len(combination) for combination, _ in combinations) == 1


def test_pairs_of_two_costly_hypotheses_are_tried_only_among_the_best():
    """14 singles: a costly one that is not among the 12 best is paired with those, not with the other of the last."""
    near = [costly(0, f"near {i}", first=1.0 + 0.01 * i) for i in range(1, 13)]
    far = [costly(1, "far 1", second=2.0), costly(2, "far 2", third=2.0)]
    _, combinations = tried((1.0, 1.0, 1.0), *near, *far)
    pairs = {combination for combination, few in combinations if len(combination) == 2 and few}
    assert pairs == {(one.name, other.name) for one in near for other in far}


def test_a_change_of_an_unknown_field_is_refused_at_once():
    with pytest.raises(TypeError, match=r"expected fields of Shift \(first, second, steps, third\), got frist"):
        change(Shift, frist=1.0)


def test_a_change_and_a_hypothesis_are_immutable():
    with pytest.raises(FrozenInstanceError):
        FIRST.apply.values = {}
    with pytest.raises(FrozenInstanceError):
        FIRST.apply = SECOND.apply


def test_changes_of_one_field_exclude_each_other_unless_they_are_equal_or_steps():
    def steps(*names: str) -> Hypothesis:
        return Hypothesis("steps", "", change(Shift, steps=names))

    assert compatible(FIRST, SECOND)
    assert not compatible(FIRST, FIRST)
    assert not compatible(FIRST, shifted(first=2.0))
    assert compatible(shifted(first=1.0, second=2.0), shifted(first=1.0, third=2.0))
    assert compatible(steps("a"), steps("b"))
    assert apply_all(Shift(), (steps("a"), steps("b"), FIRST)) == Shift(first=1.0, steps=("a", "b"))
