"""Which knobs, alone or in pairs, bring the reference to what was given.

Every hypothesis is tried on few texts, the best on all that were chosen; pairs only where no single one explains all.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby
from typing import Protocol, runtime_checkable

import numpy as np

from refimpl.oracle.diagnosis.knobs import Knob, compatible
from refimpl.oracle.diagnosis.verdict import NEAREST, TELLING, Cause

Array = np.ndarray
Turned = tuple[Knob, ...]

MOST_VERIFIED = 24  # hypotheses, perfect on few texts, that are tried on all chosen ones
PROMISING = 12  # singles that slow knobs are paired with
BUDGET_S = 75.0  # for pairs; with the rest a diagnosis stays under two minutes


@runtime_checkable
class Problem(Protocol):
    """What was given, and a reference that can be varied."""

    knobs: Sequence[Knob]

    def errors(self, turned: Turned, *, few: bool) -> Array:
        """Given less reference with these knobs turned, flat; on few of the chosen texts or on all of them.

        Infinite where the two cannot be compared, or the varied reference cannot be computed.
        """
        ...

    def names(self, turned: Turned) -> tuple[str, ...]:
        """What the knobs are called, with values that were fitted."""
        ...


@dataclass(frozen=True)
class Trial:
    """The errors that remain with some knobs turned."""

    turned: Turned
    squares: float
    largest: float

    @property
    def order(self) -> tuple[float, int]:
        """Best first; of equals the one with fewer knobs."""
        return self.squares, len(self.turned)


def explain(problem: Problem, tolerance: float, budget_s: float = BUDGET_S) -> tuple[Cause, ...]:
    """The knobs and pairs of knobs that explain something of the difference, best first."""
    until = time.monotonic() + budget_s
    start = _trial(problem, (), few=False)
    singles: list[Trial] = []
    checked: list[Trial] = []
    for effort in range(3):
        singles += _tried(problem, [knob for knob in problem.knobs if knob.effort == effort])
        singles.sort(key=_order)
        checked = _checked(problem, singles, tolerance)
        if any(trial.largest <= tolerance for trial in checked):
            break
    if not any(trial.largest <= tolerance for trial in checked):
        pairs = _completed(problem, singles, tolerance, until)
        if not any(trial.largest <= tolerance for trial in pairs):
            some = sorted(_pairs(problem, singles, tolerance, until), key=_order)
            pairs += _checked(problem, some, tolerance)
        checked += _telling(pairs, checked, tolerance)
    checked.sort(key=lambda trial: (trial.largest > tolerance, trial.order))
    causes = [_cause(problem, trial, start, tolerance) for trial in checked]
    return tuple(cause for cause in causes if cause.explains_all or cause.share > TELLING)


def _order(trial: Trial) -> tuple[float, int]:
    return trial.order


def _tried(problem: Problem, knobs: Sequence[Knob]) -> list[Trial]:
    """Each knob alone on few texts."""
    return [_trial(problem, (knob,), few=True) for knob in knobs]


def _checked(problem: Problem, trials: list[Trial], tolerance: float) -> list[Trial]:
    """On all chosen texts: the trials that are perfect on few, else the best, which are to be told as the nearest."""
    perfect = [trial for trial in trials if trial.largest <= tolerance]
    chosen = perfect[:MOST_VERIFIED] or [trial for trial in trials[:NEAREST] if np.isfinite(trial.squares)]
    return [_trial(problem, trial.turned, few=False) for trial in chosen]


def _completed(problem: Problem, singles: list[Trial], tolerance: float, until: float) -> list[Trial]:
    """Pairs on all chosen texts, for the knobs that are perfect on few texts: their partners show elsewhere."""
    halves = [trial.turned[0] for trial in singles if trial.largest <= tolerance][:3]
    pairs = [(half, trial.turned[0]) for half in halves for trial in singles if compatible(half, trial.turned[0])]
    tried = [_trial(problem, pair, few=False) for pair in pairs if time.monotonic() < until]
    return sorted(tried, key=_order)[:NEAREST]


def _pairs(problem: Problem, singles: list[Trial], tolerance: float, until: float) -> Iterator[Trial]:
    """Pairs on few texts, until the time is over or one is found that is perfect.

    First those of the best singles, then each with all others; slow knobs are paired with the best only.
    """
    ranked = [trial.turned[0] for trial in singles]
    promising = list(combinations(ranked[:PROMISING], 2))
    rest = [pair for pair in combinations(ranked, 2) if pair[1] not in ranked[:PROMISING]]
    slow = [pair for pair in rest if pair[0] in ranked[:PROMISING] and _any_slow(pair)]
    stages: list[Sequence[Turned]] = [promising, *_rows(pair for pair in rest if not _any_slow(pair)), slow]
    for stage in stages:
        found = False
        for pair in stage:
            if time.monotonic() < until and compatible(pair[0], pair[1]):
                trial = _trial(problem, pair, few=True)
                found |= trial.largest <= tolerance
                yield trial
        if found:
            return


def _any_slow(turned: Turned) -> bool:
    return any(knob.effort for knob in turned)


def _rows(pairs: Iterable[Turned]) -> list[list[Turned]]:
    """The pairs of each first knob."""
    return [list(row) for _, row in groupby(pairs, key=lambda pair: pair[0])]


def _telling(pairs: list[Trial], singles: list[Trial], tolerance: float) -> list[Trial]:
    """The pairs that say more than either of their halves: two knobs always fit a little better than one."""
    alone = {trial.turned[0]: trial.squares for trial in singles}
    return [
        pair
        for pair in pairs
        if pair.largest <= tolerance or pair.squares < 0.5 * min(alone.get(knob, np.inf) for knob in pair.turned)
    ]


def _trial(problem: Problem, turned: Turned, *, few: bool) -> Trial:
    errors = np.asarray(problem.errors(turned, few=few), dtype=np.float64)
    if not np.isfinite(errors).all():
        return Trial(turned, np.inf, np.inf)
    return Trial(turned, float(np.sum(errors * errors)), float(np.abs(errors).max(initial=0.0)))


def _cause(problem: Problem, trial: Trial, start: Trial, tolerance: float) -> Cause:
    share = 1.0 - trial.squares / start.squares if start.squares and np.isfinite(trial.squares) else 0.0
    return Cause(
        names=problem.names(trial.turned),
        explanation="; ".join(knob.explanation for knob in trial.turned),
        residual=trial.largest,
        share=min(max(share, 0.0), 1.0),
        explains_all=trial.largest <= tolerance,
    )
