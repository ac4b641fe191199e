"""The result that both search algorithms return: the best documents of each query, in order."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int

Queries = Int[np.ndarray, " hits"]
Docs = Int[np.ndarray, " hits"]
DocScores = Float64[np.ndarray, " hits"]


class RankedHits(NamedTuple):
    """One entry per hit, sorted by query and then by rank from 0."""

    query: Queries
    rank: Int[np.ndarray, " hits"]
    doc: Docs
    score: DocScores


def first_k(query: Queries, docs: Docs, scores: DocScores, k: int) -> RankedHits:
    """The first `k` hits of each query; the hits are sorted by query (ascending) and then best first."""
    rank = np.arange(len(query)) - query.searchsorted(query)
    kept = rank < k
    return RankedHits(query[kept], rank[kept], docs[kept], scores[kept])
