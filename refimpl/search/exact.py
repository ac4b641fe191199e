"""Exact top-k search, by comparing every query with every document.

Scores are computed in float64 whatever the vectors' dtype, and higher is better: IP and COSINE as they are, L2 as the
negated squared Euclidean distance (Milvus' L2 is the squared one).
"""

from collections.abc import Iterator
from typing import get_args

import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_array

from refimpl.common.hits import check_hits
from refimpl.common.types import Array
from refimpl.search.fields import Metric
from refimpl.search.topk import TopK, best, stack

BLOCK = 64  # queries per matrix product: bounds the (queries, docs) scores in memory


def search_dense(
    queries: Float[Array, "queries dim"], documents: Float[Array, "docs dim"], k: int, metric: Metric = "IP"
) -> TopK:
    """The k best documents per query; the cosine with a zero vector is 0.

    Raises ValueError for an unknown metric, a vector that is not finite, or a k that `check_hits` refuses.
    """
    return _top(dense_scores(queries, documents, metric), check_hits(k, len(documents)))


def search_sparse(queries: csr_array, documents: csr_array, k: int) -> TopK:
    """The k documents with the largest inner product per query; one that shares no column with it is never a hit.

    Raises ValueError when the numbers of columns differ, or for a k that `check_hits` refuses.
    """
    return _top(sparse_scores(queries, documents), check_hits(k, documents.shape[0]))


def dense_scores(
    queries: Float[Array, "queries dim"], documents: Float[Array, "docs dim"], metric: Metric = "IP"
) -> Iterator[Float[Array, " docs"]]:
    """The score of every document, float64, query by query."""
    if metric not in get_args(Metric):
        raise ValueError(f"metric must be one of {', '.join(get_args(Metric))}, got {metric!r}")
    left, right = queries.astype(np.float64), documents.astype(np.float64)
    for name, vectors in (("queries", left), ("documents", right)):
        if not np.isfinite(vectors).all():
            raise ValueError(f"{name}[{np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0]}] is not finite")
    if metric == "COSINE":
        left, right = _unit(left), _unit(right)
    squares = (right * right).sum(axis=1)
    for start in range(0, len(left), BLOCK):
        block = left[start : start + BLOCK]
        scores = block @ right.T
        if metric == "L2":
            scores = 2 * scores - squares - (block * block).sum(axis=1)[:, None]
        yield from scores


def sparse_scores(queries: csr_array, documents: csr_array) -> Iterator[Float[Array, " docs"]]:
    """The inner product with every document, float64, query by query; -inf where they share no column."""
    if queries.shape[1] != documents.shape[1]:
        raise ValueError(
            f"expected queries and documents of as many columns, got {queries.shape[1]} and {documents.shape[1]}"
        )
    right = documents.astype(np.float64).T.tocsc()
    pattern = _pattern(documents).T.tocsc()
    for start in range(0, queries.shape[0], BLOCK):
        block = csr_array(queries[start : start + BLOCK])
        scores = (block.astype(np.float64) @ right).toarray()
        shared = (_pattern(block) @ pattern).toarray() > 0
        yield from np.where(shared, scores, -np.inf)


def _top(rows: Iterator[Float[Array, " docs"]], k: int) -> TopK:
    hits = []
    for row in rows:
        candidates = np.flatnonzero(np.isfinite(row))
        hits.append(best(candidates, row[candidates], k))
    return stack(hits, k)


def _unit(vectors: Array) -> Array:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)


def _pattern(vectors: csr_array) -> csr_array:
    return csr_array((np.ones(vectors.nnz), vectors.indices, vectors.indptr), shape=vectors.shape)
