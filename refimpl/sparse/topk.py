"""Exact top-k over BM25 scores, without scoring every document.

The idea is MaxScore's (Turtle and Flood, Query Evaluation: Strategies and Optimizations, 1995): a term cannot add more
than its greatest impact to any score, so once k documents are known to reach a threshold, documents that hold only
terms whose bounds sum to less need not be looked at. Terms are taken by descending bound; from each list only postings
that can still reach the threshold are read, as a whole array. What is left is scored anew in one fixed order, so the
scores are, to the last bit, those of adding up every document.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64, Int64
from scipy.sparse import csr_array

from refimpl.sparse.bm25.formulas import Idf
from refimpl.sparse.postings import RANKS, Postings

FEW_POSTINGS = 20_000  # a query with fewer is scored outright: cheaper than any bookkeeping
LEAST_TOGETHER, MOST_TOGETHER = 3, 1 << 21  # queries, postings: what one sparse product is worth and may need
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
        self._scratch: list[Float64[np.ndarray, " docs"]] = []  # arrays of zeros, one for each search at a time
        self._lengths = np.diff(postings.start)
        self._idf = idf
        self._n_docs = n_docs

    def search(self, queries: csr_array, k: int) -> tuple[Ids, Scores]:
        """The best `k` documents of each row of `queries`, canonical `(queries, terms)` counts of known terms."""
        ids = np.full((queries.shape[0], k), -1, np.int64)
        scores = np.full((queries.shape[0], k), -np.inf)
        outright = self._cheap(queries) if queries.shape[0] >= LEAST_TOGETHER else np.zeros(0, np.int64)
        for rows in self._portions(queries, outright):
            self._together(queries[rows], rows, k, ids, scores)
        alone = np.ones(queries.shape[0], bool)
        alone[outright] = False
        if alone.any():
            self._one_by_one(queries, np.flatnonzero(alone).tolist(), k, ids, scores)
        return ids, scores

    def _one_by_one(self, queries: csr_array, rows: list[int], k: int, ids: Ids, scores: Scores) -> None:
        terms = self._terms(queries.indices, queries.data, k)
        sums = self._scratch.pop() if self._scratch else np.zeros(self._n_docs)
        ends = queries.indptr.tolist()
        for row in rows:
            if asked := [term for term in terms[ends[row] : ends[row + 1]] if term.first < term.last]:
                found, values = self._best(asked, k, sums)
                ids[row, : len(found)] = found
                scores[row, : len(found)] = values
        self._scratch.append(sums)

    def _cheap(self, queries: csr_array) -> Any:
        """The rows of `queries` whose lists are so short that scoring all they hold is cheaper than to prune."""
        lengths = self._lengths[queries.indices]
        positive = self._idf[queries.indices] > 0
        ends = np.concatenate([[0], np.cumsum(lengths)])[queries.indptr]
        barred = np.concatenate([[0], np.cumsum(~positive)])[queries.indptr]
        total = np.diff(ends)
        return np.flatnonzero((total > 0) & (total <= FEW_POSTINGS) & (np.diff(barred) == 0))

    def _portions(self, queries: csr_array, rows: Any) -> list[Any]:
        """`rows` in portions of at most MOST_TOGETHER postings or one row."""
        lengths = self._lengths[queries.indices]
        total = np.diff(np.concatenate([[0], np.cumsum(lengths)])[queries.indptr])[rows]
        cuts = np.flatnonzero(np.diff(np.cumsum(total) // MOST_TOGETHER)) + 1
        return [part for part in np.split(rows, cuts) if len(part)]

    def _together(self, queries: csr_array, rows: Any, k: int, ids: Ids, scores: Scores) -> None:
        """Score all documents of several queries as one sparse product, which adds up by ascending term number too."""
        terms, column = np.unique(queries.indices, return_inverse=True)
        first = self._postings.start[terms].tolist()
        spans = [slice(*span) for span in zip(first, self._postings.start[terms + 1].tolist(), strict=True)]
        docs = np.concatenate([self._postings.docs[span] for span in spans])
        impacts = self._postings.impacts[np.concatenate([self._postings.codes[span] for span in spans])]
        start = np.concatenate([[0], np.cumsum(self._lengths[terms])])
        lists = csr_array((impacts, docs, start), shape=(len(terms), self._n_docs))
        weights = self._idf[queries.indices] * queries.data
        product = csr_array((weights, column, queries.indptr), shape=(len(rows), len(terms))) @ lists
        hits = np.diff(product.indptr)
        least = np.full(len(rows), -np.inf)
        for row in np.flatnonzero(hits > k).tolist():
            values = product.data[product.indptr[row] : product.indptr[row + 1]]
            least[row] = np.partition(values, len(values) - k)[len(values) - k]
        kept = np.flatnonzero(product.data >= np.repeat(least, hits))
        query = np.repeat(np.arange(len(rows)), hits)[kept]
        docs, values = product.indices[kept], product.data[kept]
        order = np.lexsort((docs, -values, query))
        query, docs, values = query[order], docs[order], values[order]
        rank = np.arange(len(query)) - np.searchsorted(query, np.arange(len(rows)))[query]
        best = rank < k
        ids[rows[query[best]], rank[best]] = docs[best]
        scores[rows[query[best]], rank[best]] = values[best]

    def _terms(self, numbers: Any, counts: Any, k: int) -> list[_Term]:
        postings = self._postings
        rank = next((row for row, rank in enumerate(RANKS) if k <= rank), None)
        weights = self._idf[numbers] * counts
        bounds = weights * self._impacts_or_0[postings.best[numbers]]
        if rank is None:
            floors = np.zeros(len(numbers))
        else:
            floors = weights * self._impacts_or_0[postings.code_at_rank[rank, numbers]]
        first, last = postings.start[numbers], postings.start[numbers + 1]
        rows = zip(first.tolist(), last.tolist(), weights.tolist(), bounds.tolist(), floors.tolist(), strict=True)
        return [_Term(*row) for row in rows]

    def _best(self, terms: list[_Term], k: int, sums: Float64[np.ndarray, " docs"]) -> tuple[Any, Any]:
        """The best `k` documents for one query, and their scores; `sums` is all zero before and after."""
        total = sum([term.last - term.first for term in terms])
        if total <= FEW_POSTINGS or k > RANKS[-1] or min([term.weight for term in terms]) <= 0:
            return _top(*self._outright(terms, sums), k)
        found = self._candidates(terms, k, sums)
        return _top(found, self._scores(found, terms), k)

    def _outright(self, terms: list[_Term], sums: Float64[np.ndarray, " docs"]) -> tuple[Any, Any]:
        """All documents that hold one of the terms, and their scores."""
        docs, codes, impacts = self._postings.docs, self._postings.codes, self._postings.impacts
        lists = [docs[term.first : term.last] for term in terms]
        for term, listed in zip(terms, lists, strict=True):
            sums[listed] += term.weight * impacts[codes[term.first : term.last]]
        found = lists[0]
        if len(lists) > 1:
            found = np.concatenate(lists)
            found.sort()
            found = found[np.append(True, found[1:] != found[:-1])]
        scores = sums[found]
        sums[found] = 0.0
        return found, scores

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
