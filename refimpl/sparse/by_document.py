"""Exact top-k in a small collection: a row of sums for each query, one sum a document.

A numpy call costs a microsecond before it touches a posting, so that fifty queries of two thousand documents, searched
one by one, pay for calls and not for work. Here all queries go together. A term that stands in half of the documents is
a row of numbers, and rows are added up without looking at a document's number; only rarer terms go posting by posting.

Terms are numbered from the most frequent to the rarest and added up in this order, the rows first: scores are the same
bits as in `by_posting.py`.
"""

from typing import Any

import numpy as np
from jaxtyping import Float64

from refimpl.sparse.asked import Asked
from refimpl.sparse.postings import Postings
from refimpl.sparse.ranking import Hits, ranked

SUMS = 1 << 18  # at a time, where one query does not need more: they stay in the processor's cache
BLOCK = 16  # documents of which only the best is looked at first

Sums = Float64[np.ndarray, "queries docs"]


def queries_at_once(n_docs: int) -> int:
    """How many queries' sums are held at a time."""
    return max(1, SUMS // max(n_docs, 1))


def best_by_document(postings: Postings, asked: Asked, weights: Float64[np.ndarray, " asked"], k: int) -> Hits:
    """The best `k` of each query; no term is asked for twice by one query, and every weight is above 0."""
    sums = _sums(postings, asked, weights)
    n_docs = sums.shape[1]
    kept = (sums >= _kth_of_blocks(sums, k)[:, None]).reshape(-1).nonzero()[0]
    query, scores = kept // n_docs, sums.reshape(-1)[kept]
    order = np.lexsort((-scores, query))  # keeps documents of one score in ascending order
    return ranked(query[order], kept[order] % n_docs, scores[order], k)


def _sums(postings: Postings, asked: Asked, weights: Float64[np.ndarray, " asked"]) -> Sums:
    n_queries, n_docs = len(asked.start) - 1, postings.rows.shape[1]
    query = np.arange(n_queries).repeat(asked.lengths)
    frequent = asked.terms < len(postings.rows)
    sums = np.zeros((n_queries, n_docs))
    for row, term in zip(query[frequent].tolist(), asked.terms[frequent].tolist(), strict=True):
        sums[row] += postings.rows[term]
    rare = ~frequent
    places, scores = _joined(postings, asked.terms[rare], weights[rare], query[rare] * n_docs)
    np.add.at(sums.reshape(-1), places, scores)
    return sums


def _joined(postings: Postings, terms: Any, weights: Any, first: Any) -> tuple[Any, Any]:
    """The terms' lists one after the other: each posting's place, its document after `first`, and what it adds."""
    begin = postings.start[terms]
    lengths = postings.start[terms + 1] - begin
    ends = lengths.cumsum()
    at = np.arange(int(lengths.sum()))
    at += (begin - ends + lengths).repeat(lengths)
    places = postings.docs.take(at) + first.repeat(lengths)
    scores = postings.impacts.take(postings.codes.take(at))
    scores *= weights.repeat(lengths)
    return places, scores


def _kth_of_blocks(sums: Sums, k: int) -> Float64[np.ndarray, " queries"]:
    """For each query a score, more than 0, that k documents reach or that every hit reaches.

    The k-th best of the blocks' maxima is a score that k documents reach, and far fewer numbers are looked at.
    """
    n_queries, n_docs = sums.shape
    blocks = n_docs // BLOCK
    if blocks < k:
        return np.full(n_queries, np.nextafter(0, 1))
    best = sums[:, : blocks * BLOCK].reshape(n_queries, BLOCK, blocks).max(axis=1)
    best.partition(blocks - k, axis=1)
    return np.maximum(best[:, blocks - k], np.nextafter(0, 1))
