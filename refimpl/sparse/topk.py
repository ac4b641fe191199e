"""Exact top-k over BM25 scores: which queries go which way.

| way | for | file |
|---|---|---|
| a row of sums a query | collections of at most `FEW_DOCS` documents | `by_document.py` |
| the lists of the query's terms | all else | `by_posting.py` |

Both add up by ascending term number, so ids and scores are the same bits.
"""

from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from refimpl.sparse.asked import Asked
from refimpl.sparse.bm25.formulas import Idf
from refimpl.sparse.by_document import best_by_document, queries_at_once
from refimpl.sparse.by_posting import ByPosting
from refimpl.sparse.postings import FEW_DOCS, Postings

MOST_TOGETHER = 1 << 19  # postings that queries searched together may have

Ids = Int64[np.ndarray, "queries k"]
Scores = Float64[np.ndarray, "queries k"]


class Searcher:
    """The search itself, over arrays only."""

    def __init__(self, postings: Postings, idf: Idf, n_docs: int) -> None:
        self._postings = postings
        self._idf = idf
        self._n_docs = n_docs
        self._by_posting: list[ByPosting] = []  # each for one search at a time

    def search(self, asked: Asked, k: int) -> tuple[Ids, Scores]:
        """The best `k` documents of each query."""
        n_queries = len(asked.start) - 1
        ids = np.full((n_queries, k), -1, np.int64)
        scores = np.full((n_queries, k), -np.inf)
        weights = self._idf[asked.terms] * asked.counts
        left = asked.lengths > 0
        if self._n_docs <= FEW_DOCS:
            odd = (weights <= 0) | (asked.counts > 1)
            plain = left & (asked.totals(odd) == 0) if odd.any() else left
            rows, step = plain.nonzero()[0], queries_at_once(self._n_docs)
            for part in (rows[at : at + step] for at in range(0, len(rows), step)):
                _keep(best_by_document(self._postings, *asked.part(weights, part), k), part, ids, scores)
            left &= ~plain
        if left.any():
            way = self._by_posting.pop() if self._by_posting else ByPosting(self._postings, self._n_docs)
            for part in self._portions(asked, left.nonzero()[0]):
                _keep(way.best(*asked.part(weights, part), k), part, ids, scores)
            self._by_posting.append(way)
        return ids, scores

    def _portions(self, asked: Asked, rows: Any) -> list[Any]:
        """`rows` in portions of at most MOST_TOGETHER postings or one row."""
        lists = self._postings.start[asked.terms + 1] - self._postings.start[asked.terms]
        upto = asked.totals(lists)[rows].cumsum()
        if upto[-1] <= MOST_TOGETHER:
            return [rows]
        return [part for part in np.split(rows, np.flatnonzero(np.diff(upto // MOST_TOGETHER)) + 1) if len(part)]


def _keep(hits: Any, rows: Any, ids: Ids, scores: Scores) -> None:
    """Write `hits`, whose queries are numbers of `rows`, into the answer."""
    query, rank, docs, values = hits
    ids[rows[query], rank], scores[rows[query], rank] = docs, values
