"""Comparison of a search engine's hits with exact search: recall, score error, order, duplicates.

Every document has a lower and an upper bound of the score that a correct engine may return. In dense and sparse search
the two are equal; in hybrid search they differ where a rank depends on how scores were rounded.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_array
from scipy.sparse import linalg as sparse_linalg

from refimpl.common.types import Array
from refimpl.search.exact import dense_scores, sparse_scores
from refimpl.search.fields import Metric
from refimpl.search.topk import ABSENT, TopK

# for a float32 engine, relative to max(scale, |exact score|); largest observed on Milvus Lite 9e-7 (L2, 384 values)
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Validation:
    """Comparison of an engine's hits with exact search.

    `recall` in [0, 1] is the share of the exact hits that the engine returned, where a document that ties with the k-th
    (within `tolerance`) counts as the k-th. `max_error` is the largest difference of a returned score from the exact
    score of the same document, relative to max(scale, |exact score|), see `Bounds`. `problems` lists other errors:
    duplicates, unknown documents, wrong order.
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
        """Whether recall is 1, every score is within the tolerance, and there are no problems."""
        return self.recall == 1.0 and self.max_error <= self.tolerance and not self.problems

    def to_dict(self, target: str) -> dict[str, Any]:
        """The validation of a field or system as an entry of results.json."""
        return {"what": target, "passed": self.passed, **asdict(self), "problems": list(self.problems)}


class Bounds(NamedTuple):
    """Lowest and highest correct score of each document for one query, `(docs,)` each.

    `upper` -inf: the document must not be a hit; `lower` -inf: it need not be. Errors are relative to
    max(`scale`, |`upper`|): rounding depends on the size of the vectors, and a score can be much smaller than they are.
    """

    lower: Float[Array, " docs"]
    upper: Float[Array, " docs"]
    scale: float = 1.0


def validate_dense(
    hits: TopK, queries: Float[Array, "queries dim"], documents: Float[Array, "docs dim"], metric: Metric
) -> Validation:
    """Compare an engine's hits in dense search with exact search."""
    return validate(hits, dense_bounds(queries, documents, metric), metric)


def validate_sparse(hits: TopK, queries: csr_array, documents: csr_array) -> Validation:
    """Compare an engine's hits by sparse inner product with exact search."""
    return validate(hits, sparse_bounds(queries, documents), "sparse IP")


def dense_bounds(
    queries: Float[Array, "queries dim"], documents: Float[Array, "docs dim"], metric: Metric
) -> Iterator[Bounds]:
    """Bounds per query: the exact scores, and a scale of at most 1 that is smaller for short vectors."""
    norms, largest_norm = _norms(queries), _norms(documents).max(initial=0.0)
    sizes = {"IP": norms * largest_norm, "COSINE": np.ones(len(norms)), "L2": (norms + largest_norm) ** 2}
    rows = dense_scores(queries, documents, metric)
    for row, size in zip(rows, sizes.get(metric, norms), strict=True):
        yield Bounds(row, row, _scale(size))


def sparse_bounds(queries: csr_array, documents: csr_array) -> Iterator[Bounds]:
    """Bounds per query: the exact inner products, and a scale of at most 1 that is smaller for short vectors."""
    norms, largest_norm = _norms(queries), _norms(documents).max(initial=0.0)
    for row, size in zip(sparse_scores(queries, documents), norms * largest_norm, strict=True):
        yield Bounds(row, row, _scale(size))


def validate(hits: TopK, truth: Iterable[Bounds], metric: str, tolerance: float = TOLERANCE) -> Validation:
    """Compare an engine's hits with the bounds of every document's score, one `Bounds` per query."""
    k = hits.ids.shape[1]
    expected = matched = 0
    max_error = 0.0
    problems: Counter[str] = Counter()
    for ids, scores, bounds in zip(hits.ids, hits.scores, truth, strict=True):
        ids, scores = ids[ids != ABSENT], scores[ids != ABSENT]
        problems.update(_problems(ids, scores, bounds, tolerance))
        distinct, first = np.unique(ids, return_index=True)
        known = (distinct >= 0) & (distinct < len(bounds.upper))
        distinct, first = distinct[known], first[known]
        max_error = max(max_error, _max_error(distinct, scores[first], bounds))
        best = np.sort(bounds.lower[np.isfinite(bounds.lower)])[::-1][:k]
        expected += len(best)
        if len(best):
            matched += _matches(distinct, bounds, best, k, tolerance)
    counted = tuple(f"{problem} ({count} of {len(hits.ids)} queries)" for problem, count in problems.items())
    return Validation(metric, k, len(hits.ids), matched / expected if expected else 1.0, max_error, tolerance, counted)


def _matches(distinct: Array, bounds: Bounds, best: Array, k: int, tolerance: float) -> int:
    """Number of correct hits, out of `len(best)`.

    A document that is in the top k however scores are rounded must be a hit itself; for the remaining ranks any of the
    documents that tie there is correct.
    """
    lower, upper, scale = bounds
    slack = tolerance * max(scale, abs(best[-1]))
    highest = np.sort(upper[np.isfinite(upper)])[::-1][:k]
    certain = lower > highest[-1] + slack if len(highest) == k else np.isfinite(lower)
    certain_hits = int(certain[distinct].sum())
    tying_hits = int((~certain[distinct] & (upper[distinct] >= best[-1] - slack)).sum())
    return certain_hits + min(tying_hits, len(best) - int(certain.sum()))


def _max_error(ids: Array, scores: Array, bounds: Bounds) -> float:
    """Largest distance of a score from its bounds, relative to max(scale, |upper|), over documents that may be hits."""
    allowed = np.isfinite(bounds.upper[ids]) & np.isfinite(scores)
    scores, lower, upper = scores[allowed], bounds.lower[ids][allowed], bounds.upper[ids][allowed]
    outside = np.maximum(np.maximum(lower - scores, scores - upper), 0.0)
    return float((outside / np.maximum(bounds.scale, np.abs(upper))).max(initial=0.0))


def _problems(ids: Array, scores: Array, bounds: Bounds, tolerance: float) -> Iterator[str]:
    if len(np.unique(ids)) != len(ids):
        yield "a duplicate document"
    if ((ids < 0) | (ids >= len(bounds.upper))).any():
        yield "a document that is not in the collection"
    elif np.isneginf(bounds.upper[ids]).any():
        yield "a document that shares no term with the query"
    if not np.isfinite(scores).all():
        yield "a score that is not finite"
    elif (np.diff(scores) > tolerance * np.maximum(bounds.scale, np.abs(scores[1:]))).any():
        yield "scores that are not in descending order"


def _norms(vectors: Any) -> Float[Array, " rows"]:
    norm = sparse_linalg.norm if isinstance(vectors, csr_array) else np.linalg.norm
    return np.asarray(norm(vectors.astype(np.float64), axis=1))


def _scale(size: float) -> float:
    return float(np.clip(size, np.finfo(np.float32).tiny, 1.0))
