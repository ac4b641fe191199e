"""Exact top k by MaxScore: only the essential terms' postings lists are read.

Turtle and Flood, Query Evaluation: Strategies and Optimizations, 1995; the terms "essential" and "threshold" are those
of Ding and Suel, Faster Top-k Document Retrieval Using Block-Max Indexes, 2011. A term cannot add more than its maximum
score to any document, and the k-th largest impact of any one list, times the term's weight, is a score that k documents
reach: the threshold. The most frequent terms, as long as their maximum scores sum to less than the threshold, cannot
bring a document into the top k by themselves: they are non-essential. The lists of the essential terms are read; a
document whose score plus all maximum scores of the non-essential terms is below the threshold is dropped; for the
remaining documents the non-essential lists are looked up.

The scores of the remaining documents are then summed again by ascending term id, from the most frequent term to the
rarest, as in exhaustive scoring: the two return scores that are equal to the last bit.
"""

from typing import Any

import numpy as np
from jaxtyping import Float64

from refimpl.sparse.index.postings import RANKS, Postings
from refimpl.sparse.index.queries import QueryTerms
from refimpl.sparse.index.ranking import RankedHits, first_k

MAX_UNPRUNED = 12_000  # a query with at most so many postings reads all of them: cheaper than pruning
LOOKUP_COST = 32  # finding one document in a list by bisection, in units of postings read
NO_THRESHOLD = RANKS[-1] + 1  # a k for which no threshold is known
SLACK = 1e-9  # relative, for rounding: upper bounds are summed in another order than scores

Weights = Float64[np.ndarray, " query_terms"]
Thresholds = Float64[np.ndarray, " queries"]


class MaxScoreSearcher:
    """Searches one index. Not thread-safe: queries share its accumulators."""

    def __init__(self, postings: Postings, n_docs: int) -> None:
        self._postings = postings
        self._impact_of_code = np.append(postings.impacts, 0.0)  # the code after the last means "no posting"
        n_listed = min(n_docs, _number_listed(postings))
        self._accumulators = np.zeros(n_listed)  # all zero between queries
        self._marks = np.zeros(n_listed, bool)  # all False between queries

    def search(self, queries: QueryTerms, weights: Weights, k: int) -> RankedHits:
        """The best `k` documents of each query; every query has at least one term."""
        begin = self._postings.start[queries.terms]
        list_lengths = self._postings.start[queries.terms + 1] - begin
        n_postings = np.add.reduceat(list_lengths, queries.indptr[:-1])
        thresholds = self._thresholds(queries, weights, k if list_lengths.sum() > MAX_UNPRUNED else NO_THRESHOLD)
        n_skipped = self._count_non_essential(queries, weights, n_postings, thresholds)
        if any(n_skipped):
            first_essential = (queries.indptr[:-1] + n_skipped).repeat(queries.lengths)
            list_lengths = list_lengths * (np.arange(len(list_lengths)) >= first_essential)
            n_postings = np.add.reduceat(list_lengths, queries.indptr[:-1])
        docs, scores = self._read_lists(begin, list_lengths, weights)
        candidates, ends = [], [0, *n_postings.cumsum().tolist()]
        enough = (k * queries.lengths).tolist()  # so many postings contain k documents: each has at most one per term
        for i, threshold in enumerate(thresholds.tolist()):
            own_docs, own_scores = docs[ends[i] : ends[i + 1]], scores[ends[i] : ends[i + 1]]
            if n_skipped[i]:
                skipped = slice(queries.indptr[i], queries.indptr[i] + n_skipped[i])
                own_docs, own_scores = self._add_non_essential(
                    own_docs, own_scores, queries.terms[skipped], weights[skipped], (threshold, enough[i])
                )
            candidates.append(_candidates(own_docs, self._sum_per_doc(own_docs, own_scores), threshold, enough[i]))
        return _ranked(candidates, k)

    def _thresholds(self, queries: QueryTerms, weights: Weights, k: int) -> Thresholds:
        """For each query a score that k documents reach; -inf if none is known, or if a term's weight is negative."""
        if k > RANKS[-1]:
            return np.full(len(queries.indptr) - 1, -np.inf)
        row = next(row for row, rank in enumerate(RANKS) if k <= rank)
        reached = weights * self._impact_of_code[self._postings.code_at_rank[row, queries.terms]]
        thresholds = np.maximum.reduceat(reached, queries.indptr[:-1]) * (1 - SLACK)
        thresholds[(np.minimum.reduceat(weights, queries.indptr[:-1]) <= 0) | (thresholds <= 0)] = -np.inf
        return thresholds

    def _count_non_essential(
        self, queries: QueryTerms, weights: Weights, n_postings: Any, thresholds: Thresholds
    ) -> list[int]:
        """The number of each query's non-essential terms, which are its most frequent ones."""
        counts = [0] * len(thresholds)
        for i in (n_postings > MAX_UNPRUNED).nonzero()[0].tolist():
            own = slice(queries.indptr[i], queries.indptr[i + 1])
            cumulative = self._max_scores(queries.terms[own], weights[own]).cumsum()
            # fewer than all terms: the sum of all maximum scores reaches the threshold
            counts[i] = int(cumulative.searchsorted(thresholds[i]))
        return counts

    def _max_scores(self, terms: Any, weights: Any) -> Any:
        """The most that each term can add to a document's score."""
        return weights * self._impact_of_code[self._postings.best_code[terms]]

    def _read_lists(self, begin: Any, lengths: Any, weights: Weights) -> tuple[Any, Any]:
        """The documents of the first `lengths` postings from `begin`, all lists in one array, and their scores."""
        spans = [slice(*span) for span in zip(begin.tolist(), (begin + lengths).tolist(), strict=True)]
        docs = np.concatenate([self._postings.docs[span] for span in spans], dtype=np.intp)
        scores = self._postings.impacts.take(np.concatenate([self._postings.codes[span] for span in spans]))
        scores *= weights.repeat(lengths)
        return docs, scores

    def _sum_per_doc(self, docs: Any, scores: Any) -> Any:
        """For each of a query's postings the sum of all scores of its document."""
        np.add.at(self._accumulators, docs, scores)
        sums = self._accumulators.take(docs)
        self._accumulators[docs] = 0.0
        return sums

    def _add_non_essential(
        self, docs: Any, scores: Any, terms: Any, weights: Any, bounds: tuple[float, int]
    ) -> tuple[Any, Any]:
        """Drop postings of documents that cannot reach the threshold; prepend those of the non-essential `terms`.

        `bounds` are the query's threshold and a number of postings that contain k documents.
        """
        threshold, enough = bounds
        sums = self._sum_per_doc(docs, scores)
        gain = float(self._max_scores(terms, weights).sum()) * (1 + SLACK)
        reached = _kth_largest(sums, enough)  # a score that k documents reach without the non-essential terms
        kept = (sums >= max(threshold, reached * (1 - SLACK)) - gain).nonzero()[0]
        docs, scores = docs[kept], scores[kept]
        unique_docs = _sorted_unique(docs)
        matches = [self._look_up(term, unique_docs) for term in terms.tolist()]
        added = [
            weight * self._postings.impacts.take(codes) for weight, (_, codes) in zip(weights, matches, strict=True)
        ]
        return np.concatenate([*(matched for matched, _ in matches), docs]), np.concatenate([*added, scores])

    def _look_up(self, term: int, docs: Any) -> tuple[Any, Any]:
        """Those of `docs` (ascending) that contain `term`, and their codes."""
        if term < len(self._postings.code_rows):
            codes = self._postings.code_rows[term].take(docs)
            contains = (codes < len(self._postings.impacts)).nonzero()[0]
            return docs[contains], codes[contains]
        span = slice(self._postings.start[term], self._postings.start[term + 1])
        listed = self._postings.docs[span]
        if len(docs) * LOOKUP_COST < len(listed):
            # without the last entry, so that every position is valid; positions of other documents are dropped
            at = listed[:-1].searchsorted(docs.astype(listed.dtype))
            at = at[listed[at] == docs]
        else:
            self._marks[docs] = True
            at = self._marks[listed].nonzero()[0]
            self._marks[docs] = False
        return listed[at].astype(np.intp), self._postings.codes[span][at]


def _number_listed(postings: Postings) -> int:
    """One more than the highest document with a term: a count of documents alone allocates nothing."""
    ends = postings.start[1:][np.diff(postings.start) > 0]
    return int(postings.docs[ends - 1].max()) + 1 if len(ends) else 0


def _sorted_unique(docs: Any) -> Any:
    """`np.unique`, with fewer calls."""
    docs = np.sort(docs)
    is_first = np.ones(len(docs), bool)
    np.not_equal(docs[1:], docs[:-1], out=is_first[1:])
    return docs[is_first]


def _kth_largest(values: Any, k: int) -> float:
    """The k-th largest of the values; -inf if there are not more than k."""
    return float(np.partition(values, len(values) - k)[len(values) - k]) if len(values) > k else -np.inf


def _candidates(docs: Any, sums: Any, threshold: float, enough: int) -> tuple[Any, Any]:
    """The postings whose document reaches the threshold; of many, about the `enough` largest."""
    kept = (sums >= threshold).nonzero()[0]
    docs, sums = docs[kept], sums[kept]
    if len(sums) > 2 * enough:
        kept = (sums >= _kth_largest(sums, enough)).nonzero()[0]
        docs, sums = docs[kept], sums[kept]
    return docs, sums


def _ranked(candidates: list[tuple[Any, Any]], k: int) -> RankedHits:
    """The best `k` documents of each query; a document may be among its candidates several times, with equal scores."""
    query = np.arange(len(candidates)).repeat([len(docs) for docs, _ in candidates])
    docs, scores = (np.concatenate(each) for each in zip(*candidates, strict=True))
    order = np.lexsort((docs, -scores, query))
    query, docs, scores = query[order], docs[order], scores[order]
    is_first = np.ones(len(docs), bool)
    is_first[1:] = (docs[1:] != docs[:-1]) | (query[1:] != query[:-1])
    return first_k(query[is_first], docs[is_first], scores[is_first], k)
