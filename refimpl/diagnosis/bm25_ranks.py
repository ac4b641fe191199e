"""Which known BM25s order the documents as an implementation does that has ranks, or scores of no exact value.

Single hypotheses come first, then all pairs of them, then triples by a beam: the pairs that leave fewest documents in
another order, each with every third hypothesis.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from refimpl.common.types import Array
from refimpl.diagnosis.bm25_hypotheses import FITTED, PARAMETERS, RANKS, published_variant
from refimpl.diagnosis.bm25_problem import BM25Problem, GivenCase
from refimpl.diagnosis.bm25_scores import Analyze
from refimpl.diagnosis.hypotheses import Combination, Hypothesis, apply_all, compatible
from refimpl.diagnosis.result import MeasuredCause
from refimpl.sparse.bm25.checks import check_variant

BEAM = 16  # pairs that a third hypothesis is added to
MORE_TIES = 0.01  # of the pairs given in some order, that a combination may leave in none beyond the variant's own
MOST_SHOWN = 6  # equivalent combinations in words; the causes have all
MOST_SCORES = 1 << 22  # pairs of documents that are compared at once


@dataclass(frozen=True)
class RankDiagnosis:
    """The number of queries, those in the variant's order, and each combination that has the order of all of them.

    Combinations that give the same order cannot be distinguished by ranks: all with the fewest hypotheses are listed.
    One that leaves more pairs of documents in no order than another explains less, and is not listed.
    """

    variant: str
    queries: int
    in_order: int
    combinations: tuple[tuple[str, ...], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Each combination in words."""
        return tuple(" and ".join(names) for names in self.combinations)

    @property
    def matches(self) -> bool:
        """Whether every query's documents are in the variant's order."""
        return self.in_order == self.queries

    @property
    def causes(self) -> tuple[MeasuredCause, ...]:
        """Each combination with the order of all queries."""
        explanation = f"in the order of all {self.queries} queries"
        return tuple(MeasuredCause(names, explanation, True) for names in self.combinations)

    def __str__(self) -> str:
        if self.matches:
            return f"matches: the documents of all {self.queries} queries are in the order of {self.variant}"
        first = f"mismatch: {self.in_order} of {self.queries} queries are in the order of {self.variant}"
        if not self.combinations:
            return f"{first}\nnone of the known causes has the order of all queries"
        more = len(self.combinations) - MOST_SHOWN
        names = "; or ".join(self.names[:MOST_SHOWN]) + (f"; or {more} more" if more > 0 else "")
        return f"{first}\nin the order of all {self.queries} queries, equivalent by rank: {names}"


def diagnose_bm25_ranks(
    cases: Sequence[GivenCase], *, analyzer: Analyze, variant: str, tolerance: float
) -> RankDiagnosis:
    """Find the fewest hypotheses, at most three, under which every two documents of every query are in the given order.

    Parameters
    ----------
    cases
        Inputs with scores of which only the order counts: higher is better, equal for documents in no order.
    analyzer
        A function from a text to its tokens.
    variant
        A name of `refimpl.sparse.bm25.VARIANTS`.
    tolerance
        Computed scores that differ by less are in no order; relative to max(1, |score|).
    """
    problem = BM25Problem(cases, analyzer, published_variant(check_variant(variant), cases[0].k1, cases[0].b))
    queries = sum(len(case.scores) for case in cases)
    order = _Order(problem, tolerance)
    start = order.trial(())
    if not start.wrong:
        return RankDiagnosis(variant, queries, queries, ())
    most_tied = 0.0 if order.ties_are_given() else start.tied + MORE_TIES * start.given
    hypotheses = [one for one in (*problem.hypotheses, *RANKS) if one is not FITTED and order.changes(one)]
    tried = [order.trial((one,)) for one in hypotheses]
    if not (found := _whole(tried, most_tied)):
        few = _Order(problem.few(), tolerance)
        pairs = (pair for pair in combinations(hypotheses, 2) if compatible(*pair))
        tried = [_first_on_few(few, order, pair) for pair in pairs]
        found = _whole(tried, most_tied)
        if not found:
            found = _whole([_first_on_few(few, order, one) for one in _triples(tried, hypotheses)], most_tied)
    return RankDiagnosis(variant, queries, queries - start.queries, tuple(problem.names(one) for one in found))


@dataclass(frozen=True)
class _Trial:
    """A combination, its pairs of documents in another order than given, their queries, and pairs in the given one."""

    combination: Combination
    wrong: int
    queries: int
    ordered: int
    tied: int
    """Pairs in some order as given, in none as computed."""
    given: int
    """Pairs in some order as given."""


class _Order:
    """Compares the order of computed scores with the given one."""

    def __init__(self, problem: BM25Problem, tolerance: float) -> None:
        self._problem, self._tolerance = problem, tolerance

    def changes(self, hypothesis: Hypothesis) -> bool:
        """Whether it changes a field of the variant, or the cases' own parameters."""
        return hypothesis in PARAMETERS or apply_all(self._problem.start, (hypothesis,)) != self._problem.start

    def ties_are_given(self) -> bool:
        """Whether all documents of a query that have the score 0 by the variant are in no order as given."""
        for case, errors in zip(self._problem.cases, self._problem.by_case(()), strict=True):
            for given, computed in zip(case.scores, case.scores - errors, strict=True):
                without = given[np.abs(computed) < 1e-12]
                if len(without) and np.ptp(without):
                    return False
        return True

    def trial(self, combination: Combination) -> _Trial:
        """The pairs of documents of all queries under the hypotheses."""
        wrong = queries = ordered = tied = given = 0
        for case, errors in zip(self._problem.cases, self._problem.by_case(combination), strict=True):
            step = max(1, MOST_SCORES // max(1, case.scores.shape[1]) ** 2)
            for start in range(0, len(case.scores), step):
                rows = slice(start, start + step)
                counts = self._pairs(case.scores[rows], case.scores[rows] - errors[rows])
                wrong, ordered, tied, given = (
                    a + int(b.sum()) for a, b in zip((wrong, ordered, tied, given), counts, strict=True)
                )
                queries += int(np.count_nonzero(counts[0]))
        return _Trial(combination, wrong, queries, ordered, tied, given)

    def _pairs(self, given: Array, computed: Array) -> tuple[Array, Array, Array, Array]:
        """For each query the number of pairs in another order than given, in that order, in none, and given in one.

        All pairs of a query of which a computed score is not a number are in another order.
        """
        size = computed.shape[1]
        with np.errstate(invalid="ignore"):
            apart, strict = (self._apart(each) for each in (computed, given))
            right = apart & (given[:, :, None] > given[:, None])
        finite = np.isfinite(computed).all(axis=1)
        ordered, tied, strict_pairs = (
            np.count_nonzero(each, axis=(1, 2)) for each in (right, strict & ~apart & ~apart.swapaxes(1, 2), strict)
        )
        wrong = np.where(finite, np.count_nonzero(apart, axis=(1, 2)) - ordered, size * (size - 1) // 2)
        return wrong, ordered, tied, strict_pairs

    def _apart(self, scores: Array) -> Array:
        """Whether the first document of each pair has a higher score `(queries, docs, docs)`."""
        least = self._tolerance * np.maximum(1.0, np.abs(scores))
        return np.asarray(scores[:, :, None] - scores[:, None] > least[:, :, None])


def _first_on_few(few: _Order, order: _Order, combination: Combination) -> _Trial:
    """The trial on a few queries; where these are in the given order, on all, with at most as many pairs as one."""
    trial = few.trial(combination)
    if trial.wrong:
        return trial
    whole = order.trial(combination)
    return whole if not whole.wrong else replace(whole, wrong=1)


def _whole(tried: Sequence[_Trial], most_tied: float) -> list[Combination]:
    """The combinations with the order of all queries that leave fewest pairs in no order, at most `most_tied`.

    A formula with few different scores contradicts nearly no order, and explains none.
    """
    whole = [one for one in tried if not one.wrong and one.tied <= most_tied]
    most = max((one.ordered for one in whole), default=0)
    return [one.combination for one in whole if one.ordered == most]


def _triples(pairs: Sequence[_Trial], hypotheses: Sequence[Hypothesis]) -> Iterator[Combination]:
    """Each of the best pairs with every third hypothesis."""
    seen = set()
    for pair in sorted(pairs, key=lambda one: one.wrong)[:BEAM]:
        for third in hypotheses:
            members = frozenset((*pair.combination, third))
            if members not in seen and all(compatible(one, third) for one in pair.combination):
                seen.add(members)
                yield (*pair.combination, third)
