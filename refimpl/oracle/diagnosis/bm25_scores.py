"""BM25 scores with everything that implementations do differently as a field of a frozen variant."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from refimpl.sparse.bm25.formulas import VARIANTS, idf_robertson
from refimpl.sparse.bm25.lengths import lossy_lengths
from refimpl.sparse.corpus import TermIds, count_matrix, term_ids

Array = np.ndarray
TokenLists = Sequence[Sequence[str]]


@dataclass(frozen=True)
class BM25Variant:
    """What decides a score; `idf`, `tf` name the variants that the two factors are taken from."""

    idf: str
    tf: str
    k1: float
    b: float
    delta: float
    n_counts_empty: bool
    avgdl_counts_empty: bool
    epsilon: float = 0.25
    fitted: tuple[str, ...] = ()
    log_base: float = math.e
    negative_idf: str = "published"
    lengths: str = "tokens"
    query_terms: str = "multiset"
    absent_terms: bool = False
    tf_again: bool = False
    segments: int = 1
    analyzer: str = ""
    finish: str = ""


class BM25Corpus:
    """Tokenised documents and queries, reduced to the queries' terms."""

    def __init__(self, documents: TokenLists, queries: TokenLists) -> None:
        asked = term_ids(queries)
        self.terms = asked.terms
        self.queries = count_matrix(asked.ids, asked.lengths, len(asked.terms)).toarray().astype(np.float64)
        docs = term_ids(documents)
        self.lengths = docs.lengths.astype(np.float64)
        everything = count_matrix(docs.ids, docs.lengths, len(docs.terms))
        self.distinct = np.diff(everything.indptr).astype(np.float64)
        self.all_df = np.bincount(everything.indices, minlength=len(docs.terms))
        self.counts = _counts_of(docs, {term: i for i, term in enumerate(asked.terms)})

    def scores(self, variant: BM25Variant) -> Array:
        """`(queries, docs)` in float64; an absent term's part is 0 unless the variant says otherwise."""
        parts = np.array_split(np.arange(len(self.lengths)), variant.segments)
        scores = np.concatenate([self._segment(variant, rows) for rows in parts if len(rows)], axis=1)
        return FINISHES[variant.finish](scores, variant)

    def _segment(self, variant: BM25Variant, rows: Array) -> Array:
        lengths, counts = self.lengths[rows], self.counts[rows]
        counted = len(rows) if variant.n_counts_empty else int(np.count_nonzero(lengths))
        averaged = lengths if variant.avgdl_counts_empty else lengths[lengths > 0]
        avgdl = max(float(averaged.mean()) if len(averaged) else 0.0, 1e-300)
        measured = np.broadcast_to(LENGTHS[variant.lengths](self, rows, avgdl)[:, None], counts.shape)
        weigh = VARIANTS[variant.tf].tf
        with np.errstate(invalid="ignore", divide="ignore"):  # 0 / 0 where k1 is 0 and a term absent
            tf = weigh(counts, measured, avgdl, variant.k1, variant.b, variant.delta)
        if variant.tf_again:
            tf = tf * counts
        if not variant.absent_terms:
            tf = np.where(counts > 0, tf, 0.0)
        idf = self._idf(variant, np.count_nonzero(counts, axis=0), counted)
        weights = self.queries if variant.query_terms == "multiset" else np.minimum(self.queries, 1.0)
        return (weights * idf) @ tf.T

    def _idf(self, variant: BM25Variant, df: Array, counted: int) -> Array:
        idf, known = np.zeros(len(df)), df > 0
        idf[known] = VARIANTS[variant.idf].idf(df[known], counted, variant.epsilon)
        robertson = np.zeros(len(df))
        robertson[known] = idf_robertson(df[known], counted)
        if variant.idf in ("pymilvus", "rank_bm25"):  # their floor is an average over the corpus' whole vocabulary
            idf = np.where(robertson < 0, variant.epsilon * self._average_idf(counted), robertson)
        if variant.negative_idf == "zero":
            idf = np.where(robertson < 0, 0.0, idf)
        return idf / math.log(variant.log_base)

    def _average_idf(self, counted: int) -> float:
        return float(np.mean(idf_robertson(np.minimum(self.all_df, counted), counted))) if len(self.all_df) else 0.0


LENGTHS: dict[str, Callable[[BM25Corpus, Array, float], Array]] = {
    "tokens": lambda corpus, rows, avgdl: corpus.lengths[rows],
    "one byte": lambda corpus, rows, avgdl: lossy_lengths(corpus.lengths[rows]),
    "distinct": lambda corpus, rows, avgdl: corpus.distinct[rows],
    "average": lambda corpus, rows, avgdl: np.full(len(rows), avgdl),
}


def _over_the_best(scores: Array, variant: BM25Variant) -> Array:
    largest = np.abs(scores).max(axis=1, keepdims=True, initial=0.0)
    return scores / np.where(largest == 0, 1.0, largest)


FINISHES: dict[str, Callable[[Array, BM25Variant], Array]] = {
    "": lambda scores, variant: scores,
    "negated": lambda scores, variant: -scores,
    "by the best": _over_the_best,
    "with k1 + 1": lambda scores, variant: scores * (variant.k1 + 1),
    "without k1 + 1": lambda scores, variant: scores / (variant.k1 + 1),
}


def _counts_of(docs: TermIds, vocabulary: dict[str, int]) -> Array:
    return count_matrix(docs.renumbered(vocabulary), docs.lengths, len(vocabulary)).toarray().astype(np.float64)
