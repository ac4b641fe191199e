"""What the ways of searching hand over: hits in order, best first."""

from typing import Any

import numpy as np

Hits = tuple[Any, Any, Any, Any]  # one entry a hit: query, rank, doc, score


def ranked(query: Any, docs: Any, scores: Any, k: int) -> Hits:
    """The first `k` hits of each query, given in order, numbered from 0."""
    rank = np.arange(len(query)) - query.searchsorted(query)
    best = rank < k
    return query[best], rank[best], docs[best], scores[best]
