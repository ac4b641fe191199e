"""Exact scores of queries against documents that arrive in blocks, equal to the last bit however they are divided.

A product of matrices depends in its last bits on their sizes and on the number of threads. So it only chooses
candidates, with a margin for rounding; each candidate's score is then computed from its own two vectors.
"""

from collections.abc import Iterator
from typing import Protocol, get_args, runtime_checkable

import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_array
from scipy.sparse import linalg as sparse_linalg

from refimpl.common.types import Array
from refimpl.search.fields import Metric
from refimpl.search.records import Vectors

BLOCK = 64  # queries per matrix product: bounds the (queries, docs) scores in memory
ROUNDING = 8 * float(np.finfo(np.float64).eps)  # per dimension; the bound of one product is a quarter of this


@runtime_checkable
class Scorer(Protocol):
    """Exact scores of fixed queries, higher is better, for any block of documents."""

    queries: int

    def rows(self, block: Vectors, first_row: int = 0) -> Iterator[tuple[Array, float]]:
        """Per query, the approximate score of every document in the block, and the largest error of these."""
        ...

    def exact(self, query: int, block: Vectors, documents: Array, row: Array) -> Array:
        """The exact scores, float64, of one query and these documents; `row` has the approximate ones of the block."""
        ...

    def norms(self, block: Vectors) -> Float[Array, " docs"]:
        """Euclidean lengths of the block's documents, float64."""
        ...

    def scales(self, largest_norm: float) -> Float[Array, " queries"]:
        """Per query, the size to which a score's rounding errors are relative, at most 1."""
        ...


class DenseScorer:
    """Dense queries by inner product, cosine, or negated squared distance; the cosine with a zero vector is 0.

    Raises ValueError for an unknown metric, and for a vector that is not finite, of the queries or of a block.
    """

    def __init__(self, queries: Float[Array, "queries dim"], metric: Metric) -> None:
        if metric not in get_args(Metric):
            raise ValueError(f"metric must be one of {', '.join(get_args(Metric))}, got {metric!r}")
        self.metric = metric
        self.queries = len(queries)
        self._norms = np.linalg.norm(queries.astype(np.float64), axis=1)
        self._left = self._prepared(queries, "queries", 0)

    def rows(self, block: Vectors, first_row: int = 0) -> Iterator[tuple[Array, float]]:
        """Per query, the approximate score of every document in the block, and the largest error of these."""
        right = self._prepared(np.asarray(block), "documents", first_row)
        squares = (right * right).sum(axis=1)
        largest = float(np.sqrt(squares.max(initial=0.0)))
        rounding = ROUNDING * (right.shape[1] + 8)
        for start in range(0, self.queries, BLOCK):
            left = self._left[start : start + BLOCK]
            scores = left @ right.T
            sizes = np.linalg.norm(left, axis=1) * largest
            if self.metric == "L2":
                own = (left * left).sum(axis=1)
                scores = 2 * scores - squares - own[:, None]
                sizes = (np.sqrt(own) + largest) ** 2
            yield from zip(scores, rounding * sizes, strict=True)

    def exact(self, query: int, block: Vectors, documents: Array, row: Array) -> Array:
        """The exact scores, float64, of one query and these documents; `row` has the approximate ones of the block."""
        right = self._prepared(np.asarray(block)[documents], "documents", 0)
        if self.metric == "L2":
            return -((right - self._left[query]) ** 2).sum(axis=1)
        return (right * self._left[query]).sum(axis=1)

    def scales(self, largest_norm: float) -> Float[Array, " queries"]:
        """Per query, the size to which a score's rounding errors are relative, at most 1."""
        sizes = {
            "IP": self._norms * largest_norm,
            "COSINE": np.ones(self.queries),
            "L2": (self._norms + largest_norm) ** 2,
        }
        return clipped(sizes[self.metric])

    def norms(self, block: Vectors) -> Float[Array, " docs"]:
        """Euclidean lengths of the block's documents, float64."""
        return np.linalg.norm(np.asarray(block).astype(np.float64), axis=1)

    def _prepared(self, vectors: Array, name: str, first_row: int) -> Array:
        wide = vectors.astype(np.float64)
        finite = np.isfinite(wide).all(axis=1)
        if not finite.all():
            raise ValueError(f"{name}[{first_row + np.flatnonzero(~finite)[0]}] is not finite")
        return unit(wide) if self.metric == "COSINE" else wide


class SparseScorer:
    """Sparse queries by inner product; a document that shares no column with the query has -inf.

    Each score is summed in the order of the query's columns, so it needs no correction.
    """

    def __init__(self, queries: csr_array) -> None:
        self.queries = int(queries.shape[0])
        self._left = queries.astype(np.float64)
        self._pattern = pattern(queries)
        self._norms = sparse_linalg.norm(self._left, axis=1)

    def rows(self, block: Vectors, first_row: int = 0) -> Iterator[tuple[Array, float]]:
        """Per query, the score of every document in the block, and 0."""
        documents = csr_array(block)
        if self._left.shape[1] != documents.shape[1]:
            raise ValueError(
                f"expected queries and documents of as many columns, got {self._left.shape[1]} and {documents.shape[1]}"
            )
        right = csr_array(documents.astype(np.float64).T)  # converted once: a product would do so for each block
        right_pattern = pattern(right)
        for start in range(0, self.queries, BLOCK):
            scores = (csr_array(self._left[start : start + BLOCK]) @ right).toarray()
            shared = (csr_array(self._pattern[start : start + BLOCK]) @ right_pattern).toarray() > 0
            for row in np.where(shared, scores, -np.inf):
                yield row, 0.0

    def exact(self, query: int, block: Vectors, documents: Array, row: Array) -> Array:
        """The exact scores, float64, of one query and these documents, which are in `row`."""
        return row[documents]

    def norms(self, block: Vectors) -> Float[Array, " docs"]:
        """Euclidean lengths of the block's documents, float64."""
        return np.asarray(sparse_linalg.norm(csr_array(block).astype(np.float64), axis=1))

    def scales(self, largest_norm: float) -> Float[Array, " queries"]:
        """Per query, the size to which a score's rounding errors are relative, at most 1."""
        return clipped(self._norms * largest_norm)


def scorer_of(queries: Vectors, metric: Metric = "IP") -> Scorer:
    """The scorer of dense queries by `metric`, or of sparse ones by inner product."""
    return DenseScorer(queries, metric) if isinstance(queries, np.ndarray) else SparseScorer(queries)


def unit(vectors: Array) -> Array:
    """Vectors divided by their Euclidean length; a zero vector stays."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)


def pattern(vectors: csr_array) -> csr_array:
    """The matrix with 1 for each stored entry."""
    return csr_array((np.ones(vectors.nnz), vectors.indices, vectors.indptr), shape=vectors.shape)


def clipped(sizes: Array) -> Float[Array, " queries"]:
    """Sizes as scales of errors: at most 1, and above 0."""
    return np.clip(sizes, np.finfo(np.float32).tiny, 1.0)
