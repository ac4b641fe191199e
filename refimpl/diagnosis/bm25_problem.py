"""Given BM25 scores of one or more cases, and the reference that single hypotheses vary."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from scipy.optimize import least_squares

from refimpl.common.texts import TextsOrTokens
from refimpl.common.types import Array
from refimpl.diagnosis.bm25_hypotheses import ANALYSIS, BM25, FITTED, PARAMETERS, STARTS
from refimpl.diagnosis.bm25_scores import Analyze, BM25Corpus, BM25Variant
from refimpl.diagnosis.hypotheses import Combination, Hypothesis, apply_all
from refimpl.diagnosis.search import Problem

DECIMALS = 4  # that a fitted parameter is rounded to, where it fits no worse
BOUNDS = ([0.0, 0.0], [20.0, 1.0])
AT_BOUND = 1e-3
FEW = 8  # queries of the largest case that every hypothesis is tried on


@dataclass(frozen=True)
class GivenCase:
    """A case: texts or token lists, parameters, and the scores `(queries, docs)` that an implementation gave."""

    name: str
    corpus: TextsOrTokens
    queries: TextsOrTokens
    k1: float
    b: float
    scores: Array

    @property
    def analyzed(self) -> bool:
        """Whether both are texts, which an analyzer splits."""
        return all(isinstance(text, str) for each in (self.corpus, self.queries) for text in each)

    def first(self, queries: int) -> "GivenCase":
        """The case with its first queries alone."""
        return replace(self, queries=self.queries[:queries], scores=self.scores[:queries])

    def tokens(self, analyze: Analyze) -> tuple[list[list[str]], list[list[str]]]:
        """The tokens of documents and queries; lists of tokens as they are."""
        return self.split(analyze, analyze)

    def split(self, documents: Analyze, queries: Analyze) -> tuple[list[list[str]], list[list[str]]]:
        """The tokens of documents and queries, each by an analyzer of its own; lists of tokens as they are."""
        split = [
            [analyze(text) if isinstance(text, str) else [str(token) for token in text] for text in each]
            for analyze, each in ((documents, self.corpus), (queries, self.queries))
        ]
        return split[0], split[1]


class BM25Problem(Problem):
    """Given scores, and the corpora and formula that they are compared with; errors are relative to max(1, |given|)."""

    def __init__(self, cases: Sequence[GivenCase], analyze: Analyze, start: BM25Variant) -> None:
        self.cases, self.start = cases, start
        self._corpora: dict[Callable[[], Analyze] | None, list[BM25Corpus]] = {
            None: [BM25Corpus(*case.tokens(analyze)) for case in cases]
        }
        self._analyze = analyze
        self._few: BM25Problem | None = None
        self._fitted: dict[Combination, BM25Variant] = {}
        analyzed = all(case.analyzed for case in cases)
        self.hypotheses: Sequence[Hypothesis] = (*BM25, *ANALYSIS) if analyzed else BM25

    def variant(self, combination: Combination) -> BM25Variant:
        """The variant under these hypotheses, with k1 and b fitted if one of them is that they are others."""
        varied = apply_all(self.start, combination)
        if not varied.fit:
            return varied
        if combination not in self._fitted:
            self._fitted[combination] = self._fit(varied)
        return self._fitted[combination]

    def errors(self, combination: Combination, *, few: bool) -> Array:
        """Given - computed scores, relative to max(1, |given|), of all cases, flat; of a few queries of one case."""
        if few:
            return self.few().errors(combination, few=False)
        return self._errors(self.variant(combination), own=not _sets_parameters(combination))

    def few(self) -> "BM25Problem":
        """The problem with at most FEW queries of the case that has most scores: a cause must explain these too."""
        largest = max(self.cases, key=lambda case: case.scores.size)
        if len(self.cases) == 1 and len(largest.queries) <= FEW:
            return self
        if self._few is None:
            self._few = BM25Problem([largest.first(FEW)], self._analyze, self.start)
        return self._few

    def by_case(self, combination: Combination) -> list[Array]:
        """Given - computed scores `(queries, docs)` of each case."""
        variant = self.variant(combination)
        computed = self._computed(variant, own=not _sets_parameters(combination))
        return [case.scores - scores for case, scores in zip(self.cases, computed, strict=True)]

    def complexity(self, combination: Combination) -> int:
        """The number of fields of the variant that change; more for fitted k1 and b, and where they are not round."""
        varied = apply_all(self.start, combination)
        changed = sum(getattr(varied, each.name) != getattr(self.start, each.name) for each in fields(BM25Variant))
        if not _fits(combination):
            return changed
        variant = self.variant(combination)
        return changed + 1 + sum(round(value, 2) != value for value in (variant.k1, variant.b))

    def names(self, combination: Combination) -> tuple[str, ...]:
        """The names of the hypotheses; of fitted parameters, their values."""
        variant = self.variant(combination)
        values = f"k1 = {variant.k1:g} and b = {variant.b:g}"
        return tuple(values if hypothesis is FITTED else hypothesis.name for hypothesis in combination)

    def at_bound(self, combination: Combination) -> bool:
        """Whether a fitted parameter is at the end of its range."""
        if not _fits(combination):
            return False
        variant = self.variant(combination)
        pairs = zip((variant.k1, variant.b), *BOUNDS, strict=True)
        return any(value - low < AT_BOUND or high - value < AT_BOUND for value, low, high in pairs)

    def _errors(self, variant: BM25Variant, own: bool = False) -> Array:
        pairs = zip(self.cases, self._computed(variant, own), strict=True)
        return np.concatenate(
            [((case.scores - scores) / np.maximum(1.0, np.abs(case.scores))).ravel() for case, scores in pairs]
        )

    def _computed(self, variant: BM25Variant, own: bool) -> list[Array]:
        """The scores of each case; `own`: with the case's k1 and b instead of the variant's."""
        pairs = zip(self.cases, self._analyzed(variant.analyzer), strict=True)
        return [corpus.scores(replace(variant, k1=case.k1, b=case.b) if own else variant) for case, corpus in pairs]

    def _analyzed(self, build: Callable[[], Analyze] | None) -> list[BM25Corpus]:
        if build is not None and build not in self._corpora:
            analyze = build()
            self._corpora[build] = [BM25Corpus(*case.tokens(analyze)) for case in self.cases]
        return self._corpora[build]

    def _fit(self, variant: BM25Variant) -> BM25Variant:
        def errors(values: Array) -> Array:
            return self._errors(replace(variant, k1=float(values[0]), b=float(values[1])))

        start = min(STARTS, key=lambda values: float(np.sum(errors(np.array(values)) ** 2)))
        fitted = least_squares(
            lambda values: np.nan_to_num(errors(values), nan=1e9),
            start,
            bounds=BOUNDS,
            xtol=1e-15,
            ftol=1e-15,
            gtol=1e-15,
        ).x
        rounded = np.round(fitted, DECIMALS)
        better = np.sum(errors(rounded) ** 2) <= np.sum(errors(fitted) ** 2) + 1e-12
        k1, b = rounded if better else fitted
        return replace(variant, k1=float(k1), b=float(b), fit=False)


def _sets_parameters(combination: Combination) -> bool:
    """Whether k1 and b are fitted or given by a hypothesis, so that they are not each case's own."""
    return any(hypothesis is FITTED or hypothesis in PARAMETERS for hypothesis in combination)


def _fits(combination: Combination) -> bool:
    return FITTED in combination
