"""The k best documents per query, as row numbers and scores."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from refimpl.common.types import Array

ABSENT = -1


class TopK(NamedTuple):
    """Row numbers in the collection, `ids (queries, k)`, and `scores (queries, k)`, higher is better.

    Best first, ties by ascending id; a query with fewer than k hits is padded with -1 and -inf.
    """

    ids: Int[Array, "queries k"]
    scores: Float[Array, "queries k"]

    @property
    def counts(self) -> Int[Array, " queries"]:
        """Number of hits per query."""
        return (self.ids != ABSENT).sum(axis=1)

    def top(self, k: int) -> "TopK":
        """The first k hits per query."""
        return TopK(self.ids[:, :k], self.scores[:, :k])


def best(ids: Int[Array, " candidates"], scores: Float[Array, " candidates"], k: int) -> tuple[Array, Array]:
    """The k best candidates of one query as `(k,)` ids and scores, padded with -1 and -inf."""
    if len(scores) > k:  # keep every candidate that ties with the k-th until ids break the tie
        threshold = np.partition(scores, len(scores) - k)[len(scores) - k]
        kept = scores >= threshold
        ids, scores = ids[kept], scores[kept]
    order = np.lexsort((ids, -scores))[:k]
    padding = k - len(order)
    return (
        np.concatenate([ids[order], np.full(padding, ABSENT)]).astype(np.int64),
        np.concatenate([scores[order], np.full(padding, -np.inf)]),
    )


def empty(queries: int, k: int) -> TopK:
    """No hits for each query."""
    return TopK(np.full((queries, k), ABSENT, np.int64), np.full((queries, k), -np.inf))


def stack(rows: Sequence[tuple[Array, Array]], k: int) -> TopK:
    """One `(ids, scores)` pair per query as TopK; no rows give `(0, k)`."""
    if not rows:
        return empty(0, k)
    return TopK(np.stack([ids for ids, _ in rows]), np.stack([scores for _, scores in rows]))


def merged(a: TopK, b: TopK) -> TopK:
    """The best hits per query of two parts of a collection, as many as `a` has; a document is in one of them.

    The order of merging does not matter: ties are by ascending id.
    """
    ids, scores = np.concatenate([a.ids, b.ids], axis=1), np.concatenate([a.scores, b.scores], axis=1)
    order = np.lexsort((ids, -scores), axis=1)[:, : a.ids.shape[1]]
    return TopK(np.take_along_axis(ids, order, axis=1), np.take_along_axis(scores, order, axis=1))


def to_run(hits: TopK, query_ids: Sequence[str], doc_ids: Sequence[str]) -> dict[str, dict[str, float]]:
    """TopK as `{query_id: {doc_id: score}}`, best first; a query without hits has an empty entry."""
    run: dict[str, dict[str, float]] = {}
    for query_id, ids, scores in zip(query_ids, hits.ids, hits.scores, strict=True):
        run[query_id] = {doc_ids[i]: float(score) for i, score in zip(ids, scores, strict=True) if i != ABSENT}
    return run
