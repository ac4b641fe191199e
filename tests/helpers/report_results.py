"""Result files for the report's tests: as small as they can be, every value chosen by hand."""

import json
from pathlib import Path
from typing import Any

HOSTILE = "<script>alert(1)</script> <img src=x onerror=alert(2)> {{ 7 * 7 }} $x^2$ \"q\" & 'a' |`_*"


def entry(case: str, competitor: str, rounds_s: list[float], **facts: Any) -> dict[str, Any]:
    """One pytest-benchmark entry as the race fixture writes it; five rounds, sorted, so the quartiles are at hand."""
    assert len(rounds_s) == 5
    low, q1, median, q3, high = sorted(rounds_s)
    stats = {"median": median, "q1": q1, "q3": q3, "min": low, "max": high, "rounds": 5, "data": rounds_s}
    known = {"stage": "encode", "case": case, "competitor": competitor, "ours": competitor == "refimpl", "work": 10}
    known |= {"unit": "texts", "verdict": "max |difference| 1e-07, allowed 1e-06", "peak_rss_bytes": 2_500_000}
    return {"group": f"encode: {case}", "name": competitor, "extra_info": known | facts, "stats": stats}


def around(median_s: float) -> list[float]:
    """Five rounds with that median."""
    return [median_s * factor for factor in (0.8, 0.9, 1.0, 1.2, 1.5)]


def benchmarks() -> dict[str, Any]:
    """Two won races, one lost, one even, one without a rival, and one disqualified side."""
    entries = [
        entry("won", "refimpl", around(1.0)),
        entry("won", "torch", around(4.0)),
        entry("lost", "refimpl", around(3.0)),
        entry("lost", "onnx", around(2.0)),
        entry("lost", "torch", around(6.0)),
        entry("even", "refimpl", around(1.0)),
        entry("even", "torch", around(1.01)),
        entry("alone", "refimpl", around(0.5)),
    ]
    for size in (10, 100):
        for name, factor in (("refimpl", 1.0), ("torch", 2.0)):
            found = entry(f"{size} documents", name, around(size * factor / 1e3), size=size, series="documents")
            found["extra_info"] |= {"recall": 1.0 if name == "refimpl" else 0.93, "stage": "search"}
            entries.append(found)
    return {
        "machine_info": {"cpu": {"brand_raw": "Made-up CPU"}, "system": "Linux"},
        "benchmarks": entries,
        "refimpl": {
            "stamp": {"at": "2026-01-02T03:04:05+00:00", "machine": {"cpu": "Made-up CPU", "memory_bytes": 8e9}},
            "absent": {"tantivy": "No module named 'tantivy'"},
            "disqualified": [{"group": "encode: lost", "competitor": "liar", "why": "4 is not 3"}],
        },
    }


def run() -> dict[str, Any]:
    """A results.json of `refimpl run` with two systems, a failed verdict and a departure."""
    verdict = {"what": "dense", "metric": "IP", "k": 100, "queries": 5, "max_error": 1e-7, "tolerance": 1e-5}
    return {
        "schema": "refimpl.run/1",
        "stamp": {"python": "CPython 3.12.1", "machine": {"cpu": "Made-up CPU"}},
        "dataset": {"name": "cranfield", "documents": 1400, "queries": 225, "bad_lines": []},
        "store": {"collection": "c", "documents": 1400, "milvus": "Lite"},
        "systems": {
            "dense": {
                "about": "MiniLM",
                "metrics": {"nDCG@10": 0.41, "recall@100": 0.8},
                "intervals": {"nDCG@10": [0.375, 0.4375], "recall@100": None},
                "latency_ms": [10.0, 20.0, 30.0],
            },
            "bm25": {"about": "BM25", "metrics": {"nDCG@10": 0.38, "recall@100": 0.75}, "latency_ms": [1.0, 2.0, 4.0]},
        },
        "verdicts": [
            verdict | {"passed": True, "recall": 1.0, "problems": []},
            verdict | {"metric": "L2", "passed": False, "recall": 0.9876, "problems": ["wrong order (2 of 5 queries)"]},
        ],
        "departures": [{"what": "norm_score", "why": "its default", "figures": {"nDCG@10": 0.123456}}],
        "significance": [
            {"a": "dense", "b": "bm25", "measure": "nDCG@10", "difference": 0.03, "p_value": 0.012, "queries": 225},
            {"a": "dense", "b": "bm25", "measure": "recall@100", "difference": 0.05, "p_value": 0.3, "queries": 225},
            {"a": "dense", "b": "bm25", "measure": "MAP", "difference": 0.01, "p_value": 0.04, "p_holm": 0.08},
        ],
        "timings": [
            {"stage": "encode", "what": "dense", "items": 1400, "seconds": 7.0, "per_second": 200.0, "skipped": 0},
            {"stage": "ingest", "what": "c", "items": 0, "seconds": 0.5, "per_second": None, "skipped": 1400},
        ],
    }


def full_run() -> dict[str, Any]:
    """`run` with a fusion, values by query, hits, costs, a failure, and what is needed to repeat it."""
    result = run()
    queries = ["x", "y", "z"]
    for name, fields, values in (
        ("dense", ["dense"], [0.5, 0.25, 1.0]),
        ("bm25", ["bm25"], [0.5, 0.0, 0.0]),
        ("hybrid", ["dense", "bm25"], [0.5, 0.75, 0.5]),
    ):
        system = result["systems"].setdefault(name, {"metrics": {"nDCG@10": 0.4}, "latency_ms": [1.0, 3.0]})
        system |= {"fields": fields, "per_query": {"nDCG@10": dict(zip(queries, values, strict=True))}}
    hits = {"dense": [{"id": "d1", "text": "Mars", "relevance": 2}, {"id": "d2", "text": "Io", "relevance": None}]}
    contrast = {"a": "bm25", "b": "dense", "query_id": "y", "query": "red?", "values": {"bm25": 0.0, "dense": 0.25}}
    result["contrasts"] = [contrast | {"hits": hits | {"bm25": []}}]
    stage = {"stage": "encode documents", "item": "document", "items": 1400, "seconds": 7.0, "seconds_per_item": 0.005}
    result["stages"] = [stage | {"cost": 0.07, "cost_per_1000": 0.05}]
    result["failures"] = [{"stage": "rerank", "what": "dense+rerank", "error": "OSError: gone"}]
    settings = {"systems": ["dense", "bm25", "hybrid"], "price_per_hour": 36.0}
    result["stamp"] |= {"settings": settings, "dataset": {"name": "beir:cranfield", "sha256": "abc"}}
    return result


def saved(folder: Path, held: Any, name: str = "result.json") -> Path:
    """`held` as a JSON file."""
    file = folder / name
    file.write_text(held if isinstance(held, str) else json.dumps(held), encoding="utf-8")
    return file
