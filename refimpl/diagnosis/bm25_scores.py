"""BM25 scores, with each known deviation of implementations as a field of a frozen variant."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from refimpl.common.types import Array
from refimpl.sparse.bm25.formulas import Idf, Weight, idf_floored, idf_robertson
from refimpl.sparse.bm25.lengths import lossy_lengths
from refimpl.sparse.term_counts import TermIds, count_matrix, term_ids

TokenLists = Sequence[Sequence[str]]
Analyze = Callable[[str], list[str]]


class BM25Corpus:
    """Tokenised documents and queries, reduced to the queries' terms.

    `counts` `(docs, terms)` replaces those of the queries' terms, in the order of their first occurrence, where they
    are not counted as whole tokens.
    """

    def __init__(self, documents: TokenLists, queries: TokenLists, counts: Array | None = None) -> None:
        query_terms = term_ids(queries)
        vocabulary = {term: i for i, term in enumerate(query_terms.terms)}
        self.queries = count_matrix(query_terms.ids, query_terms.lengths, len(vocabulary)).toarray().astype(np.float64)
        docs = term_ids(documents)
        self.lengths = docs.lengths.astype(np.float64)
        all_terms = count_matrix(docs.ids, docs.lengths, len(docs.terms))
        self.distinct = np.diff(all_terms.indptr).astype(np.float64)
        self.all_df = np.bincount(all_terms.indices, minlength=len(docs.terms))
        self.terms = tuple(query_terms.terms)
        self.counts = _counts_of(docs, vocabulary) if counts is None else counts

    def scores(self, variant: "BM25Variant") -> Array:
        """`(queries, docs)` in float64; an absent term contributes 0 unless the variant has another value."""
        parts = np.array_split(np.arange(len(self.lengths)), variant.segments)
        scores = np.concatenate([self._segment(variant, rows) for rows in parts if len(rows)], axis=1)
        return variant.scale(scores, variant)

    def _segment(self, variant: "BM25Variant", rows: Array) -> Array:
        lengths, counts = self.lengths[rows], self.counts[rows]
        n_docs = len(rows) if variant.n_counts_empty else int(np.count_nonzero(lengths))
        averaged = lengths if variant.avgdl_counts_empty else lengths[lengths > 0]
        avgdl = max(float(averaged.mean()) if len(averaged) else 0.0, 1e-300)
        doc_len = np.broadcast_to(variant.doc_len(self, rows, avgdl)[:, None], counts.shape)
        with np.errstate(invalid="ignore", divide="ignore"):  # 0 / 0 where k1 is 0 and a term absent
            tf = variant.tf(counts, doc_len, avgdl, variant.k1, variant.b, variant.delta)
        if variant.tf_again:
            tf = tf * counts
        if not variant.absent_terms:
            tf = np.where(counts > 0, tf, 0.0)
        idf = self._idf(variant, np.count_nonzero(counts, axis=0), n_docs)
        return (variant.query_weights(self.queries) * idf) @ tf.T

    def _idf(self, variant: "BM25Variant", df: Array, n_docs: int) -> Array:
        idf, present = np.zeros(len(df)), df > 0
        idf[present] = variant.idf(df[present], n_docs, variant.epsilon)
        robertson = np.zeros(len(df))
        robertson[present] = idf_robertson(df[present], n_docs)
        if variant.idf is idf_floored:  # its average is over the whole vocabulary of the corpus
            idf = np.where(robertson < 0, variant.epsilon * self._average_idf(n_docs), robertson)
        if variant.clamp_idf:
            idf = np.where(robertson < 0, 0.0, idf)
        return idf / math.log(variant.log_base)

    def _average_idf(self, n_docs: int) -> float:
        return float(np.mean(idf_robertson(np.minimum(self.all_df, n_docs), n_docs))) if len(self.all_df) else 0.0


def token_counts(corpus: BM25Corpus, rows: Array, avgdl: float) -> Array:
    """Number of tokens `(docs,)`."""
    return corpus.lengths[rows]


def one_byte_lengths(corpus: BM25Corpus, rows: Array, avgdl: float) -> Array:
    """Number of tokens, as Lucene's one byte has it."""
    return np.asarray(lossy_lengths(corpus.lengths[rows]))


def distinct_counts(corpus: BM25Corpus, rows: Array, avgdl: float) -> Array:
    """Number of different terms."""
    return corpus.distinct[rows]


def relative_distinct_counts(corpus: BM25Corpus, rows: Array, avgdl: float) -> Array:
    """Number of different terms, times the average length over their average: relative to the latter."""
    distinct = corpus.distinct[rows]
    return np.asarray(distinct * avgdl / max(float(distinct.mean()) if len(rows) else 0.0, 1e-300))


def average_lengths(corpus: BM25Corpus, rows: Array, avgdl: float) -> Array:
    """The average for every document."""
    return np.full(len(rows), avgdl)


def no_idf(df: Array, n_docs: int, epsilon: float) -> Idf:
    """1 for every term."""
    return np.ones(len(df))


def binary(tf: Array, doc_len: Array, avgdl: float, k1: float, b: float, delta: float) -> Weight:
    """1 for every term that a document has."""
    return np.asarray((tf > 0).astype(np.float64))


def term_frequencies(queries: Array) -> Array:
    """A query's terms weigh as often as they occur; `(queries, terms)`."""
    return queries


def term_set(queries: Array) -> Array:
    """A repeated term weighs once."""
    return np.minimum(queries, 1.0)


def unscaled(scores: Array, variant: "BM25Variant") -> Array:
    """The scores themselves."""
    return scores


def negated(scores: Array, variant: "BM25Variant") -> Array:
    """Distances."""
    return -scores


def over_maximum(scores: Array, variant: "BM25Variant") -> Array:
    """Each query's scores divided by the largest."""
    largest = np.abs(scores).max(axis=1, keepdims=True, initial=0.0)
    return scores / np.where(largest == 0, 1.0, largest)


def times_k1_plus_1(scores: Array, variant: "BM25Variant") -> Array:
    """With the factor (k1 + 1)."""
    return scores * (variant.k1 + 1)


def over_k1_plus_1(scores: Array, variant: "BM25Variant") -> Array:
    """Without the factor (k1 + 1)."""
    return scores / (variant.k1 + 1)


@dataclass(frozen=True)
class BM25Variant:
    """Everything that determines a score; `idf`, `tf` are functions of `sparse.bm25.formulas`.

    `fit` fits k1 and b. `analyzer` builds the function from a text to tokens; None for tokens as passed.
    """

    idf: Callable[[Array, int, float], Idf]
    tf: Callable[[Array, Array, float, float, float, float], Weight]
    k1: float
    b: float
    delta: float
    n_counts_empty: bool
    avgdl_counts_empty: bool
    epsilon: float = 0.25
    fit: bool = False
    log_base: float = math.e
    clamp_idf: bool = False
    doc_len: Callable[[BM25Corpus, Array, float], Array] = token_counts
    query_weights: Callable[[Array], Array] = term_frequencies
    absent_terms: bool = False
    tf_again: bool = False
    segments: int = 1
    analyzer: Callable[[], Analyze] | None = None
    scale: "Callable[[Array, BM25Variant], Array]" = unscaled


def _counts_of(docs: TermIds, vocabulary: dict[str, int]) -> Array:
    return count_matrix(docs.renumbered(vocabulary), docs.lengths, len(vocabulary)).toarray().astype(np.float64)
