"""What a search returns: document indices and scores, best first."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

Array = np.ndarray
ABSENT = -1


class Hits(NamedTuple):
    """`ids (queries, k)` are row numbers of the collection, `scores (queries, k)` higher is better.

    Best first, ties by ascending id; where a query has fewer than k hits, the rest is -1 and -inf.
    """

    ids: Int[Array, "queries k"]
    scores: Float[Array, "queries k"]

    @property
    def counts(self) -> Int[Array, " queries"]:
        """How many hits each query has."""
        return (self.ids != ABSENT).sum(axis=1)

    def top(self, k: int) -> "Hits":
        """The first k hits of each query."""
        return Hits(self.ids[:, :k], self.scores[:, :k])


def best(ids: Int[Array, " candidates"], scores: Float[Array, " candidates"], k: int) -> tuple[Array, Array]:
    """The k best candidates of one query as `(k,)` ids and scores, padded with -1 and -inf."""
    if len(scores) > k:  # every candidate that ties with the k-th must stay until ids decide
        threshold = np.partition(scores, len(scores) - k)[len(scores) - k]
        kept = scores >= threshold
        ids, scores = ids[kept], scores[kept]
    order = np.lexsort((ids, -scores))[:k]
    padding = k - len(order)
    return (
        np.concatenate([ids[order], np.full(padding, ABSENT)]).astype(np.int64),
        np.concatenate([scores[order], np.full(padding, -np.inf)]),
    )


def stack(rows: Sequence[tuple[Array, Array]], k: int) -> Hits:
    """One `(ids, scores)` pair a query as Hits; no rows give `(0, k)`."""
    if not rows:
        return Hits(np.empty((0, k), np.int64), np.empty((0, k)))
    return Hits(np.stack([ids for ids, _ in rows]), np.stack([scores for _, scores in rows]))


def to_run(hits: Hits, query_ids: Sequence[str], doc_ids: Sequence[str]) -> dict[str, dict[str, float]]:
    """Hits as `{query_id: {doc_id: score}}`, best first; every query has its entry."""
    run: dict[str, dict[str, float]] = {}
    for query_id, ids, scores in zip(query_ids, hits.ids, hits.scores, strict=True):
        run[query_id] = {doc_ids[i]: float(score) for i, score in zip(ids, scores, strict=True) if i != ABSENT}
    return run
