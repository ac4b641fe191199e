"""Exact top k over BM25 scores: the choice between the two algorithms.

| algorithm | for | module |
|---|---|---|
| exhaustive, one accumulator per document | collections of at most `FEW_DOCS` documents | `exhaustive.py` |
| MaxScore over postings lists | larger ones; weights of 0 or less; a term twice in a query | `maxscore.py` |

Both sum by ascending term id, so ids and scores are equal to the last bit.
"""

import numpy as np
from jaxtyping import Float64, Int64

from refimpl.sparse.bm25.formulas import Idf
from refimpl.sparse.index.exhaustive import queries_per_batch, search_exhaustively
from refimpl.sparse.index.maxscore import MaxScoreSearcher
from refimpl.sparse.index.postings import FEW_DOCS, Postings
from refimpl.sparse.index.queries import QueryTerms
from refimpl.sparse.index.ranking import RankedHits

MAX_POSTINGS_PER_BATCH = 1 << 19  # of the queries that MaxScore searches together

Ids = Int64[np.ndarray, "queries k"]
Scores = Float64[np.ndarray, "queries k"]
Rows = Int64[np.ndarray, " rows"]


class Searcher:
    """Searches postings for queries of term ids; usable by several threads at a time."""

    def __init__(self, postings: Postings, idf: Idf, n_docs: int) -> None:
        self._postings = postings
        self._idf = idf
        self._n_docs = n_docs
        self._idle_searchers: list[MaxScoreSearcher] = []  # reused; each serves one search at a time

    def search(self, queries: QueryTerms, k: int) -> tuple[Ids, Scores]:
        """The ids and scores of the best `k` documents of each query; -1 and -inf where there are fewer."""
        n_queries = len(queries.indptr) - 1
        ids = np.full((n_queries, k), -1, np.int64)
        scores = np.full((n_queries, k), -np.inf)
        weights = self._idf[queries.terms] * queries.counts
        remaining = queries.lengths > 0
        if self._n_docs <= FEW_DOCS:
            unsuited = (weights <= 0) | (queries.counts > 1)
            suited = remaining & (queries.sum_per_query(unsuited) == 0) if unsuited.any() else remaining
            rows, step = suited.nonzero()[0], queries_per_batch(self._n_docs)
            for batch in (rows[at : at + step] for at in range(0, len(rows), step)):
                hits = search_exhaustively(self._postings, *queries.select(weights, batch), k)
                _store(hits, batch, ids, scores)
            remaining &= ~suited
        if remaining.any():
            idle = self._idle_searchers
            searcher = idle.pop() if idle else MaxScoreSearcher(self._postings, self._n_docs)
            for batch in self._batches(queries, remaining.nonzero()[0]):
                _store(searcher.search(*queries.select(weights, batch), k), batch, ids, scores)
            idle.append(searcher)
        return ids, scores

    def _batches(self, queries: QueryTerms, rows: Rows) -> list[Int64[np.ndarray, " batch"]]:
        """`rows` in batches of at most `MAX_POSTINGS_PER_BATCH` postings, or of one row."""
        list_lengths = self._postings.start[queries.terms + 1] - self._postings.start[queries.terms]
        cumulative = queries.sum_per_query(list_lengths)[rows].cumsum()
        if cumulative[-1] <= MAX_POSTINGS_PER_BATCH:
            return [rows]
        splits = np.flatnonzero(np.diff(cumulative // MAX_POSTINGS_PER_BATCH)) + 1
        return [batch for batch in np.split(rows, splits) if len(batch)]


def _store(hits: RankedHits, rows: Rows, ids: Ids, scores: Scores) -> None:
    """Write `hits`, whose query i is row `rows[i]`, into the result."""
    at = rows[hits.query], hits.rank
    ids[at], scores[at] = hits.doc, hits.score
