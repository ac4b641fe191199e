"""Exhaustive exact top k, for small collections: one accumulator per query and document, filled term at a time.

A numpy call costs a microsecond before it reads a posting, so that fifty queries over two thousand documents, searched
one by one, spend their time on calls. Here all queries are scored together. A term that occurs in half of the documents
has a dense row of scores, which is added without reading document ids; the postings lists of rarer terms are scattered.

Terms are numbered from the most frequent to the rarest and added in this order, the dense rows first: scores are equal
to those of `maxscore.py` to the last bit.
"""

import numpy as np
from jaxtyping import Float64, Int

from refimpl.sparse.index.postings import Postings
from refimpl.sparse.index.queries import QueryTerms
from refimpl.sparse.index.ranking import RankedHits, first_k

MAX_ACCUMULATORS = 1 << 18  # at a time, unless one query needs more: they stay in the processor's cache
BLOCK = 16  # documents per block; only the maximum of a block is compared at first

Accumulators = Float64[np.ndarray, "queries docs"]
Weights = Float64[np.ndarray, " query_terms"]


def queries_per_batch(n_docs: int) -> int:
    """Number of queries that are scored together."""
    return max(1, MAX_ACCUMULATORS // max(n_docs, 1))


def search_exhaustively(postings: Postings, queries: QueryTerms, weights: Weights, k: int) -> RankedHits:
    """The best `k` documents of each query; each term occurs once per query, and every weight is above 0."""
    scores = _accumulate(postings, queries, weights)
    n_docs = scores.shape[1]
    kept = (scores >= _thresholds(scores, k)[:, None]).reshape(-1).nonzero()[0]
    query, kept_scores = kept // n_docs, scores.reshape(-1)[kept]
    order = np.lexsort((-kept_scores, query))  # stable: documents of equal score stay in ascending order
    return first_k(query[order], kept[order] % n_docs, kept_scores[order], k)


def _accumulate(postings: Postings, queries: QueryTerms, weights: Weights) -> Accumulators:
    """The score of every document for every query."""
    n_queries, n_docs = len(queries.indptr) - 1, postings.rows.shape[1]
    query = np.arange(n_queries).repeat(queries.lengths)
    is_dense = queries.terms < len(postings.rows)
    scores = np.zeros((n_queries, n_docs))
    for row, term in zip(query[is_dense].tolist(), queries.terms[is_dense].tolist(), strict=True):
        scores[row] += postings.rows[term]
    rare = ~is_dense
    places, added = _concatenated_lists(postings, queries.terms[rare], weights[rare], query[rare] * n_docs)
    np.add.at(scores.reshape(-1), places, added)
    return scores


def _concatenated_lists(
    postings: Postings,
    terms: Int[np.ndarray, " lists"],
    weights: Float64[np.ndarray, " lists"],
    offsets: Int[np.ndarray, " lists"],
) -> tuple[Int[np.ndarray, " postings"], Float64[np.ndarray, " postings"]]:
    """The terms' postings lists one after the other: each posting's document plus its list's offset, and its score."""
    begin = postings.start[terms]
    lengths = postings.start[terms + 1] - begin
    ends = lengths.cumsum()
    at = np.arange(int(lengths.sum()))
    at += (begin - ends + lengths).repeat(lengths)
    places = postings.docs.take(at) + offsets.repeat(lengths)
    scores = postings.impacts.take(postings.codes.take(at))
    scores *= weights.repeat(lengths)
    return places, scores


def _thresholds(scores: Accumulators, k: int) -> Float64[np.ndarray, " queries"]:
    """For each query a score above 0 that at least k documents reach, or that every hit reaches.

    The k-th largest of the blocks' maxima is reached by k documents, and only one number per block is sorted.
    """
    n_queries, n_docs = scores.shape
    blocks = n_docs // BLOCK
    if blocks < k:
        return np.full(n_queries, np.nextafter(0, 1))
    maxima = scores[:, : blocks * BLOCK].reshape(n_queries, BLOCK, blocks).max(axis=1)
    maxima.partition(blocks - k, axis=1)
    return np.maximum(maxima[:, blocks - k], np.nextafter(0, 1))
