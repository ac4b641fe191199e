"""What a run leaves behind: results.json, one TREC run a system.

results.json, schema "refimpl.run/1":

    stamp         what refimpl.stamp says, with the data set's hash and the run's settings
    dataset       name, sha256, documents, queries, judgements, bad_lines (as text)
    store         collection, documents, milvus ("Lite" or "server")
    encoders      {field: {kind, metric, dim, key}}
    systems       {name: {about, fields, metrics {measure: mean}, per_query {measure: {query_id: value}},
                   latency_ms [one query at a time, before reranking, raw], run (its TREC file, from here)}}
    verdicts      [{what, metric, passed, recall, max_error, tolerance, k, queries, problems}]
    departures    [{what, why, figures {name: number}}]
    significance  [{a, b, measure, difference (a - b), p_value, queries}]
    timings       [{stage, what, items, seconds, per_second, skipped (cached, or there already)}]
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from refimpl.evaluate import Evaluation, Run, evaluate, randomisation_test, write_run
from refimpl.search.plan import Encoder, Loaded, System
from refimpl.search.records import Found
from refimpl.stamp import stamp

SCHEMA = "refimpl.run/1"
COMPARED = ("nDCG@10", "recall@100")  # the measures whose differences are tested


@dataclass(frozen=True)
class Timing:
    """Seconds that a stage took for `items`; `skipped` were cached or in the store already, and took none."""

    stage: str
    what: str
    items: int
    seconds: float
    skipped: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The fields and the rate, None where there was nothing to do."""
        rate = self.items / self.seconds if self.items and self.seconds else None
        return asdict(self) | {"per_second": rate}


def assemble(
    loaded: Loaded,
    encoders: Sequence[Encoder],
    systems: Sequence[System],
    answers: Mapping[str, Found],
    verdicts: list[dict[str, Any]],
    departures: list[dict[str, Any]],
    timings: Sequence[Timing],
    latencies: Mapping[str, list[float]],
    store: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """Everything that results.json holds; the systems are evaluated here."""
    judged = {name: evaluate(run_of(found, loaded), loaded.qrels) for name, found in answers.items()}
    data = {"name": loaded.name, "sha256": loaded.sha256}
    counts = {
        "documents": len(loaded.ids),
        "queries": len(loaded.queries),
        "judgements": sum(map(len, loaded.qrels.values())),
        "bad_lines": loaded.bad_lines,
    }
    return {
        "schema": SCHEMA,
        "stamp": stamp(dataset=data, settings=settings, libraries=("ir-measures", "pytrec-eval-terrier")),
        "dataset": data | counts,
        "store": dict(store),
        "encoders": {encoder.field.name: asdict(encoder.field) | {"key": dict(encoder.key)} for encoder in encoders},
        "systems": {system.name: _system(system, judged[system.name], latencies[system.name]) for system in systems},
        "verdicts": verdicts,
        "departures": departures,
        "significance": _significance(judged),
        "timings": [timing.to_dict() for timing in timings],
    }


def run_of(found: Found, loaded: Loaded) -> Run:
    """Found documents as `{query_id: {doc_id: score}}`."""
    return {
        query_id: dict(zip(ids, scores, strict=True))
        for query_id, ids, scores in zip(loaded.queries, found.ids, found.scores, strict=True)
    }


def write(results: Mapping[str, Any], answers: Mapping[str, Found], loaded: Loaded, out: Path) -> None:
    """Save results.json and the TREC runs under `out`; results.json last, and whole or not at all."""
    (out / "runs").mkdir(parents=True, exist_ok=True)
    for name, found in answers.items():
        write_run(run_of(found, loaded), out / run_file(name), name)
    partial = out / ".results.json.partial"
    partial.write_text(json.dumps(results, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    os.replace(partial, out / "results.json")


def run_file(system: str) -> str:
    """Where a system's TREC run lies, relative to results.json."""
    return f"runs/{system}.trec"


def _system(system: System, judged: Evaluation, latency_ms: list[float]) -> dict[str, Any]:
    return {
        "about": system.about,
        "fields": list(system.fields),
        "metrics": judged.mean,
        "per_query": judged.per_query,
        "latency_ms": latency_ms,
        "run": run_file(system.name),
    }


def _significance(judged: Mapping[str, Evaluation]) -> list[dict[str, Any]]:
    tested = []
    for a, b in combinations(judged, 2):
        for measure in COMPARED:
            values = judged[a].per_query[measure], judged[b].per_query[measure]
            if len(values[0]) > 1:
                tested.append({"a": a, "b": b, **asdict(randomisation_test(*values, measure=measure))})
    return tested
