"""Exact top-k by reading the lists of a query's terms, the long ones only where it matters.

The idea is MaxScore's (Turtle and Flood, Query Evaluation: Strategies and Optimizations, 1995). A term cannot add more
than its greatest impact to any score, and the k-th greatest impact of any one list is a score that k documents reach:
the floor. So the most frequent terms, as long as their bounds sum to less than the floor, cannot bring a document among
the best k by themselves, and are idle. The lists of the others are read; a document that with all that the idle terms
could add stays below the floor is out; the idle lists are looked up for those that are left.

What is left is added up anew by ascending term number, that is from the most frequent term to the rarest, which is also
the order that rounds least: the scores are, to the last bit, those of adding up every document.
"""

from typing import Any

import numpy as np
from jaxtyping import Float64

from refimpl.sparse.asked import Asked
from refimpl.sparse.postings import RANKS, Postings
from refimpl.sparse.ranking import Hits, ranked

FEW_POSTINGS = 12_000  # a query with fewer is read whole: cheaper than to choose
LOOKUP_COST = 32  # finding one document in a list by bisection, in postings read
NO_RANK = RANKS[-1] + 1  # a k for which no floor is known
SLACK = 1e-9  # relative: bounds are sums in another order than scores

Weights = Float64[np.ndarray, " asked"]
Floors = Float64[np.ndarray, " queries"]


class ByPosting:
    """The search over one index; not to be used by two threads at a time."""

    def __init__(self, postings: Postings, n_docs: int) -> None:
        self._postings = postings
        self._impacts_or_0 = np.append(postings.impacts, 0.0)  # the code behind the last stands for "none"
        self._sums = np.zeros(n_docs)  # all zero between the queries
        self._marks = np.zeros(n_docs, bool)  # all False between the queries

    def best(self, asked: Asked, weights: Weights, k: int) -> Hits:
        """The best `k` of each query, each of which asks for a term."""
        begin = self._postings.start[asked.terms]
        lists = self._postings.start[asked.terms + 1] - begin
        hits = np.add.reduceat(lists, asked.start[:-1])
        floors = self._floors(asked, weights, k if lists.sum() > FEW_POSTINGS else NO_RANK)
        idle = self._idle(asked, weights, hits, floors)
        if any(idle):
            lists = lists * (np.arange(len(lists)) >= (asked.start[:-1] + idle).repeat(asked.lengths))
            hits = np.add.reduceat(lists, asked.start[:-1])
        docs, scores = self._read(begin, lists, weights)
        found, ends = [], [0, *hits.cumsum().tolist()]
        most = (k * asked.lengths).tolist()  # postings among which k documents are, at one a term and document
        for i, floor in enumerate(floors.tolist()):
            own, added = docs[ends[i] : ends[i + 1]], scores[ends[i] : ends[i + 1]]
            if idle[i]:
                terms = slice(asked.start[i], asked.start[i] + idle[i])
                own, added = self._with_idle(own, added, asked.terms[terms], weights[terms], floor, most[i])
            found.append(_reaching(own, self._sums_of(own, added), floor, most[i]))
        return _ordered(found, k)

    def _floors(self, asked: Asked, weights: Weights, k: int) -> Floors:
        """For each query a score that k documents reach; -inf where none is known, as where a term takes away."""
        if k > RANKS[-1]:
            return np.full(len(asked.start) - 1, -np.inf)
        rank = next(row for row, rank in enumerate(RANKS) if k <= rank)
        reached = weights * self._impacts_or_0[self._postings.code_at_rank[rank, asked.terms]]
        floors = np.maximum.reduceat(reached, asked.start[:-1]) * (1 - SLACK)
        floors[(np.minimum.reduceat(weights, asked.start[:-1]) <= 0) | (floors <= 0)] = -np.inf
        return floors

    def _idle(self, asked: Asked, weights: Weights, hits: Any, floors: Floors) -> list[int]:
        """How many of each query's terms, from the most frequent on, are idle."""
        idle = [0] * len(floors)
        for i in (hits > FEW_POSTINGS).nonzero()[0].tolist():
            own = slice(asked.start[i], asked.start[i + 1])
            upto = self._bounds(asked.terms[own], weights[own]).cumsum()
            idle[i] = int(upto.searchsorted(floors[i]))  # never all: all bounds together reach the floor
        return idle

    def _bounds(self, terms: Any, weights: Any) -> Any:
        return weights * self._impacts_or_0[self._postings.best[terms]]

    def _read(self, begin: Any, lists: Any, weights: Weights) -> tuple[Any, Any]:
        """Of each term the `lists` postings from `begin` on: their documents, and what each adds to the score."""
        spans = [slice(*span) for span in zip(begin.tolist(), (begin + lists).tolist(), strict=True)]
        docs = np.concatenate([self._postings.docs[span] for span in spans], dtype=np.intp)
        scores = self._postings.impacts.take(np.concatenate([self._postings.codes[span] for span in spans]))
        scores *= weights.repeat(lists)
        return docs, scores

    def _sums_of(self, docs: Any, scores: Any) -> Any:
        """For each of a query's postings the sum over its document."""
        np.add.at(self._sums, docs, scores)
        sums = self._sums.take(docs)
        self._sums[docs] = 0.0
        return sums

    def _with_idle(self, docs: Any, scores: Any, terms: Any, weights: Any, floor: float, most: int) -> tuple[Any, Any]:
        """Of a query's postings those that matter, after what its idle `terms` add to the same documents."""
        sums = self._sums_of(docs, scores)
        gain = float(self._bounds(terms, weights).sum()) * (1 + SLACK)
        least = _greatest(sums, most)  # the sums of k documents reach it already
        kept = (sums >= max(floor, least * (1 - SLACK)) - gain).nonzero()[0]
        docs, scores = docs[kept], scores[kept]
        sought = _once(docs)
        held = [self._held(term, sought) for term in terms.tolist()]
        added = [weight * self._postings.impacts.take(codes) for weight, (_, codes) in zip(weights, held, strict=True)]
        return np.concatenate([*(found for found, _ in held), docs]), np.concatenate([*added, scores])

    def _held(self, term: int, sought: Any) -> tuple[Any, Any]:
        """Those of `sought`, ascending documents, that hold `term`, and their codes."""
        if term < len(self._postings.code_rows):
            codes = self._postings.code_rows[term].take(sought)
            held = (codes < len(self._postings.impacts)).nonzero()[0]
            return sought[held], codes[held]
        span = slice(self._postings.start[term], self._postings.start[term + 1])
        listed = self._postings.docs[span]
        if len(sought) * LOOKUP_COST < len(listed):
            at = listed[:-1].searchsorted(sought.astype(listed.dtype))  # behind the last is the last: it differs
            at = at[listed[at] == sought]
        else:
            self._marks[sought] = True
            at = self._marks[listed].nonzero()[0]
            self._marks[sought] = False
        return listed[at].astype(np.intp), self._postings.codes[span][at]


def _once(docs: Any) -> Any:
    """`docs` ascending, each once."""
    docs = np.sort(docs)
    once = np.ones(len(docs), bool)
    np.not_equal(docs[1:], docs[:-1], out=once[1:])
    return docs[once]


def _greatest(sums: Any, rank: int) -> float:
    """The one at `rank`, counted from the greatest; -inf where there are fewer."""
    return float(np.partition(sums, len(sums) - rank)[len(sums) - rank]) if len(sums) > rank else -np.inf


def _reaching(docs: Any, sums: Any, floor: float, most: int) -> tuple[Any, Any]:
    """Those that reach the floor, and of many about the `most` greatest."""
    kept = (sums >= floor).nonzero()[0]
    docs, sums = docs[kept], sums[kept]
    if len(sums) > 2 * most:
        kept = (sums >= _greatest(sums, most)).nonzero()[0]
        docs, sums = docs[kept], sums[kept]
    return docs, sums


def _ordered(found: list[tuple[Any, Any]], k: int) -> Hits:
    """The best `k` of each query's documents, of which one may stand there several times with the same score."""
    query = np.arange(len(found)).repeat([len(docs) for docs, _ in found])
    docs, scores = (np.concatenate(each) for each in zip(*found, strict=True))
    order = np.lexsort((docs, -scores, query))
    query, docs, scores = query[order], docs[order], scores[order]
    once = np.ones(len(docs), bool)
    once[1:] = (docs[1:] != docs[:-1]) | (query[1:] != query[:-1])
    return ranked(query[once], docs[once], scores[once], k)
