"""Functions of a whole row of scores, such as softmax, undone by a document without the query's terms."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float64

from refimpl.common.types import Array
from refimpl.identify.ask import Answer, Answers, Probe, Refusal

RowScaling = Literal["none", "softmax", "min-max", "z-score", "z-score (N - 1)", "division by the sum", "unit length"]
Rows = Float64[Array, "queries docs"]
SPANS: Mapping[str, Callable[[Rows], Float64[Array, "queries 1"]]] = {
    "min-max": lambda rows: np.ptp(rows, axis=1, keepdims=True),
    "z-score": lambda rows: np.std(rows, axis=1, keepdims=True),
    "z-score (N - 1)": lambda rows: np.std(rows, axis=1, ddof=1, keepdims=True),
    "division by the sum": lambda rows: np.sum(rows, axis=1, keepdims=True),
    "unit length": lambda rows: np.linalg.norm(rows, axis=1, keepdims=True),
}
"""Name -> what a row of sums `(queries, docs)` is divided by; where it is shifted before, so is a score of no term."""
SHIFTS: Mapping[str, Callable[[Rows], Float64[Array, "queries 1"]]] = {
    "min-max": lambda rows: np.min(rows, axis=1, keepdims=True),
    "z-score": lambda rows: np.mean(rows, axis=1, keepdims=True),
    "z-score (N - 1)": lambda rows: np.mean(rows, axis=1, keepdims=True),
}
"""Name -> what is subtracted from a row of sums before."""
SUM = 1e-6  # by which a row's sum, or another property, may differ
ROWS = 20  # that must show it


def scaled(sums: Rows, scaling: str) -> Rows:
    """The scores of sums `(queries, docs)`; a row of equal sums has scores of 0, but after softmax."""
    if scaling == "softmax":
        powers = np.exp(sums - sums.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))
    shifted = sums - SHIFTS[scaling](sums) if scaling in SHIFTS else sums
    span = SPANS[scaling](sums)
    return np.where(span != 0, shifted / np.where(span != 0, span, 1.0), 0.0)


def scaling_of(rows: Rows) -> RowScaling:
    """The function that the rows `(queries, docs)` of at least two different scores show; not min-max."""
    if not len(rows):
        return "none"
    if (rows > 0).all() and _near(rows.sum(axis=1), 1.0):
        return "softmax"
    centred = _near(rows.mean(axis=1), 0.0) and not (rows == 0).any()
    names: tuple[RowScaling, ...] = ("division by the sum", "unit length")
    if centred:
        names = ("z-score", "z-score (N - 1)")
    return next((name for name in names if _near(SPANS[name](rows), 1.0)), "none")


@dataclass(frozen=True)
class Undone:
    """Answers before the function, and the function."""

    answers: Answers
    scaling: RowScaling


def undone(answers: Answers, probes: Mapping[str, Probe], everywhere: Mapping[str, str]) -> Undone:
    """The answers with the function undone as far as one row shows; rows without such a document are NaN.

    Parameters
    ----------
    answers
        Of the probes.
    probes
        By name; the scores of "mixed" decide.
    everywhere
        Name of a probe -> a query whose term every document has: its least score is 0 after min-max alone.

    Notes
    -----
    ln(softmax) is the sum up to a constant of the row. After the others and a shift to 0 for documents without a term,
    the scores are the sums over a factor of the row, as scores are that are divided by the best one.
    """
    scaling = _scaling(answers, probes, everywhere)
    if scaling == "none":
        return Undone(answers, scaling)
    by_name = {name: _undo(one, probes[name], scaling) for name, one in answers.by_name.items()}
    return Undone(replace(answers, by_name=by_name), scaling)


def _scaling(answers: Answers, probes: Mapping[str, Probe], everywhere: Mapping[str, str]) -> RowScaling:
    main = answers.scores("mixed")
    if main is None or len(rows := main[np.ptp(main, axis=1) > 0]) < ROWS:
        return "none"
    if (found := scaling_of(rows)) != "none":
        return found
    return "min-max" if _min_max(answers, probes, everywhere) and _near(rows.max(axis=1), rows.max()) else "none"


def _near(values: Array, expected: float) -> bool:
    return bool(np.allclose(values, expected, atol=SUM * max(1.0, abs(expected)), rtol=0))


def _min_max(answers: Answers, probes: Mapping[str, Probe], everywhere: Mapping[str, str]) -> bool:
    """Whether the least score is 0 although every document has the term.

    One document alone is the longest; of a cut, more have no score.
    """
    rows = [row for name, query in everywhere.items() if (row := _row(answers, probes, name, query)) is not None]
    return bool(rows) and all(np.sum(row == 0) == 1 and row.min() == 0 and row.max() > 0 for row in rows)


def _row(answers: Answers, probes: Mapping[str, Probe], name: str, query: str) -> Float64[Array, " docs"] | None:
    scores = answers.scores(name)
    return None if scores is None else np.asarray(scores[probes[name].queries.index(query)])


def _undo(answer: Answer, probe: Probe, scaling: RowScaling) -> Answer:
    if isinstance(answer, Refusal):
        return answer
    documents = [frozenset(text.split()) for text in probe.corpus]
    query_terms = [frozenset(text.split()) for text in probe.queries]
    matched = np.array([[not query.isdisjoint(document) for document in documents] for query in query_terms])
    return shifted(answer, matched, scaling)


def shifted(scores: Rows, matched: Bool[Array, "queries docs"], scaling: RowScaling) -> Rows:
    """The rows, their logarithms of softmax, shifted to 0 at a document that is not `matched`; NaN without one."""
    with np.errstate(divide="ignore"):
        values = np.log(scores) if scaling == "softmax" else scores
    without = np.argmin(matched, axis=1)
    background = np.where(matched.all(axis=1), np.nan, values[np.arange(len(values)), without])
    return np.asarray(values - background[:, None])
