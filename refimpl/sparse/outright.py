"""Exact top-k by scoring every document that holds a term of the query, for many queries in few numpy calls.

A numpy call costs a microsecond or more before it touches a posting, so queries of some thousand postings, searched
one by one, pay for calls and not for work. Here the lists of all queries are joined into one array, and two ways add
them up:

- by document: one sum for each query and document, kept or not. Best where the lists hold most of the documents.
- by posting: sums are kept only for documents that occur. Best where the lists are short beside the collection.

`by_document` says where they cross. Both add up by ascending term
number, so their scores are the same bits. `topk.py` says when it is cheaper still to prune.
"""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64

from refimpl.sparse.asked import Asked
from refimpl.sparse.postings import Postings

FULL = 8  # documents whose sums are read in the time that one posting costs more when added up by posting
CALLS = 8192  # the same, in the time of the numpy calls that one query costs more
SCRATCH = 1 << 18  # sums at a time, where one query does not need more: they stay in the processor's cache
BLOCK = 8  # documents of which only the best is looked at first

Hits = tuple[Any, Any, Any, Any]  # one entry a hit: query, rank, doc, score


def by_document(n_postings: Int64[np.ndarray, " queries"], n_docs: int) -> Bool[np.ndarray, " queries"]:
    """Which queries, of `n_postings` each, are cheaper to add up by document."""
    return n_docs <= FULL * n_postings + CALLS


def queries_at_once(n_docs: int) -> int:
    """How many queries' sums are held at a time, each over all documents."""
    return max(1, SCRATCH // max(n_docs, 1))


class Joined:
    """The postings of several queries in one array, each with its document and with what it adds to the score."""

    def __init__(self, postings: Postings, asked: Asked, weights: Float64[np.ndarray, " asked"], n_docs: int) -> None:
        first, last = postings.start[asked.terms], postings.start[asked.terms + 1]
        spans = [slice(*span) for span in zip(first.tolist(), last.tolist(), strict=True)]
        lengths = last - first
        self.docs = np.concatenate([postings.docs[span] for span in spans])
        self.scores = postings.impacts.take(np.concatenate([postings.codes[span] for span in spans]))
        self.scores *= weights.repeat(lengths)
        self.hits = asked.totals(lengths)
        self.n_terms = asked.start[1:] - asked.start[:-1]
        self.n_docs = n_docs
        self.ends = [0, *self.hits.cumsum().tolist()]

    def best_by_document(self, k: int) -> Hits:
        """The best `k` of each query; every posting must add more than 0."""
        step, n_docs = queries_at_once(self.n_docs), self.n_docs
        parts = []
        for row in range(0, len(self.hits), step):
            hits = self.hits[row : row + step]
            span = slice(self.ends[row], self.ends[row + len(hits)])
            places = self.docs[span] + (np.arange(len(hits)) * n_docs).repeat(hits)
            sums = np.bincount(places, self.scores[span], minlength=len(hits) * n_docs)
            least = _kth_of_blocks(sums.reshape(-1, n_docs), k).repeat(n_docs)
            kept = (sums >= least).nonzero()[0]
            parts.append((kept // n_docs + row, kept % n_docs, sums[kept]))
        query, docs, scores = parts[0] if len(parts) == 1 else map(np.concatenate, zip(*parts, strict=True))
        order = np.lexsort((docs, -scores, query))
        return _ranked(query[order], docs[order], scores[order], k)

    def best_by_posting(self, k: int, sums: Float64[np.ndarray, " docs"]) -> Hits:
        """The best `k` of each query; `sums` is all zero before and after."""
        least = np.full(len(self.hits), -np.inf)
        for row, most in enumerate((k * self.n_terms).tolist()):
            span = slice(self.ends[row], self.ends[row + 1])
            scores, docs = self.scores[span], self.docs[span].astype(np.intp)  # each use would convert it
            np.add.at(sums, docs, scores)
            sums.take(docs, out=scores, mode="clip")  # "raise", the default, would copy
            sums[docs] = 0.0
            if len(docs) > most:  # no document stands here more than n_terms times: k of them reach the most-th score
                least[row] = np.partition(scores, -most)[-most]
        kept = (self.scores >= least.repeat(self.hits)).nonzero()[0]
        query, docs, scores = np.searchsorted(self.ends[1:], kept, "right"), self.docs[kept], self.scores[kept]
        order = np.lexsort((docs, -scores, query))
        query, docs, scores = query[order], docs[order], scores[order]
        once = np.ones(len(docs), bool)
        once[1:] = (docs[1:] != docs[:-1]) | (query[1:] != query[:-1])
        return _ranked(query[once], docs[once], scores[once], k)


def _kth_of_blocks(sums: Float64[np.ndarray, "queries docs"], k: int) -> Float64[np.ndarray, " queries"]:
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


def _ranked(query: Any, docs: Any, scores: Any, k: int) -> Hits:
    """The first `k` of each query, numbered from 0."""
    rank = np.arange(len(query)) - query.searchsorted(query)
    best = rank < k
    return query[best], rank[best], docs[best], scores[best]
