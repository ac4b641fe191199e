"""Exact top-k over BM25 scores, without scoring every document.

The idea is MaxScore's (Turtle and Flood, Query Evaluation: Strategies and Optimizations, 1995): a term cannot add more
than its greatest impact to any score, so once k documents are known to reach a threshold, documents that hold only
terms whose bounds sum to less need not be looked at. Terms are taken by descending bound; from each list only postings
that can still reach the threshold are read, as a whole array. What is left is scored anew in one fixed order, so the
scores are, to the last bit, those of adding up every document.

Few postings are not worth the bookkeeping: `outright.py` scores all documents of such queries, many at once.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from refimpl.sparse.asked import Asked
from refimpl.sparse.bm25.formulas import Idf
from refimpl.sparse.outright import Joined, by_document
from refimpl.sparse.postings import RANKS, Postings

FEW_POSTINGS = 12_000  # a query with fewer is scored outright: cheaper than any bookkeeping
MOST_TOGETHER = 1 << 17  # postings scored outright at a time, some 40 bytes each
LOOKUP_COST = 8  # finding one document in a list by bisection, in postings read
SLACK = 1e-9  # relative: bounds are sums in another order than scores

Ids = Int64[np.ndarray, "queries k"]
Scores = Float64[np.ndarray, "queries k"]


class _Term(NamedTuple):
    """One term of a query: its list, its weight (idf times how often the query has it), the most it can add."""

    first: int
    last: int
    weight: float
    bound: float
    floor: float  # at least k documents score this much


class Searcher:
    """The search itself, over arrays only."""

    def __init__(self, postings: Postings, idf: Idf, n_docs: int) -> None:
        self._postings = postings
        self._rising = -postings.impacts  # ascending, as searchsorted wants them
        self._impacts_or_0 = np.append(postings.impacts, 0.0)  # the code behind the last stands for "none"
        self._least = float(postings.impacts[-1]) if len(postings.impacts) else 0.0
        self._scratch: list[Float64[np.ndarray, " docs"]] = []  # arrays of zeros, one for each search at a time
        self._lengths = np.diff(postings.start)
        self._idf = idf
        self._n_docs = n_docs

    def search(self, asked: Asked, k: int) -> tuple[Ids, Scores]:
        """The best `k` documents of each query."""
        n_queries = len(asked.start) - 1
        ids = np.full((n_queries, k), -1, np.int64)
        scores = np.full((n_queries, k), -np.inf)
        weights = self._idf[asked.terms] * asked.counts
        postings = asked.totals(self._lengths[asked.terms])
        rising = asked.totals(weights * self._least <= 0) == 0  # otherwise no bound of a sum holds
        prune = rising & (postings > FEW_POSTINGS) & (k <= RANKS[-1])
        full = rising & by_document(postings, self._n_docs)
        sums = self._scratch.pop() if self._scratch else np.zeros(self._n_docs)
        for way in (full, ~full):
            for rows in _portions((way & ~prune & (postings > 0)).nonzero()[0], postings):
                joined = Joined(self._postings, asked.rows(rows), weights[asked.places(rows)], self._n_docs)
                hits = joined.best_by_document(k) if way is full else joined.best_by_posting(k, sums)
                query, rank, docs, values = hits
                ids[rows[query], rank], scores[rows[query], rank] = docs, values
        if prune.any():
            self._pruning(asked, prune.nonzero()[0], k, sums, ids, scores)
        self._scratch.append(sums)
        return ids, scores

    def _pruning(self, asked: Asked, rows: Any, k: int, sums: Any, ids: Ids, scores: Scores) -> None:
        """Search `rows` one by one, reading of their lists what can reach the best `k`."""
        part = asked.rows(rows)
        terms, ends = self._terms(part.terms, part.counts, k), part.start.tolist()
        for i, row in enumerate(rows.tolist()):
            held = [term for term in terms[ends[i] : ends[i + 1]] if term.first < term.last]
            found = self._candidates(held, k, sums)
            found, values = _top(found, self._scores(found, held), k)
            ids[row, : len(found)] = found
            scores[row, : len(found)] = values

    def _terms(self, numbers: Any, counts: Any, k: int) -> list[_Term]:
        postings = self._postings
        rank = next(row for row, rank in enumerate(RANKS) if k <= rank)
        weights = self._idf[numbers] * counts
        bounds = weights * self._impacts_or_0[postings.best[numbers]]
        floors = weights * self._impacts_or_0[postings.code_at_rank[rank, numbers]]
        first, last = postings.start[numbers], postings.start[numbers + 1]
        rows = zip(first.tolist(), last.tolist(), weights.tolist(), bounds.tolist(), floors.tolist(), strict=True)
        return [_Term(*row) for row in rows]

    def _candidates(self, terms: list[_Term], k: int, sums: Float64[np.ndarray, " docs"]) -> Any:
        """Documents, each once, among which the best k surely are."""
        ordered = sorted(terms, key=lambda term: -term.bound)
        rest = sum(term.bound for term in ordered)  # what the lists not yet read can add
        threshold = max(term.floor for term in terms) * (1 - SLACK)  # no score of the best k is below
        found, partial = self._postings.docs[:0], sums[:0]
        for done, term in enumerate(ordered):
            if rest < threshold:  # a document in none of the lists read cannot reach it
                return self._pruned(found, partial, ordered[done:], threshold, rest, k)
            rest -= term.bound
            found, partial = self._joined(term, found, partial, (threshold - rest) / term.weight, sums)
            threshold = max(threshold, _kth(partial, k))
            kept = partial >= threshold - rest
            found, partial = found[kept], partial[kept]
        return found

    def _joined(self, term: _Term, found: Any, partial: Any, least: float, sums: Any) -> tuple[Any, Any]:
        """`found` with their sums raised by `term`, and its other documents where its impact is `least` or more."""
        docs = self._postings.docs[term.first : term.last]
        codes = self._postings.codes[term.first : term.last]
        if least > 0 and len(found) * LOOKUP_COST < len(docs):
            partial = partial + self._weights(term, found)
            kept = np.flatnonzero(codes < self._rising.searchsorted(-least, "right"))
            docs, codes = docs[kept], codes[kept]
            sums[found] = 1.0
            new = sums[docs] == 0.0
            sums[found] = 0.0
            docs, codes = docs[new], codes[new]
            added = term.weight * self._postings.impacts[codes]
            return np.concatenate([found, docs]), np.concatenate([partial, added])
        added = term.weight * self._postings.impacts[codes]
        if len(found) == 0:
            return docs, added
        sums[found] = partial
        before = sums[docs]
        sums[docs] = before + added
        found = np.concatenate([found, docs[before == 0.0]])
        partial = sums[found]
        sums[found] = 0.0
        return found, partial

    def _pruned(self, found: Any, partial: Any, left: list[_Term], threshold: float, rest: float, k: int) -> Any:
        """Those of `found` that can still reach the threshold, the lists that are left looked up one by one."""
        for term in left:
            if len(found) <= 4 * k:
                break
            partial = partial + self._weights(term, found)
            rest -= term.bound
            threshold = max(threshold, _kth(partial, k))
            kept = partial >= threshold - rest
            found, partial = found[kept], partial[kept]
        return found

    def _weights(self, term: _Term, docs: Any) -> Any:
        """What `term` adds to each of `docs`, zero for a document without it."""
        postings = self._postings
        listed = postings.docs[term.first : term.last]
        at = listed[:-1].searchsorted(docs)  # a document behind the last is compared with the last, and differs
        weights = postings.impacts[postings.codes[term.first : term.last][at]]
        weights *= (listed[at] == docs) * term.weight
        return weights

    def _scores(self, docs: Any, terms: list[_Term]) -> Any:
        """The scores of `docs`, added up by ascending term number as `_outright` does."""
        scores = self._weights(terms[0], docs)
        for term in terms[1:]:
            scores += self._weights(term, docs)
        return scores


def _portions(rows: Any, postings: Any) -> list[Any]:
    """`rows` in portions of at most MOST_TOGETHER postings or one row."""
    upto = np.cumsum(postings[rows])
    if len(rows) == 0 or upto[-1] <= MOST_TOGETHER:
        return [rows] if len(rows) else []
    return [part for part in np.split(rows, np.flatnonzero(np.diff(upto // MOST_TOGETHER)) + 1) if len(part)]


def _top(docs: Any, scores: Any, k: int) -> tuple[Any, Any]:
    """The best `k` of `docs` by score descending, then id ascending."""
    if len(docs) > 4 * k:
        kept = scores >= np.partition(scores, len(scores) - k)[len(scores) - k]
        docs, scores = docs[kept], scores[kept]
    order = np.lexsort((docs, -scores))[:k]
    return docs[order], scores[order]


def _kth(partial: Any, k: int) -> float:
    """What the k-th best score cannot be below, given sums that are at most the scores; 0 while fewer are known."""
    if len(partial) < k:
        return 0.0
    return float(np.partition(partial, len(partial) - k)[len(partial) - k]) * (1 - SLACK)
