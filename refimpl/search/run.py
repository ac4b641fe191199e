"""A run: encode, ingest, search, fuse and rerank, then compare Milvus' hits with exact search."""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

from refimpl.common.progress import progress
from refimpl.datasets import Dataset
from refimpl.evaluate import check_measures
from refimpl.search.costs import Timing
from refimpl.search.documents import Documents
from refimpl.search.encoding import encode_dataset
from refimpl.search.failures import Failures
from refimpl.search.milvus_deviations import milvus_deviations
from refimpl.search.plan import Encoder, LoadedDataset, RunPlan, System, load
from refimpl.search.preflight import check_dataset, check_files
from refimpl.search.records import Queries, SearchResults
from refimpl.search.reranking import Reranking
from refimpl.search.results import to_json, write
from refimpl.search.retrieval import retrieve
from refimpl.search.run_result import EncodedDataset, RunResult
from refimpl.search.run_validation import validate_run
from refimpl.search.store import MilvusStore, check_reachable

SHARDS = "shards"  # of the run's folder: one folder per collection
SINGLE_QUERIES = 20  # searched one by one to measure latency


def run(
    dataset: Dataset, plan: RunPlan, out: Path, uri: str, token: str | None = None, *, show_progress: bool = False
) -> dict[str, Any]:
    """Run every system over the data set, validate, and return and save `results.json` and `runs/*.trec` in `out`.

    Documents are encoded into `shards/` in `out` and ingested from there, shard by shard. Vectors are cached, shards
    that are there are kept and ingestion resumes where it stopped, so an interrupted run can be repeated. Whatever can
    be refused is refused before documents are encoded: `preflight`. Errors of data sets, of encoders and of ingestion
    are raised before any result is written. A search, a reranker or a validation that fails later is in the results'
    `failures`, beside the results of all others; an error is raised only where no system is left.
    """
    check_measures(plan.measures)
    check_reachable(uri, token, plan.fields)
    check_files(plan, out)
    with progress("read documents", None, show_progress) as advance:
        loaded = load(dataset, advance)
    check_dataset(loaded, plan.measures)
    collection = collection_name(loaded, plan.encoders)
    encoded = encode_dataset(plan, loaded, out / SHARDS / collection, show_progress)
    if not loaded.documents.kept:
        loaded = replace(loaded, documents=Documents.in_shards(encoded.documents.folder, len(loaded.documents)))
    with MilvusStore(collection, plan.fields, uri=uri, token=token) as store:
        result = run_systems(store, plan, loaded, encoded, show_progress)
        validations = validate_run(result, store, show_progress)
        deviations: list[dict[str, Any]] = []
        with result.failures.recorded("compare with Milvus' definitions", "all"):
            deviations = milvus_deviations(result, store)
    results = to_json(result, validations, deviations)
    write(results, result, out)
    _remove_other_shards(out / SHARDS, collection)
    return results


def collection_name(loaded: LoadedDataset, encoders: Sequence[Encoder]) -> str:
    """A name derived from the data set and every encoder's settings: a collection of other settings is never reused."""
    keys = [[encoder.field.name, encoder.field.kind, dict(encoder.key)] for encoder in encoders]
    identity = json.dumps([loaded.sha256, keys], sort_keys=True)
    return "refimpl_" + hashlib.sha256(identity.encode()).hexdigest()[:16]


def run_systems(
    store: MilvusStore, plan: RunPlan, dataset: LoadedDataset, encoded: EncodedDataset, show_progress: bool
) -> RunResult:
    """Ingest the documents, search with every system, rerank and measure latencies, without validation."""
    timings = list(encoded.timings)
    with progress("ingest into Milvus", len(dataset.documents), show_progress) as advance:
        start = perf_counter()
        counts = store.ingest_parts(encoded.documents.shards(), advance=advance)
        timings.append(Timing("ingest", "all", counts.written, perf_counter() - start, counts.kept))
    failures = Failures()
    retrieved = _retrieve_all(store, plan, encoded.queries, failures, timings, show_progress)
    ranked = Reranking(plan, dataset, retrieved, timings.append, show_progress).run(failures)
    latency_ms: dict[str, list[float]] = {}
    for system in [system for system in plan.systems if system.route in retrieved]:
        with failures.recorded("measure latency", system.name):
            latency_ms[system.name] = _latency_ms(store, system, encoded.queries, plan.depth)
    if not ranked:
        failures.raise_first()
    milvus = "Lite" if store.lite else "server"
    documents = counts.written + counts.kept
    with failures.recorded("count", "documents"):
        documents = store.count()
    store_info = {
        "collection": store.collection,
        "documents": documents,
        "milvus": milvus,
        "truncated_texts": counts.truncated,
    }
    return RunResult(plan, dataset, encoded, retrieved, ranked, tuple(timings), latency_ms, store_info, failures)


def _retrieve_all(
    store: MilvusStore,
    plan: RunPlan,
    queries: Mapping[str, Queries],
    failures: Failures,
    timings: list[Timing],
    show_progress: bool,
) -> dict[str, SearchResults]:
    """The results of each field and each hybrid by `System.route`, before reranking."""
    retrieved: dict[str, SearchResults] = {}
    fields = [System(field.name, (field.name,), "") for field in plan.fields]
    hybrids = [system for system in plan.systems if system.ranker is not None]
    for system in [*fields, *hybrids]:
        if system.route in retrieved:
            continue
        with (
            failures.recorded("search", system.name),
            progress(f"search {system.name}", None, show_progress) as advance,
        ):
            start = perf_counter()
            results = retrieve(store, system, queries, plan.depth)
            timings.append(Timing("search, batched", system.name, len(results.ids), perf_counter() - start))
            advance(len(results.ids))
            retrieved[system.route] = results
    return retrieved


def _latency_ms(store: MilvusStore, system: System, queries: Mapping[str, Queries], depth: int) -> list[float]:
    """Milliseconds for each of the first queries, searched one by one; excludes encoding and reranking."""
    latencies = []
    count = min(SINGLE_QUERIES, *(_length(queries[name]) for name in system.fields))
    for number in range(count):
        single = {name: queries[name][number : number + 1] for name in system.fields}
        start = perf_counter()
        retrieve(store, system, single, depth)
        latencies.append((perf_counter() - start) * 1000)
    return latencies


def _remove_other_shards(folder: Path, collection: str) -> None:
    """Remove the shards of earlier runs with other settings, whose vectors are in the cache."""
    for other in folder.glob(f"refimpl_{'[0-9a-f]' * 16}"):
        if other.name != collection:
            shutil.rmtree(other, ignore_errors=True)


def _length(queries: Queries) -> int:
    return int(queries.shape[0]) if hasattr(queries, "shape") else len(queries)
