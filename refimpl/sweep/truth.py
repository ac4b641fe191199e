"""Exact search in float64, to which the hits of every point are compared: recall with ties counted, score errors."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from refimpl.common.types import Array
from refimpl.search.fields import Metric
from refimpl.search.topk import ABSENT, TopK
from refimpl.search.validation import TOLERANCE, Bounds, Validation, dense_bounds, sparse_bounds, validate

MAX_BYTES = 4_000_000_000  # of the exact scores


class Truth:
    """The exact scores of all documents for all queries, `(queries, docs)` float64, and comparisons with them.

    `metric` is one of IP, COSINE and L2 for dense vectors; sparse vectors are compared by inner product. Raises
    ValueError where the scores do not fit into 4 GB.
    """

    def __init__(self, queries: Any, documents: Any, metric: Metric) -> None:
        needed = queries.shape[0] * documents.shape[0] * 8
        if needed > MAX_BYTES:
            raise ValueError(f"exact scores must fit into {MAX_BYTES:,} bytes, got {needed:,}: use fewer queries")
        dense = isinstance(queries, np.ndarray)
        rows = dense_bounds(queries, documents, metric) if dense else sparse_bounds(queries, documents)
        self.metric: Metric = metric
        self.scores = np.empty((queries.shape[0], documents.shape[0]))
        self.scales = np.empty(queries.shape[0])
        for number, bounds in enumerate(rows):
            self.scores[number], self.scales[number] = bounds.upper, bounds.scale

    def compare(self, hits: TopK, k: int, allowed: Bool[Array, " docs"] | None = None) -> Validation:
        """Compare the first k hits per query with the best k of the allowed documents, by default of all.

        A hit that is not allowed counts as one that is not in the collection.
        """
        top = hits.top(k)
        compact = [self._compact(number, ids, k, allowed) for number, ids in enumerate(top.ids)]
        ids = np.stack([local for local, _ in compact])
        return validate(TopK(ids, top.scores), (bounds for _, bounds in compact), self.metric, TOLERANCE)

    def _compact(
        self, number: int, ids: Int[Array, " k"], k: int, allowed: Bool[Array, " docs"] | None
    ) -> tuple[Int[Array, " k"], Bounds]:
        """One query's hits as row numbers of the few documents that decide recall, and the bounds of those.

        These are the hits and every document that ties with the k-th best or is better: validation sorts the scores
        of all documents that it gets.
        """
        row = self.scores[number]
        best = self._best(row if allowed is None else np.where(allowed, row, -np.inf), self.scales[number], k)
        known = ids[(ids >= 0) & (ids < len(row))]
        if allowed is not None:
            known = known[allowed[known]]
        documents = np.union1d(best, known)
        places = {int(document): place for place, document in enumerate(documents)}
        local = np.array([ABSENT if i == ABSENT else places.get(int(i), len(documents)) for i in ids], np.int64)
        return local, Bounds(row[documents], row[documents], float(self.scales[number]))

    def _best(self, row: Float[Array, " docs"], scale: float, k: int) -> Int[Array, " best"]:
        finite = np.flatnonzero(np.isfinite(row))
        if len(finite) <= k:
            return finite
        kth = np.partition(row[finite], len(finite) - k)[len(finite) - k]
        return finite[row[finite] >= kth - TOLERANCE * max(scale, abs(kth))]


def buckets(count: int, seed: int = 20240605) -> list[str]:
    """A label "00" to "99" for each of `count` documents, in equal shares and random order: filters select by it."""
    return [f"{number % 100:02d}" for number in np.random.default_rng(seed).permutation(count)]


def selected(labels: list[str], share: float) -> tuple[str, Bool[Array, " docs"]]:
    """The Milvus expression that selects this share of the documents by their labels, and which documents they are.

    Raises ValueError for a share outside 0.01 to 0.99.
    """
    bound = round(share * 100)
    if not 1 <= bound <= 99:
        raise ValueError(f"a filter's share must be from 0.01 to 0.99, got {share}")
    return f'text < "{bound:02d}"', np.array([label < f"{bound:02d}" for label in labels])
