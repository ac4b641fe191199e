"""The collections that the search suites run on: seeded vectors, as wide as MiniLM's and as sparse as BM25's."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
from scipy.sparse import csr_array, random_array

from bench.race import SEED, Verdict
from refimpl.search.exact import TOLERANCE, Metric, judge_dense, judge_sparse
from refimpl.search.hits import Hits

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
        """Where each id stands."""
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


def judged(answer: Hits, queries: Any, documents: Any, metric: Metric | None) -> Verdict:
    """The judge's verdict on hits, as the race takes it; `metric` is None for sparse inner product."""
    found = (
        judge_sparse(answer, queries, documents) if metric is None else judge_dense(answer, queries, documents, metric)
    )
    assert found.passed, f"recall {found.recall:.4f}, score error {found.max_error:.1e}, {'; '.join(found.problems)}"
    return Verdict(
        f"as the exact judge: score error {found.max_error:.1e}, allowed {found.tolerance:.0e}", found.recall
    )


def as_fused(answer: Hits, expected: Hits) -> Verdict:
    """The same scores rank by rank, and each document with its own score; ties at the end may be other documents."""
    apart = float(np.abs(answer.scores - expected.scores).max(initial=0.0))
    assert apart <= TOLERANCE, f"a score is {apart:.1e} off, allowed {TOLERANCE:.0e}"
    for query, (ids, scores) in enumerate(zip(answer.ids, answer.scores, strict=True)):
        true = dict(zip(expected.ids[query].tolist(), expected.scores[query].tolist(), strict=True))
        for doc, score in zip(ids.tolist(), scores.tolist(), strict=True):
            wanted = true.get(doc, expected.scores[query, -1])
            assert abs(score - wanted) <= TOLERANCE, f"query {query}: document {doc} has {score}, expected {wanted}"
    return Verdict(f"score error {apart:.1e}, allowed {TOLERANCE:.0e}", recall=1.0)


def _dense(rng: np.random.Generator, count: int) -> np.ndarray:
    vectors = rng.standard_normal((count, DIM))
    vectors *= rng.uniform(0.5, 2.0, size=(count, 1)) / np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32)


def _sparse(rng: np.random.Generator, count: int, terms: int) -> csr_array:
    made = random_array(
        (count, VOCAB), density=terms / VOCAB, rng=rng, data_sampler=lambda size: rng.uniform(0.1, 5.0, size)
    )
    canonical = csr_array(made.astype(np.float32))
    canonical.sum_duplicates()
    return canonical
