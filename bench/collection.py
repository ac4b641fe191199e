"""Collections of the search suites: seeded vectors, as wide as MiniLM's and as sparse as BM25's."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
from scipy.sparse import csr_array, random_array

from bench.race import SEED, Correctness
from refimpl.search.fields import Metric
from refimpl.search.topk import TopK
from refimpl.search.validation import TOLERANCE, validate_dense, validate_sparse

DIM, VOCAB, TERMS = 384, 3000, 20
QUERIES = 50
K = 10


@dataclass(frozen=True)
class Collection:
    """Documents and queries, each as dense and as sparse vectors."""

    ids: list[str]
    texts: list[str]
    dense: np.ndarray
    sparse: csr_array
    dense_queries: np.ndarray
    sparse_queries: csr_array

    @property
    def position(self) -> dict[str, int]:
        """Row number of each id."""
        return {doc_id: row for row, doc_id in enumerate(self.ids)}

    @property
    def fingerprint(self) -> str:
        """Sha256 of all vectors."""
        digest = sha256()
        for array in (self.dense, self.sparse.data, self.sparse.indices, self.dense_queries, self.sparse_queries.data):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def collection(count: int) -> Collection:
    """`count` documents and QUERIES queries; the lengths of dense vectors vary, so that IP, COSINE and L2 differ."""
    rng = np.random.default_rng([SEED, count])
    ids = [f"doc-{number:06d}" for number in range(count)]
    return Collection(
        ids=ids,
        texts=[f"the text of document {number}" for number in range(count)],
        dense=_dense(rng, count),
        sparse=_sparse(rng, count, TERMS),
        dense_queries=_dense(rng, QUERIES),
        sparse_queries=_sparse(rng, QUERIES, 5),
    )


def check_hits(hits: TopK, queries: Any, documents: Any, metric: Metric | None) -> Correctness:
    """Validate hits against exact search; `metric` is None for sparse inner product."""
    if metric is None:
        result = validate_sparse(hits, queries, documents)
    else:
        result = validate_dense(hits, queries, documents, metric)
    errors = f"score error {result.max_error:.1e}, allowed {result.tolerance:.0e}"
    assert result.passed, f"recall {result.recall:.4f}, {errors}, {'; '.join(result.problems)}"
    return Correctness(f"equal to exact search: {errors}", result.recall)


def check_fused(hits: TopK, expected: TopK) -> Correctness:
    """Compare scores rank by rank, and of each document; documents that tie at the last rank may differ."""
    error = float(np.abs(hits.scores - expected.scores).max(initial=0.0))
    assert error <= TOLERANCE, f"expected scores within {TOLERANCE:.0e}, got a difference of {error:.1e}"
    for query, (ids, scores) in enumerate(zip(hits.ids, hits.scores, strict=True)):
        exact = dict(zip(expected.ids[query].tolist(), expected.scores[query].tolist(), strict=True))
        for doc, score in zip(ids.tolist(), scores.tolist(), strict=True):
            right = exact.get(doc, expected.scores[query, -1])
            assert abs(score - right) <= TOLERANCE, f"query {query}: expected {right} for document {doc}, got {score}"
    return Correctness(f"score error {error:.1e}, allowed {TOLERANCE:.0e}", recall=1.0)


def _dense(rng: np.random.Generator, count: int) -> np.ndarray:
    vectors = rng.standard_normal((count, DIM))
    vectors *= rng.uniform(0.5, 2.0, size=(count, 1)) / np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32)


def _sparse(rng: np.random.Generator, count: int, terms: int) -> csr_array:
    matrix = random_array(
        (count, VOCAB), density=terms / VOCAB, rng=rng, data_sampler=lambda size: rng.uniform(0.1, 5.0, size)
    )
    canonical = csr_array(matrix.astype(np.float32))
    canonical.sum_duplicates()
    return canonical
