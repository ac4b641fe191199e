"""BM25 scores that are not the reference's: which known change gives them."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import least_squares
from scipy.sparse import issparse

from refimpl.base import check_texts
from refimpl.oracle.diagnosis.bm25_causes import ANALYSIS, BM25, PARAMETERS, published_variant
from refimpl.oracle.diagnosis.bm25_scores import BM25Corpus, BM25Variant
from refimpl.oracle.diagnosis.knobs import Knob, turned
from refimpl.oracle.diagnosis.search import Turned, explain
from refimpl.oracle.diagnosis.verdict import Diagnosis
from refimpl.sparse.analyzers import build_analyzer
from refimpl.sparse.bm25.checks import check_number, check_variant

Array = np.ndarray
Texts = Sequence[str] | Sequence[Sequence[str]]
ROUND = 4  # decimals that a fitted parameter is rounded to, where that fits no worse

OWN_SPLITS: dict[str, Callable[[str], list[str]]] = {
    "blanks": str.split,
    "blanks, lower case": lambda text: text.lower().split(),
}


class BM25Problem:
    """Given scores, and a corpus with the knobs."""

    def __init__(self, given: Array, corpora: dict[str, BM25Corpus], texts: tuple[Texts, Texts], start: BM25Variant):
        self.given, self.start = given, start
        self._corpora, self._texts = corpora, texts
        analyzed = all(isinstance(text, str) for each in texts for text in each)
        self.knobs: Sequence[Knob] = (*BM25, *ANALYSIS) if analyzed else BM25

    def variant(self, turned_knobs: Turned) -> BM25Variant:
        """The variant with its parameters fitted where they are to be."""
        varied = turned(self.start, turned_knobs)
        return self._fit(varied) if varied.fitted else varied

    def errors(self, turned_knobs: Turned, *, few: bool) -> Array:
        """Given less computed scores, flat."""
        return self._errors(self.variant(turned_knobs)).ravel()

    def names(self, turned_knobs: Turned) -> tuple[str, ...]:
        """What the knobs are called; of fitted parameters, their values."""
        variant = self.variant(turned_knobs)
        fitted = f"k1 = {variant.k1:g} and b = {variant.b:g}"
        return tuple(fitted if "fitted" in knob.settings else knob.name for knob in turned_knobs)

    def _errors(self, variant: BM25Variant) -> Array:
        return self.given - self._corpus(variant.analyzer).scores(variant)

    def _corpus(self, analyzer: str) -> BM25Corpus:
        if analyzer not in self._corpora:
            analyze = OWN_SPLITS.get(analyzer) or build_analyzer(analyzer)
            documents, queries = ([analyze(str(text)) for text in each] for each in self._texts)
            self._corpora[analyzer] = BM25Corpus(documents, queries)
        return self._corpora[analyzer]

    def _fit(self, variant: BM25Variant) -> BM25Variant:
        def errors(values: Array) -> Array:
            return self._errors(replace(variant, k1=float(values[0]), b=float(values[1]))).ravel()

        start = min(PARAMETERS, key=lambda values: float(np.sum(errors(np.array(values)) ** 2)))
        found = least_squares(
            lambda values: np.nan_to_num(errors(values), nan=1e9),
            start,
            bounds=([0.0, 0.0], [20.0, 1.0]),
            xtol=1e-15,
            ftol=1e-15,
            gtol=1e-15,
        ).x
        rounded = np.round(found, ROUND)
        better = np.sum(errors(rounded) ** 2) <= np.sum(errors(found) ** 2) + 1e-12
        k1, b = rounded if better else found
        return replace(variant, k1=float(k1), b=float(b), fitted=())


def diagnose_bm25(
    given: ArrayLike,
    corpus: Texts,
    queries: Texts,
    *,
    analyzer: str = "pymilvus-en",
    variant: str = "pymilvus",
    k1: float = 1.5,
    b: float = 0.75,
    tolerance: float = 1e-6,
) -> Diagnosis:
    """Hold scores `(queries, docs)` against BM25 of the given variant, analyzer, `k1` and `b`, and say why they differ.

    A document without a term of the query scores 0. `corpus` and `queries` are texts, which `analyzer` (a name of
    `refimpl.build_analyzer`) turns into tokens, or token lists, which are taken as they are. `tolerance` is absolute.
    Raises TypeError for what are neither, ValueError where `given` has another shape.
    """
    check_variant(variant)
    start = published_variant(variant, check_number(k1, "k1"), check_number(b, "b", most=1.0))
    scores = np.asarray(given.toarray() if issparse(given) else given, dtype=np.float64)  # type: ignore[union-attr]  # sparse
    tokens = [_tokens(each, name, analyzer) for each, name in ((corpus, "corpus"), (queries, "queries"))]
    if scores.shape != (len(tokens[1]), len(tokens[0])):
        expected = (len(tokens[1]), len(tokens[0]))
        raise ValueError(f"given must be {expected}, a row a query and a column a document, got {scores.shape}")
    problem = BM25Problem(scores, {"": BM25Corpus(*tokens)}, (corpus, queries), start)
    errors = np.abs(problem.errors((), few=False))
    difference = float(errors.max(initial=0.0))
    if not np.isfinite(errors).all():
        return Diagnosis(False, np.inf, tolerance, (), "a score is not finite: give 0 where a document has no term")
    if difference <= tolerance:
        return Diagnosis(True, difference, tolerance, ())
    return Diagnosis(False, difference, tolerance, explain(problem, tolerance))


def _tokens(texts: Texts, name: str, analyzer: str) -> list[list[str]]:
    if isinstance(texts, str) or not all(isinstance(text, list | tuple) for text in texts):
        analyze = build_analyzer(analyzer)
        return [analyze(text) for text in check_texts(texts, name)]
    return [[str(token) for token in text] for text in texts]
