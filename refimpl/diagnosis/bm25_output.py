"""What may have been done to scores after they were summed: rounding, scaling by the best one, a function, a cut."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from refimpl.common.types import Array
from refimpl.diagnosis.bm25_readings import ScoredCorpus
from refimpl.identify.row_scaling import RowScaling, scaling_of, shifted
from refimpl.identify.scores import SQUASHES, Precision, coarser, precision

MIN_ROWS = 3  # queries that must have one best score


@dataclass(frozen=True)
class Output:
    """Precision, whether each term is rounded, the best score of every query, a function (undone), a cut.

    `rows`: a function of a query's scores, of `refimpl.identify.row_scaling`.
    """

    precision: Precision
    each_term: bool = False
    best: float | None = None
    squash: str = "none"
    cut: int | None = None
    rows: RowScaling = "none"


def outputs(corpora: Sequence[ScoredCorpus]) -> Iterator[tuple[Output, list[ScoredCorpus]]]:
    """Each possible output with the corpora of which the function of the sum is undone, the simplest first."""
    values = np.concatenate([one.scores.ravel() for one in corpora])
    values = values[values != 0]
    plain = Output(precision(values), cut=_cut(corpora))
    best = _best(corpora)
    if best is not None:
        yield replace(plain, best=best), list(corpora)
        yield replace(plain, best=best, rows="min-max", cut=None), _shifted(corpora, "min-max")
        return
    if (rows := _rows(corpora)) != "none":
        yield replace(plain, best=None if rows == "softmax" else 1.0, rows=rows, cut=None), _shifted(corpora, rows)
        return
    yield plain, list(corpora)
    if plain.precision.decimals is not None:
        yield replace(plain, each_term=True), list(corpora)
    elif (single := precision(_of_single_tokens(corpora))).decimals is not None:  # of terms that are then multiplied
        yield replace(plain, precision=single, each_term=True), list(corpora)
    for rounded in coarser(plain.precision, values):
        if rounded.decimals is not None:
            yield replace(plain, precision=rounded), [one.with_scores(_centred(one.scores, rounded)) for one in corpora]
    if len(values) and values.min() > 0 and values.max() < 1:
        for name in SQUASHES:
            if name != "none" and (undone := _undone(corpora, name)) is not None:
                yield replace(plain, squash=name), undone


def _centred(scores: Array, precision: Precision) -> Array:
    return scores + precision.offset * np.sign(scores)


def _rows(corpora: Sequence[ScoredCorpus]) -> RowScaling:
    """The function that every query's scores show, where there are MIN_ROWS queries of different scores."""
    found = [scaling_of(rows) for one in corpora if len(rows := one.scores[np.ptp(one.scores, axis=1) > 0])]
    return found[0] if len(found) >= MIN_ROWS and len(set(found)) == 1 else "none"


def _shifted(corpora: Sequence[ScoredCorpus], rows: RowScaling) -> list[ScoredCorpus]:
    """The corpora with scores that are 0 where no term is matched; queries that all documents match have none."""
    shifts = (shifted(one.scores, one.matched > 0, rows) for one in corpora)
    return [one.with_scores(scores) for one, scores in zip(corpora, shifts, strict=True)]


def _of_single_tokens(corpora: Sequence[ScoredCorpus]) -> Array:
    """The scores of queries of one token."""
    return np.concatenate([one.scores[one.q.sum(axis=1) == 1].ravel() for one in corpora])


def _undone(corpora: Sequence[ScoredCorpus], name: str) -> list[ScoredCorpus] | None:
    """The corpora with the sums under the function `name`; None where a sum would not be a number."""
    undo = np.vectorize(SQUASHES[name][0], otypes=[float])
    found = []
    for one in corpora:
        with np.errstate(all="ignore"):
            sums = np.where(one.scores != 0, undo(one.scores), 0.0)
        if not np.isfinite(sums).all():
            return None
        found.append(one.with_scores(sums))
    return found


def _best(corpora: Sequence[ScoredCorpus]) -> float | None:
    """The best score of every query that has one, where there are MIN_ROWS of them and all are equal."""
    best = np.concatenate([one.scores.max(axis=1, initial=0.0) for one in corpora])
    best = best[best > 0]
    return float(best[0]) if len(best) >= MIN_ROWS and np.ptp(best) <= 1e-6 * best[0] else None


def _cut(corpora: Sequence[ScoredCorpus]) -> int | None:
    """The largest number of scores of a query, where some query has more documents with one of its terms."""
    most, cut = 0, False
    for one in corpora:
        hits: Array = np.count_nonzero((one.q > 0).astype(np.float64) @ (one.f > 0), axis=1)
        returned = np.count_nonzero(one.scores, axis=1)
        most = max(most, int(returned.max(initial=0)))
        cut |= bool((hits > returned).any())
    return most if cut else None
