"""Validation of a run: Milvus' results against exact search, by every dense metric, sparse inner product and fusion."""

from collections.abc import Iterator, Sequence
from typing import Any, get_args

import numpy as np

from refimpl.common.progress import progress
from refimpl.search import fusion
from refimpl.search.fields import DenseField, Field, Metric
from refimpl.search.records import Ranker
from refimpl.search.run_result import RunResult
from refimpl.search.scorers import DenseScorer, Scorer, scorer_of
from refimpl.search.store import MilvusStore
from refimpl.search.topk import TopK, empty
from refimpl.search.truth import Truth, common_rows, renumbered
from refimpl.search.validation import TOLERANCE, Bounds, Validation, validate

QUERIES = 100  # searched by the metrics that the run does not use
HITS = 100


def validate_run(result: RunResult, store: MilvusStore, show_progress: bool = False) -> list[dict[str, Any]]:
    """Validate a run's results as entries of results.json: other metrics first, then fields, then hybrid systems.

    A search that fails is recorded in the run's failures; the validations before it are kept.
    """
    validations: list[dict[str, Any]] = []
    with result.failures.recorded("validate", "dense fields by other metrics"):
        validations.extend(_validate_other_metrics(result, store, show_progress))
    for what, validated in (("fields", validate_fields(result)), ("hybrid systems", validate_hybrids(result))):
        with result.failures.recorded("validate", what):
            validations.extend(validation.to_dict(name) for name, validation in validated)
    return validations


def _validate_other_metrics(result: RunResult, store: MilvusStore, show_progress: bool) -> Iterator[dict[str, Any]]:
    """Search each dense field by the metrics that the run does not use; its index is built anew for each, and again."""
    for field in [field for field in result.plan.fields if isinstance(field, DenseField)]:
        queries = np.asarray(result.encoded.queries[field.name][:QUERIES])
        try:
            for metric in [metric for metric in get_args(Metric) if metric != field.metric]:
                with progress(f"validate {field.name} by {metric}", len(queries), show_progress) as advance:
                    store.set_metric(field.name, metric)
                    hits = result.hits(store.search(field.name, queries, HITS), HITS)
                    truth = _truth_of(result, DenseScorer(queries, metric), field, hits)
                    advance(len(queries))
                yield truth.compare(hits, metric).to_dict(field.name)
        finally:
            store.set_metric(field.name, field.metric)


def validate_fields(result: RunResult) -> Iterator[tuple[str, Validation]]:
    """Validate the results of every field that has vectors of ours, by the metric of the run."""
    for field in result.plan.fields:
        if field.name in result.encoded.documents.fields and field.name in result.retrieved:
            hits = result.hits(result.retrieved[field.name], result.plan.depth)
            metric = field.metric if isinstance(field, DenseField) else "sparse IP"
            yield field.name, _truth(result, field, hits).compare(hits, metric)


def validate_hybrids(result: RunResult) -> Iterator[tuple[str, Validation]]:
    """Validate hybrid results against the fusion of the exact scores, where every field has vectors of ours."""
    fields = {field.name: field for field in result.plan.fields}
    none = empty(len(result.dataset.queries), result.plan.depth)
    truths: dict[str, Truth] = {}
    for system in result.plan.systems:
        ours = set(system.fields) <= set(result.encoded.documents.fields)
        if system.ranker is None or system.rerank is not None or not ours or system.route not in result.retrieved:
            continue
        for name in system.fields:
            if name not in truths:
                truths[name] = _truth(result, fields[name], none)
        hits = result.hits(result.retrieved[system.route], result.plan.depth)
        rows, routes = common_rows(hits, [truths[name] for name in system.fields], len(result.dataset.documents))
        metrics = [fields[name].metric for name in system.fields]
        yield system.name, validate_hybrid(renumbered(hits, rows), system.ranker, routes, metrics, result.plan.depth)


def validate_hybrid(
    hits: TopK, ranker: Ranker, routes: Sequence[Iterator[Bounds]], metrics: Sequence[str], depth: int
) -> Validation:
    """Compare Milvus' hybrid hits with the fusion of exact scores; `routes` has per field one `Bounds` per query."""
    truth = (fused_bounds(ranker, bounds, metrics, depth) for bounds in zip(*routes, strict=True))
    return validate(hits, truth, "hybrid RRF" if ranker.kind == "rrf" else "hybrid weighted")


def fused_bounds(ranker: Ranker, routes: Sequence[Bounds], metrics: Sequence[str], depth: int) -> Bounds:
    """Bounds of each document's fused score for one query, from its exact score in each route.

    Milvus computes in float32, so documents whose scores are nearly equal may swap ranks, and at rank `depth` one may
    be cut off instead of the other.
    """
    lower, upper = np.zeros(len(routes[0].lower)), np.zeros(len(routes[0].lower))
    certain, possible = np.zeros(len(lower), bool), np.zeros(len(lower), bool)
    for number, (row, _, row_scale) in enumerate(routes):
        first, last = fusion.rank_bounds(row, depth, TOLERANCE, row_scale)
        if ranker.kind == "rrf":
            least, most = 1.0 / (ranker.rrf_k + last), 1.0 / (ranker.rrf_k + first)
        else:
            score = np.where(np.isfinite(row), row, 0.0)
            least = most = fusion.contribution(score, ranker.weights[number], metrics, number, ranker.norm_score)
        in_route, maybe_in_route = last <= depth, first <= depth
        lower += np.where(in_route, least, np.where(maybe_in_route, np.minimum(least, 0.0), 0.0))
        upper += np.where(in_route, most, np.where(maybe_in_route, np.maximum(most, 0.0), 0.0))
        certain |= in_route
        possible |= maybe_in_route
    # errors are relative to the smallest reciprocal rank, which is far below 1, or to the sum of the weights
    scale = 1.0 / (ranker.rrf_k + depth) if ranker.kind == "rrf" else min(1.0, sum(ranker.weights)) or 1.0
    return Bounds(np.where(certain, lower, -np.inf), np.where(possible, upper, -np.inf), scale)


def _truth(result: RunResult, field: Field, hits: TopK) -> Truth:
    """The exact scores of a field's queries, by the metric of the run, that decide about these hits."""
    metric = field.metric if isinstance(field, DenseField) else "IP"
    queries = result.encoded.queries[field.name]
    assert not isinstance(queries, Sequence)  # texts: only of a full-text field
    return _truth_of(result, scorer_of(queries, metric), field, hits)


def _truth_of(result: RunResult, scorer: Scorer, field: Field, hits: TopK) -> Truth:
    return result.plan.engine.truth(scorer, result.encoded.documents.folder, field.name, hits)
