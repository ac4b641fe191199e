"""Hints where no cause explains a text: the combinations of hypotheses that leave the smallest errors."""

from collections.abc import Mapping, Sequence
from itertools import combinations, islice

import numpy as np

from refimpl.diagnosis.embedding_problem import EmbeddingProblem, Trial
from refimpl.diagnosis.explanation import Near
from refimpl.diagnosis.hypotheses import Combination, Hypothesis

FIRST_ROWS = 12  # shortest texts on which candidates are compared before all
ON_ALL = 3  # candidates that are tried on all texts
CLEARER = 2  # times by which a longer combination has smaller squared errors, to be a hint
HINT = 0.25  # smallest share of the difference that is shown as a hint


def hints(
    problem: EmbeddingProblem,
    tried: Sequence[Trial],
    context: Combination,
    unexplained: Sequence[int],
    matching: Sequence[int],
) -> tuple[Near, ...]:
    """The combinations that explain most of the unexplained texts, compared with vectors of zeros as well.

    Parameters
    ----------
    problem
        The vectors and the reference.
    tried
        Trials on a few of the texts.
    context
        What explains other texts; `()` for nothing.
    unexplained, matching
        Texts, shortest first.
    """
    rows = list(unexplained[:FIRST_ROWS])
    zeros = float(np.sum(problem.actual[rows] ** 2))
    squares = min(zeros, float(problem.trial(context, rows).squares.sum()))
    by_error = sorted((trial for trial in tried if trial.combination != context), key=lambda t: t.squares.sum())
    different = {frozenset(trial.combination): trial for trial in reversed(by_error)}
    errors = {names: float(trial.squares.sum()) for names, trial in different.items()}
    needed = (names for names in reversed(different) if not _superfluous(names, errors))
    found = []
    for combination in [different[names].combination for names in islice(needed, ON_ALL)]:
        again = problem.trial(combination, rows)
        share = 1 - float(again.squares.sum()) / squares if squares else 0.0
        near = _near(problem, again, share, unexplained, matching)
        if share >= HINT and len(near.changed) <= len(unexplained) - len(near.left):  # else it is chance
            found.append(near)
    return tuple(sorted(found, key=lambda each: -each.share))


def _near(
    problem: EmbeddingProblem, trial: Trial, share: float, unexplained: Sequence[int], matching: Sequence[int]
) -> Near:
    """The combination on all texts, where it explains some of them."""
    if not trial.count:
        return Near(trial.combination, float(trial.residuals.max()), share)
    whole = problem.trial(trial.combination, [*unexplained, *matching])
    left = whole.rows[~whole.explained]
    return Near(
        trial.combination,
        float(whole.residuals.max()),
        share,
        tuple(int(row) for row in left if row in set(unexplained)),
        tuple(int(row) for row in left if row in set(matching)),
        whole.count > 0,
    )


def _superfluous(names: frozenset[Hypothesis], errors: Mapping[frozenset[Hypothesis], float]) -> bool:
    """Whether a part of the combination leaves hardly larger errors; `errors` are the sums of squares of all tried."""
    parts = (frozenset(part) for count in range(1, len(names)) for part in combinations(names, count))
    return any(errors.get(part, np.inf) <= CLEARER * errors[names] for part in parts)
