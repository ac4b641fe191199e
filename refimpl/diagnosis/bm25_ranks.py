"""Which known BM25s order the documents as an implementation does that has ranks, or scores of no exact value."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from refimpl.compare import compare_order
from refimpl.diagnosis.bm25_hypotheses import FITTED, published_variant
from refimpl.diagnosis.bm25_problem import BM25Problem, GivenCase
from refimpl.diagnosis.bm25_scores import Analyze
from refimpl.diagnosis.hypotheses import Combination
from refimpl.diagnosis.result import MeasuredCause
from refimpl.sparse.bm25.checks import check_variant


@dataclass(frozen=True)
class RankDiagnosis:
    """The number of queries, those in the variant's order, and each hypothesis that has the order of all of them.

    Hypotheses that give the same order cannot be distinguished by ranks: all are listed. One that leaves more pairs of
    documents in no order than another explains less, and is not listed.
    """

    variant: str
    queries: int
    in_order: int
    names: tuple[str, ...]

    @property
    def matches(self) -> bool:
        """Whether every query's documents are in the variant's order."""
        return self.in_order == self.queries

    @property
    def causes(self) -> tuple[MeasuredCause, ...]:
        """Each hypothesis with the order of all queries."""
        explanation = f"in the order of all {self.queries} queries"
        return tuple(MeasuredCause((name,), explanation, True) for name in self.names)

    def __str__(self) -> str:
        if self.matches:
            return f"matches: the documents of all {self.queries} queries are in the order of {self.variant}"
        first = f"mismatch: {self.in_order} of {self.queries} queries are in the order of {self.variant}"
        if not self.names:
            return f"{first}\nnone of the known causes has the order of all queries"
        names = "; or ".join(self.names)
        return f"{first}\nin the order of all {self.queries} queries, equivalent by rank: {names}"


def diagnose_bm25_ranks(
    cases: Sequence[GivenCase], *, analyzer: Analyze, variant: str, tolerance: float
) -> RankDiagnosis:
    """Find the single hypotheses under which every two documents of every query are in the given order.

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
    in_order, _ = _in_order(problem, (), tolerance)
    if in_order == queries:
        return RankDiagnosis(variant, queries, in_order, ())
    tried = [(one.name, *_in_order(problem, (one,), tolerance)) for one in problem.hypotheses if one is not FITTED]
    whole = [(name, pairs) for name, count, pairs in tried if count == queries]
    most = max((pairs for _, pairs in whole), default=0)
    return RankDiagnosis(variant, queries, in_order, tuple(name for name, pairs in whole if pairs == most))


def _in_order(problem: BM25Problem, combination: Combination, tolerance: float) -> tuple[int, int]:
    """The number of queries whose documents are in the order of the computed scores, and of pairs in some order."""
    count = pairs = 0
    for case, errors in zip(problem.cases, problem.by_case(combination), strict=True):
        for given, computed in zip(case.scores, case.scores - errors, strict=True):
            count += compare_order("", given, computed, tolerance).matches
            least = tolerance * np.maximum(1.0, np.abs(computed))[:, None]
            pairs += int(np.count_nonzero(computed[:, None] - computed[None] > least))
    return count, pairs
