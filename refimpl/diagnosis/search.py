"""The search for the hypotheses, alone or in pairs, under which the reference reproduces an output.

Every hypothesis is tried on a few texts, and the best ones on the whole sample. Pairs are tried only where no single
hypothesis explains the whole difference. A trial whose errors are all within the tolerance is called perfect.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby

import numpy as np

from refimpl.common.types import Array
from refimpl.diagnosis.hypotheses import Combination, Hypothesis, NotApplicable, compatible
from refimpl.diagnosis.result import MAX_NEAREST, MIN_SHARE, Cause

MAX_ON_SAMPLE = 24  # perfect trials on a few texts that are repeated on the whole sample
BEST_SINGLES = 12  # single hypotheses with which costly ones are paired
MAX_PAIRS = 1400  # on a few texts; a number of trials and not of seconds, so that a result does not depend on load


class Problem(ABC):
    """An output, and a reference that can be varied by `hypotheses`."""

    hypotheses: Sequence[Hypothesis]

    @abstractmethod
    def errors(self, combination: Combination, *, few: bool) -> Array:
        """Output minus the reference with these hypotheses, flattened; on a few texts or on the whole sample.

        Infinite where the two cannot be compared. Raises NotApplicable where a hypothesis does not apply.
        """

    def complexity(self, combination: Combination) -> int:
        """How much the hypotheses change: of those that explain everything, the simplest is first."""
        return len(combination)

    def names(self, combination: Combination) -> tuple[str, ...]:
        """The names of the hypotheses; a subclass may return fitted values in their place."""
        return tuple(hypothesis.name for hypothesis in combination)


@dataclass(frozen=True)
class Trial:
    """The errors that remain with a combination of hypotheses: their sum of squares and the largest magnitude."""

    combination: Combination
    sum_of_squares: float
    max_abs: float

    @property
    def order(self) -> tuple[float, int]:
        """Sort key: smaller errors first, then fewer hypotheses."""
        return self.sum_of_squares, len(self.combination)


def explain(problem: Problem, tolerance: float, max_pairs: int = MAX_PAIRS) -> tuple[Cause, ...]:
    """The hypotheses and at most `max_pairs` pairs of them that explain a part of the difference, best first."""
    baseline = _trial(problem, (), few=False)
    singles: list[Trial] = []
    on_sample: list[Trial] = []
    for cost in range(3):
        singles += _try_singles(problem, [hypothesis for hypothesis in problem.hypotheses if hypothesis.cost == cost])
        singles.sort(key=_order)
        on_sample = _try_on_sample(problem, singles, tolerance)
        if any(trial.max_abs <= tolerance for trial in on_sample):
            break
    if not any(trial.max_abs <= tolerance for trial in on_sample):
        pairs = _complete_pairs(problem, singles, tolerance, max_pairs)
        if not any(trial.max_abs <= tolerance for trial in pairs):
            some = sorted(_pairs(problem, singles, tolerance, max_pairs), key=_order)
            pairs += _try_on_sample(problem, some, tolerance)
        on_sample += _informative_pairs(problem, pairs, on_sample, tolerance)
    on_sample.sort(key=lambda trial: _rank(problem, trial, tolerance))
    causes = [_cause(problem, trial, baseline, tolerance) for trial in on_sample]
    return tuple(cause for cause in causes if cause.explains_all or cause.share > MIN_SHARE)


def _rank(problem: Problem, trial: Trial, tolerance: float) -> tuple[float | int, ...]:
    """Sort key: what explains everything first, the simplest of it; its errors are rounding, and decide nothing."""
    if trial.max_abs > tolerance:
        return 1, *trial.order
    positions = [problem.hypotheses.index(hypothesis) for hypothesis in trial.combination]
    return 0, problem.complexity(trial.combination), len(trial.combination), *positions


def _order(trial: Trial) -> tuple[float, int]:
    return trial.order


def _try_singles(problem: Problem, hypotheses: Sequence[Hypothesis]) -> list[Trial]:
    """Each hypothesis alone, on a few texts."""
    return [_trial(problem, (hypothesis,), few=True) for hypothesis in hypotheses]


def _try_on_sample(problem: Problem, trials: list[Trial], tolerance: float) -> list[Trial]:
    """The perfect ones among `trials` again, on the whole sample; where there are none, the best ones."""
    perfect = [trial for trial in trials if trial.max_abs <= tolerance]
    selected = perfect[:MAX_ON_SAMPLE] or [trial for trial in trials[:MAX_NEAREST] if np.isfinite(trial.sum_of_squares)]
    return [_trial(problem, trial.combination, few=False) for trial in selected]


def _complete_pairs(problem: Problem, singles: list[Trial], tolerance: float, max_pairs: int) -> list[Trial]:
    """Pairs with a hypothesis that is perfect on a few texts, on the whole sample, where a second one may show."""
    halves = [trial.combination[0] for trial in singles if trial.max_abs <= tolerance][:3]
    pairs = [
        (half, trial.combination[0]) for half in halves for trial in singles if compatible(half, trial.combination[0])
    ]
    tried = [_trial(problem, pair, few=False) for pair in pairs[:max_pairs]]
    return sorted(tried, key=_order)[:MAX_NEAREST]


def _pairs(problem: Problem, singles: list[Trial], tolerance: float, max_pairs: int) -> Iterator[Trial]:
    """Pairs on a few texts, until there are `max_pairs`, or the end of a stage with a perfect pair.

    The stages are pairs of the best single hypotheses, then each hypothesis with all others, then pairs with a costly
    one, for the best single hypotheses only.
    """
    ranked = [trial.combination[0] for trial in singles]
    best_pairs = list(combinations(ranked[:BEST_SINGLES], 2))
    rest = [pair for pair in combinations(ranked, 2) if pair[1] not in ranked[:BEST_SINGLES]]
    costly = [pair for pair in rest if pair[0] in ranked[:BEST_SINGLES] and _any_costly(pair)]
    stages: list[Sequence[Combination]] = [
        best_pairs,
        *_by_first(pair for pair in rest if not _any_costly(pair)),
        costly,
    ]
    tried = 0
    for stage in stages:
        any_perfect = False
        for pair in stage:
            if tried < max_pairs and compatible(pair[0], pair[1]):
                trial = _trial(problem, pair, few=True)
                any_perfect |= trial.max_abs <= tolerance
                tried += 1
                yield trial
        if any_perfect:
            return


def _any_costly(combination: Combination) -> bool:
    return any(hypothesis.cost for hypothesis in combination)


def _by_first(pairs: Iterable[Combination]) -> list[list[Combination]]:
    """The pairs grouped by their first hypothesis."""
    return [list(row) for _, row in groupby(pairs, key=lambda pair: pair[0])]


def _informative_pairs(problem: Problem, pairs: list[Trial], singles: list[Trial], tolerance: float) -> list[Trial]:
    """The pairs that are perfect, or explain much more than either hypothesis alone: two always fit a little better."""
    alone = {trial.combination: trial for trial in singles}

    def sum_of_squares(hypothesis: Hypothesis) -> float:
        half = (hypothesis,)
        if half not in alone:
            alone[half] = _trial(problem, half, few=False)
        return alone[half].sum_of_squares

    return [
        pair
        for pair in pairs
        if pair.max_abs <= tolerance or pair.sum_of_squares < 0.5 * min(map(sum_of_squares, pair.combination))
    ]


def _trial(problem: Problem, combination: Combination, *, few: bool) -> Trial:
    try:
        errors = np.asarray(problem.errors(combination, few=few), dtype=np.float64)
    except NotApplicable:
        return Trial(combination, np.inf, np.inf)
    if not np.isfinite(errors).all():
        return Trial(combination, np.inf, np.inf)
    return Trial(combination, float(np.sum(errors * errors)), float(np.abs(errors).max(initial=0.0)))


def _cause(problem: Problem, trial: Trial, baseline: Trial, tolerance: float) -> Cause:
    has_share = baseline.sum_of_squares > 0 and np.isfinite(trial.sum_of_squares)
    share = 1.0 - trial.sum_of_squares / baseline.sum_of_squares if has_share else 0.0
    return Cause(
        names=problem.names(trial.combination),
        explanation="; ".join(hypothesis.explanation for hypothesis in trial.combination),
        residual=trial.max_abs,
        share=min(max(share, 0.0), 1.0),
        explains_all=trial.max_abs <= tolerance,
    )
