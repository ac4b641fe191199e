"""Milvus' answers beside the judge's: every dense metric, sparse inner product, and each fusion."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import Any, Literal, get_args

import numpy as np
from scipy.sparse import csr_array

from refimpl.search import fusion
from refimpl.search.exact import (
    TOLERANCE,
    Bounds,
    Metric,
    Verdict,
    dense_scores,
    judge,
    judge_dense,
    judge_sparse,
    sparse_scores,
)
from refimpl.search.milvus import MilvusStore
from refimpl.search.plan import Loaded, System
from refimpl.search.records import Field, Found, Queries, Ranker, Vectors

QUERIES = 100  # asked by the metrics that no system uses
HITS = 100

Bar = Callable[[str, int | None], AbstractContextManager[Callable[[int], None]]]


def other_metrics(
    store: MilvusStore, loaded: Loaded, documents: Mapping[str, Vectors], queries: Mapping[str, Queries], bar: Bar
) -> list[dict[str, Any]]:
    """Verdicts on the metrics that the run does not use: each dense field is indexed anew for each, and back again."""
    made = []
    for field in [field for field in store.fields.values() if field.kind == "dense"]:
        asked = queries[field.name][:QUERIES]
        try:
            for metric in [metric for metric in get_args(Metric) if metric != field.metric]:
                with bar(f"judge {field.name} by {metric}", len(asked)) as advance:
                    store.set_metric(field.name, metric)
                    found = store.search(field.name, asked, HITS).hits(loaded.position, HITS)
                    verdict = judge_dense(found, np.asarray(asked), np.asarray(documents[field.name]), metric)
                    advance(len(found.ids))
                made.append(as_json(field.name, verdict))
        finally:
            own: Literal["IP", "COSINE", "L2"] = field.metric  # type: ignore[assignment]  # a dense field's is no BM25
            store.set_metric(field.name, own)
    return made


def own_metrics(
    store: MilvusStore,
    loaded: Loaded,
    documents: Mapping[str, Vectors],
    queries: Mapping[str, Queries],
    answers: Mapping[str, Found],
    depth: int,
) -> list[dict[str, Any]]:
    """Verdicts on every answer of the fields whose vectors are ours, by the metric of the run."""
    made = []
    for name, vectors in documents.items():
        found = answers[name].hits(loaded.position, depth)
        asked = queries[name]
        if isinstance(vectors, csr_array):
            verdict = judge_sparse(found, csr_array(asked), vectors)
        else:
            metric: Metric = store.fields[name].metric  # type: ignore[assignment]  # a dense field's is no BM25
            verdict = judge_dense(found, np.asarray(asked), np.asarray(vectors), metric)
        made.append(as_json(name, verdict))
    return made


def fusions(
    store: MilvusStore,
    loaded: Loaded,
    systems: Sequence[System],
    documents: Mapping[str, Vectors],
    queries: Mapping[str, Queries],
    answers: Mapping[str, Found],
    depth: int,
) -> list[dict[str, Any]]:
    """Verdicts on Milvus' hybrid answers; the truth is our fusion of the judge's own scores."""
    made = []
    for system in systems:
        if system.ranker is None or system.rerank is not None or not documents.keys() >= set(system.fields):
            continue
        routes = [_scores(store.fields[name], queries[name], documents[name]) for name in system.fields]
        metrics = [store.fields[name].metric for name in system.fields]
        truth = (fused_bounds(system.ranker, rows, metrics, depth) for rows in zip(*routes, strict=True))
        found = answers[system.route].hits(loaded.position, depth)
        label = "hybrid RRF" if system.ranker.kind == "rrf" else "hybrid weighted"
        made.append(as_json(system.name, judge(found, truth, label)))
    return made


def fused_bounds(ranker: Ranker, rows: Sequence[np.ndarray], metrics: Sequence[str], depth: int) -> Bounds:
    """Between which fused scores each document may come back, given its exact score in each route.

    Milvus computes in float32, so documents that nearly tie may change places, and at a route's end fall out of it.
    """
    lower, upper = np.zeros(len(rows[0])), np.zeros(len(rows[0]))
    certain, possible = np.zeros(len(rows[0]), bool), np.zeros(len(rows[0]), bool)
    for number, row in enumerate(rows):
        first, last = fusion.rank_bounds(row, depth, TOLERANCE)
        if ranker.kind == "rrf":
            least, most = 1.0 / (ranker.rrf_k + last), 1.0 / (ranker.rrf_k + first)
        else:
            score = np.where(np.isfinite(row), row, 0.0)
            least = most = fusion.contribution(score, ranker.weights[number], metrics, number, ranker.norm_score)
        here, maybe = last <= depth, first <= depth
        lower += np.where(here, least, np.where(maybe, np.minimum(least, 0.0), 0.0))
        upper += np.where(here, most, np.where(maybe, np.maximum(most, 0.0), 0.0))
        certain |= here
        possible |= maybe
    return Bounds(np.where(certain, lower, -np.inf), np.where(possible, upper, -np.inf))


def _scores(field: Field, queries: Queries, documents: Vectors) -> Iterator[np.ndarray]:
    if isinstance(documents, csr_array):
        return sparse_scores(csr_array(queries), documents)
    metric: Metric = field.metric  # type: ignore[assignment]  # a dense field's is no BM25
    return dense_scores(np.asarray(queries), np.asarray(documents), metric)


def as_json(what: str, verdict: Verdict) -> dict[str, Any]:
    """A verdict as results.json holds it."""
    return {"what": what, "passed": verdict.passed, **asdict(verdict), "problems": list(verdict.problems)}
