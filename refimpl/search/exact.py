"""The judge: exact top-k by comparing with every document, and the verdict on another engine's answers.

Scores are computed in float64 whatever the vectors' dtype, and are always higher-is-better: IP and COSINE as they are,
L2 as the negated squared Euclidean distance (Milvus' L2 is the squared one).
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_array

from refimpl.search.hits import ABSENT, Array, Hits, best, stack

Metric = Literal["IP", "COSINE", "L2"]
BLOCK = 64  # queries at a time: bounds the (queries, docs) matrix of scores
# a float32 engine's own rounding, relative to max(1, |score|); largest seen on Milvus Lite 9e-7 (L2, 384 wide)
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Verdict:
    """How an engine's answers compare with the judge's.

    `recall` is the share of the judge's hits that were found, a document that ties with the k-th (within `tolerance`)
    counting as well as it; `max_error` is the largest difference of a returned score from the judge's score of the same
    document, relative to max(1, |score|). `problems` says in words what else is wrong: doubled documents, wrong order.
    """

    metric: str
    k: int
    queries: int
    recall: float
    max_error: float
    tolerance: float
    problems: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every hit was found, every score is the judge's, and nothing else is wrong."""
        return self.recall == 1.0 and self.max_error <= self.tolerance and not self.problems


class Bounds(NamedTuple):
    """Between which scores each document may come back for one query, `(docs,)` each.

    The two are equal but where ties leave a choice. `upper` -inf: must not be found; `lower` -inf: need not be.
    """

    lower: Float[Array, " docs"]
    upper: Float[Array, " docs"]


def search_dense(
    queries: Float[Array, "queries dim"], documents: Float[Array, "docs dim"], k: int, metric: Metric = "IP"
) -> Hits:
    """The k best documents for each query; a zero vector has cosine 0 with everything.

    Raises ValueError for an unknown metric, a vector that is not finite, or k < 1.
    """
    return _top(dense_scores(queries, documents, metric), k)


def search_sparse(queries: csr_array, documents: csr_array, k: int) -> Hits:
    """The k documents with the largest inner product; one that shares no column with the query is never a hit.

    Raises ValueError when the widths differ, or for k < 1.
    """
    return _top(sparse_scores(queries, documents), k)


def judge_dense(
    found: Hits, queries: Float[Array, "queries dim"], documents: Float[Array, "docs dim"], metric: Metric
) -> Verdict:
    """The verdict on an engine's dense answers."""
    return judge(found, (Bounds(row, row) for row in dense_scores(queries, documents, metric)), metric)


def judge_sparse(found: Hits, queries: csr_array, documents: csr_array) -> Verdict:
    """The verdict on an engine's answers by sparse inner product."""
    return judge(found, (Bounds(row, row) for row in sparse_scores(queries, documents)), "sparse IP")


def judge(found: Hits, truth: Iterable[Bounds], metric: str, tolerance: float = TOLERANCE) -> Verdict:
    """The verdict on `found`, given for each query between which bounds every document's score must lie."""
    k = found.ids.shape[1]
    expected = hit = 0
    max_error = 0.0
    problems: Counter[str] = Counter()
    for ids, scores, (lower, upper) in zip(found.ids, found.scores, truth, strict=True):
        ids, scores = ids[ids != ABSENT], scores[ids != ABSENT]
        problems.update(_problems(ids, scores, upper, tolerance))
        distinct, first = np.unique(ids, return_index=True)
        real = (distinct >= 0) & (distinct < len(upper))
        distinct, given = distinct[real], scores[first[real]]
        max_error = max(max_error, float(_errors(given, lower[distinct], upper[distinct]).max(initial=0.0)))
        wanted = np.sort(lower[np.isfinite(lower)])[::-1][:k]
        expected += len(wanted)
        if len(wanted):
            hit += _hit(distinct, lower, upper, wanted, k, tolerance)
    counted = tuple(f"{problem} ({count} of {len(found.ids)} queries)" for problem, count in problems.items())
    return Verdict(metric, k, len(found.ids), hit / expected if expected else 1.0, max_error, tolerance, counted)


def _hit(distinct: Array, lower: Array, upper: Array, wanted: Array, k: int, tolerance: float) -> int:
    """How many of the wanted places were filled: clearly better documents by themselves, the rest by any that tie."""
    slack = tolerance * max(1.0, abs(wanted[-1]))
    rivals = np.sort(upper[np.isfinite(upper)])[::-1][:k]
    better = lower > rivals[-1] + slack if len(rivals) == k else np.isfinite(lower)
    found = int(better[distinct].sum())
    tying = int((~better[distinct] & (upper[distinct] >= wanted[-1] - slack)).sum())
    return found + min(tying, len(wanted) - int(better.sum()))


def _errors(given: Array, lower: Array, upper: Array) -> Array:
    """How far outside its bounds each score is, relative to max(1, |bound|); documents not to be found are left out."""
    allowed = np.isfinite(upper) & np.isfinite(given)
    given, lower, upper = given[allowed], lower[allowed], upper[allowed]
    outside = np.maximum(np.maximum(lower - given, given - upper), 0.0)
    return outside / np.maximum(1.0, np.abs(upper))


def dense_scores(
    queries: Float[Array, "queries dim"], documents: Float[Array, "docs dim"], metric: Metric = "IP"
) -> Iterator[Float[Array, " docs"]]:
    """For each query the score of every document, float64."""
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
    """For each query the inner product with every document, float64; -inf where they share no column."""
    if queries.shape[1] != documents.shape[1]:
        raise ValueError(f"queries are {queries.shape[1]} wide and documents {documents.shape[1]}: they must agree")
    right = documents.astype(np.float64).T.tocsc()
    pattern = _pattern(documents).T.tocsc()
    for start in range(0, queries.shape[0], BLOCK):
        block = csr_array(queries[start : start + BLOCK])
        scores = (block.astype(np.float64) @ right).toarray()
        shared = (_pattern(block) @ pattern).toarray() > 0
        yield from np.where(shared, scores, -np.inf)


def _top(rows: Iterator[Float[Array, " docs"]], k: int) -> Hits:
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    found = []
    for row in rows:
        candidates = np.flatnonzero(np.isfinite(row))
        found.append(best(candidates, row[candidates], k))
    return stack(found, k)


def _problems(ids: Array, scores: Array, row: Array, tolerance: float) -> Iterator[str]:
    if len(np.unique(ids)) != len(ids):
        yield "a document twice"
    if ((ids < 0) | (ids >= len(row))).any():
        yield "a document that is not in the collection"
    elif np.isneginf(row[ids]).any():
        yield "a document that shares no term with the query"
    if not np.isfinite(scores).all():
        yield "a score that is not finite"
    elif (np.diff(scores) > tolerance * np.maximum(1.0, np.abs(scores[1:]))).any():
        yield "not best first"


def _unit(vectors: Array) -> Array:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)


def _pattern(vectors: csr_array) -> csr_array:
    return csr_array((np.ones(vectors.nnz), vectors.indices, vectors.indptr), shape=vectors.shape)
