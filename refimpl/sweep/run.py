"""A whole sweep: encode, ingest, build each index, measure each point, and save results.json.

results.json, schema "refimpl.sweep/1":

    stamp      refimpl.common.stamp, with the data set's hash and the settings
    dataset    name, sha256, documents, queries
    store      milvus ("Lite" or "server"), ingested {kind: {documents, seconds}}
    points     [{kind (dense or sparse), index, build {name: value}, search {name: value}, build_s, load_s,
                index_bytes, memory_bytes, recall {cutoff: value}, max_error, tolerance, problems, correct, ndcg@10,
                latency_ms {single: [raw], batched: [raw, per batch]}, queries_per_second {clients: value},
                filters [{share, recall, max_error, tolerance, problems, correct, latency_ms [raw]}],
                after_changes, as a filter without share, or null where it was not measured}]
    refused    [{index, build, search, error}]: what Milvus does not accept
    front      numbers of the points on the Pareto front of their kind, fastest first
    advice     {kind: one sentence}
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from refimpl.common.atomic import check_output, write_atomically
from refimpl.common.memory import return_free_memory
from refimpl.common.progress import progress
from refimpl.common.stamp import stamp
from refimpl.search.fields import DenseField, SparseField
from refimpl.search.file_locks import exclusive_run
from refimpl.search.indexed_store import IndexedStore
from refimpl.search.indexes import Index, Parameters
from refimpl.search.milvus_uri import Connection, MilvusError
from refimpl.search.store import check_reachable
from refimpl.sweep.changes import measure_changes
from refimpl.sweep.data import SweepData, load_data
from refimpl.sweep.front import advice, pareto_front
from refimpl.sweep.grid import Grid
from refimpl.sweep.measure import Case, Effort, measure_point, resident_bytes
from refimpl.sweep.truth import Truth, buckets

SCHEMA = "refimpl.sweep/1"
FILE, LITE = "results.json", "sweep.db"


@dataclass(frozen=True)
class Options:
    """At most `queries` queries, the qrels' `split`, whether deletes and upserts are measured, the effort per point."""

    queries: int = 500
    split: str = "test"
    changes: bool = True
    effort: Effort = field(default_factory=Effort)


def sweep(
    dataset: str,
    grids: Sequence[Grid],
    out: Path,
    options: Options | None = None,
    connection: Connection | None = None,
    *,
    show_progress: bool = False,
) -> dict[str, Any]:
    """Measure every point of the grids on one data set; return and save results.json in `out`.

    results.json is written after each index, so that an interrupted sweep leaves the points it had measured.
    Milvus is `connection.uri`, else MILVUS_URI, else a Milvus Lite folder in `out`; the sweep's collections are dropped
    at its end. An index, or a search parameter, that Milvus refuses is in `refused`, beside the points of all others.
    Raises MilvusError where everything is refused, and the errors of `load_data` and of ingestion.
    """
    options, connection = options or Options(), connection or Connection()
    uri, token = connection.resolve(out / LITE)
    kinds = sorted({grid.kind for grid in grids})
    with exclusive_run(out):
        check_output(out / FILE)
        for kind in kinds:
            check_reachable(uri, token, [DenseField("dense", 2) if kind == "dense" else SparseField("sparse")])
        data = load_data(dataset, kinds, options.queries, split=options.split, show=show_progress)
        recorder = _Recorder()
        recorder.save = lambda: _save(out, _to_json(recorder, data, options, grids))
        for kind in kinds:
            chosen = [grid for grid in grids if grid.kind == kind]
            _sweep_kind(recorder, data, kind, chosen, options, (uri, token), show_progress)
        if not recorder.points:
            raise MilvusError(f"expected an index that Milvus accepts, got none: {recorder.refused[0]['error']}")
        return recorder.save()


@dataclass
class _Recorder:
    """The points measured so far, what was refused, and the store's figures."""

    points: list[dict[str, Any]] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)
    store: dict[str, Any] = field(default_factory=lambda: {"ingested": {}})
    save: Callable[[], dict[str, Any]] = dict

    def refuse(self, index: Index, search: Parameters | None, error: MilvusError) -> None:
        """Record what Milvus does not accept."""
        entry = {"index": index.type, "build": dict(index.build), "search": dict(search or {}), "error": str(error)}
        self.refused.append(entry)


def _sweep_kind(
    recorder: _Recorder,
    data: SweepData,
    kind: str,
    grids: Sequence[Grid],
    options: Options,
    address: tuple[str, str | None],
    show_progress: bool,
) -> None:
    """Ingest the vectors of one kind, measure every grid, then the grids after changes, and drop the collection."""
    name = f"refimpl_sweep_{kind}_{hashlib.sha256(data.sha256.encode()).hexdigest()[:16]}"
    with IndexedStore(name, data.fields[kind], uri=address[0], token=address[1]) as store:
        recorder.store["milvus"] = "Lite" if store.lite else "server"
        try:
            labels = buckets(len(data.ids))
            recorder.store["ingested"][kind] = _ingest(store, data, kind, labels, show_progress)
            truth = Truth(data.queries[kind], data.documents[kind], data.fields[kind].metric)
            case = Case(store, data, kind, truth, labels, options.effort)
            builds = [(index, grid.searches(index, options.effort.k)) for grid in grids for index in grid.indexes()]
            total = sum(len(searches) for _, searches in builds)
            with progress(f"sweep {kind} indexes", total, show_progress) as advance:
                for index, searches in builds:
                    _measure_index(recorder, case, index, searches)
                    if recorder.points:
                        recorder.save()  # a sweep that is killed leaves its points
                    advance(len(searches))
            for grid in grids if options.changes else ():
                _measure_changes(recorder, case, grid.indexes()[-1])
        finally:
            store.remove()


def _ingest(
    store: IndexedStore, data: SweepData, kind: str, labels: list[str], show_progress: bool
) -> dict[str, int | float]:
    """Write all documents, with their labels as texts, into an empty collection."""
    if store.count():
        store.drop()  # of a sweep that was killed, perhaps between its changes
    with progress(f"ingest {kind} vectors", len(data.ids), show_progress) as advance:
        start = perf_counter()
        store.ingest(data.ids, labels, {store.field.name: data.documents[kind]}, advance=advance)
        return {"documents": store.settle(), "seconds": perf_counter() - start}


def _measure_index(recorder: _Recorder, case: Case, index: Index, searches: Sequence[Parameters]) -> None:
    case.store.remove_index()
    return_free_memory()
    before = resident_bytes()
    try:
        time = case.store.set_index(index)
    except MilvusError as error:
        recorder.refuse(index, None, error)
        return
    after = resident_bytes()
    known = case.store.lite and before is not None and after is not None
    built = {
        "kind": case.kind,
        "index": index.type,
        "build": dict(index.build),
        "build_s": time.build_s,
        "load_s": time.load_s,
        "index_bytes": case.store.index_bytes(),
        "memory_bytes": max(0, (after or 0) - (before or 0)) if known else None,
    }
    for search in searches:
        try:
            recorder.points.append({**built, **measure_point(case, search), "after_changes": None})
        except MilvusError as error:
            recorder.refuse(index, search, error)


def _measure_changes(recorder: _Recorder, case: Case, index: Index) -> None:
    """Repeat the accepted searches of one index after deletes and upserts."""
    points = [one for one in recorder.points if (one["index"], one["build"]) == (index.type, dict(index.build))]
    if not points:
        return
    case.store.set_index(index)
    changed = measure_changes(case, [point["search"] for point in points])
    for point, measured in zip(points, changed, strict=True):
        point["after_changes"] = measured


def _save(out: Path, results: dict[str, Any]) -> dict[str, Any]:
    write_atomically(out / FILE, json.dumps(results, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return results


def _to_json(recorder: _Recorder, data: SweepData, options: Options, grids: Sequence[Grid]) -> dict[str, Any]:
    identity = {"name": data.name, "sha256": data.sha256}
    kinds = list(dict.fromkeys(point["kind"] for point in recorder.points))
    settings = {"indexes": [grid.type for grid in grids], **asdict(options)}
    return {
        "schema": SCHEMA,
        "stamp": stamp(dataset=identity, settings=settings, libraries=("faiss-cpu",)),
        "dataset": identity | {"documents": len(data.ids), "queries": len(data.query_ids)},
        "store": recorder.store,
        "points": recorder.points,
        "refused": recorder.refused,
        "front": [number for kind in kinds for number in pareto_front(recorder.points, kind)],
        "advice": {kind: advice(recorder.points, kind) for kind in kinds},
    }
