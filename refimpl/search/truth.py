"""The exact scores that decide a validation, from documents that stream in blocks.

Per query these are the documents of the exact top k, all that tie with the k-th within the tolerance, and those that
the engine returned. No other document can change recall, a rank or an error of a score, so memory depends on queries,
k and ties, not on the collection.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from refimpl.common.types import Array
from refimpl.search.records import Vectors
from refimpl.search.scorers import Scorer
from refimpl.search.topk import ABSENT, TopK
from refimpl.search.validation import TOLERANCE, Bounds, Validation, validate

MARGIN = 3 * TOLERANCE  # two documents that may swap ranks are within two tolerances


@dataclass(frozen=True)
class Truth:
    """Per query, ascending row numbers, their exact scores (-inf: must not be a hit), and the scale of errors."""

    rows: Sequence[Array]
    scores: Sequence[Array]
    scales: Float[Array, " queries"]

    def compare(self, hits: TopK, metric: str) -> Validation:
        """Compare hits with the exact ones; hits of documents outside the truth must have been given to `truth_of`."""
        bounds = (Bounds(*pair) for pair in zip(self.scores, self.scores, self.scales.tolist(), strict=True))
        return validate(renumbered(hits, self.rows), bounds, metric)

    def bounds_of(self, query: int, rows: Int[Array, " docs"]) -> Bounds:
        """The exact scores of one query and these documents; -inf for one that is not in the truth."""
        places = np.minimum(np.searchsorted(self.rows[query], rows), max(len(self.rows[query]) - 1, 0))
        known = np.zeros(len(rows), bool)
        scores = np.full(len(rows), -np.inf)
        if len(self.rows[query]):
            known = self.rows[query][places] == rows
            scores[known] = self.scores[query][places[known]]
        return Bounds(scores, scores, float(self.scales[query]))


def truth_of(scorer: Scorer, blocks: Callable[[], Iterable[Vectors]], hits: TopK) -> Truth:
    """The truth for these hits, with k the number of their columns; `blocks` is called twice.

    The first pass finds the largest norm, on which the allowed errors depend.
    """
    scales = scorer.scales(largest_norm(scorer, blocks()))
    return part_of_truth(scorer, blocks(), hits, scales)


def largest_norm(scorer: Scorer, blocks: Iterable[Vectors]) -> float:
    """The largest Euclidean length of a document; 0 without documents."""
    return max((float(scorer.norms(block).max(initial=0.0)) for block in blocks), default=0.0)


def part_of_truth(
    scorer: Scorer, blocks: Iterable[Vectors], hits: TopK, scales: Float[Array, " queries"], first_row: int = 0
) -> Truth:
    """The truth of consecutive documents, the first of which is `first_row`: a part of it, for `joined`."""
    candidates = _candidates(hits, scales)
    for block in blocks:
        for query, (row, error) in enumerate(scorer.rows(block, first_row)):
            chosen = candidates[query].chosen(row, first_row, error)
            candidates[query].add(chosen + first_row, scorer.exact(query, block, chosen, row))
        first_row += block.shape[0]
    return _truth(candidates, scales)


def joined(parts: Sequence[Truth], hits: TopK, scales: Float[Array, " queries"]) -> Truth:
    """The truth of documents whose parts follow each other: equal to `truth_of` all of them, to the last bit."""
    candidates = _candidates(hits, scales)
    for part in parts:
        for one, rows, scores in zip(candidates, part.rows, part.scores, strict=True):
            one.add(rows, scores)
    return _truth(candidates, scales)


def _candidates(hits: TopK, scales: Float[Array, " queries"]) -> "list[_Candidates]":
    return [_Candidates(ids, hits.ids.shape[1], scale) for ids, scale in zip(hits.ids, scales, strict=True)]


def _truth(candidates: "Sequence[_Candidates]", scales: Float[Array, " queries"]) -> Truth:
    ranked = [one.ranked() for one in candidates]
    return Truth([rows for rows, _ in ranked], [scores for _, scores in ranked], scales)


def common_rows(hits: TopK, truths: Sequence[Truth], documents: int) -> tuple[list[Array], list[Iterator[Bounds]]]:
    """Per query the rows, of `documents`, of any truth or hit; per truth, the bounds of these rows."""
    rows = []
    for query, row in enumerate(hits.ids):
        known = row[(row != ABSENT) & (row < documents)]
        rows.append(np.unique(np.concatenate([known, *(truth.rows[query] for truth in truths)])))
    return rows, [map(truth.bounds_of, range(len(rows)), rows) for truth in truths]


def renumbered(hits: TopK, rows: Sequence[Array]) -> TopK:
    """Hits with ids that count in `rows`, ascending, per query; an id that is not there becomes their number."""
    ids = np.full(hits.ids.shape, ABSENT, np.int64)
    for query, (row, known) in enumerate(zip(hits.ids, rows, strict=True)):
        present = row != ABSENT
        places = np.searchsorted(known, row[present])
        inside = np.minimum(places, max(len(known) - 1, 0))
        found = known[inside] == row[present] if len(known) else np.zeros(int(present.sum()), bool)
        ids[query, present] = np.where(found, inside, len(known))
    return TopK(ids, hits.scores)


class _Candidates:
    """Of one query: the documents so far that may be in the top k, or tie with the k-th, and the engine's hits."""

    def __init__(self, hits: Int[Array, " k"], k: int, scale: float) -> None:
        self._hits, self._k, self._scale = np.unique(hits[hits != ABSENT]), k, scale
        self._rows: list[Array] = []
        self._scores: list[Array] = []
        self._least = -np.inf
        self._added = 0

    def chosen(self, row: Float[Array, " docs"], first_row: int, error: float) -> Int[Array, " candidates"]:
        """The documents of a block, counted in it, whose exact scores are needed."""
        likely = (row >= self._threshold(self._least) - 2 * error) & (row > -np.inf)
        hits = self._hits[(self._hits >= first_row) & (self._hits < first_row + len(row))] - first_row
        likely[hits] = True
        return np.flatnonzero(likely)

    def add(self, rows: Int[Array, " candidates"], scores: Float[Array, " candidates"]) -> None:
        """Add exact scores; forget what the k-th best so far leaves behind."""
        self._rows.append(rows)
        self._scores.append(scores)
        self._added += len(rows)
        if self._added > 4 * self._k:
            self._prune()

    def ranked(self) -> tuple[Array, Array]:
        """Ascending rows and their scores."""
        self._prune()
        return self._rows[0], self._scores[0]

    def _prune(self) -> None:
        rows, scores = np.concatenate([*self._rows, np.empty(0, np.int64)]), np.concatenate([*self._scores, []])
        if len(scores) >= self._k:
            self._least = float(np.partition(scores, len(scores) - self._k)[len(scores) - self._k])
        kept = (scores >= self._threshold(self._least)) | np.isin(rows, self._hits)
        self._rows, self._scores, self._added = [rows[kept]], [scores[kept]], 0

    def _threshold(self, least: float) -> float:
        return least - MARGIN * max(self._scale, abs(least)) if np.isfinite(least) else -np.inf
