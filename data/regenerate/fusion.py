"""Writes data/vectors/fusion from Milvus Lite's hybrid search, through pymilvus.

    make peers && .venv/bin/python data/regenerate/fusion.py

Each route is a vector field whose similarity with the query is the score of the case, so that any list
can be fused. Milvus returns fused scores in float32.
"""

import tempfile
from pathlib import Path
from typing import Any

from cases import source, write
from pymilvus import AnnSearchRequest, DataType, MilvusClient, RRFRanker, WeightedRanker

Route = list[list[Any]]


def fused(routes: list[Route], ranker: Any, metrics: list[str]) -> list[list[Any]]:
    ids = sorted({doc for route in routes for doc, _ in route})
    numbers = {doc: number for number, doc in enumerate(ids)}
    with tempfile.TemporaryDirectory() as folder:
        client = MilvusClient(str(Path(folder) / "fuse.db"))
        schema = client.create_schema(auto_id=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        index = client.prepare_index_params()
        for number, metric in enumerate(metrics):
            schema.add_field(f"v{number}", DataType.FLOAT_VECTOR, dim=2)
            index.add_index(f"v{number}", index_type="FLAT", metric_type=metric)
        client.create_collection("c", schema=schema, index_params=index)
        rows = []
        for doc in ids:
            row: dict[str, Any] = {"id": numbers[doc]}
            for number, (route, metric) in enumerate(zip(routes, metrics, strict=True)):
                row[f"v{number}"] = vector(dict(route).get(doc), metric)
            rows.append(row)
        client.insert("c", rows)
        requests = [
            AnnSearchRequest([[1.0, 0.0]], f"v{number}", {"metric_type": metric}, limit=len(route))
            for number, (route, metric) in enumerate(zip(routes, metrics, strict=True))
        ]
        hits = client.hybrid_search("c", requests, ranker, limit=len(ids))[0]
        client.close()
    return [[ids[hit["id"]], float(hit["distance"])] for hit in hits]


def vector(score: float | None, metric: str) -> list[float]:
    """A vector whose similarity with (1, 0) is `score`; for None one that is below the top of every route."""
    if metric == "IP":
        return [-1000.0 if score is None else score, 0.0]
    if metric == "COSINE":
        cosine = -1.0 if score is None else score
        return [cosine, (1 - cosine * cosine) ** 0.5]
    return [1001.0 if score is None else 1 + (-score) ** 0.5, 0.0]  # L2: the score is minus the squared distance


LEXICAL: Route = [["d1", 9.5], ["d2", 7.25], ["d3", 3.0], ["d4", 0.5]]
DENSE: Route = [["d3", 0.9], ["d1", 0.75], ["d5", 0.5], ["d6", 0.125]]


CASES = [
    (
        "rrf",
        "reciprocal rank fusion, ranks from 1, k = 60",
        "implementations that count ranks from 0",
        [LEXICAL, DENSE],
        "rrf",
        {"k": 60},
    ),
    ("rrf-other-k", "k is taken", "a fixed 60", [LEXICAL, DENSE], "rrf", {"k": 5}),
    ("rrf-one-route", "one route keeps its order", "", [LEXICAL], "rrf", {"k": 60}),
    (
        "rrf-absent",
        "a document that a route does not have gets nothing from it",
        "a last rank in its place",
        [LEXICAL[:2], DENSE],
        "rrf",
        {"k": 60},
    ),
    (
        "rrf-disjoint",
        "routes that share nothing interleave, in ties of two",
        "",
        [LEXICAL[:2], [["d8", 0.5], ["d9", 0.25]]],
        "rrf",
        {"k": 60},
    ),
    ("rrf-three", "three routes", "", [LEXICAL, DENSE, [["d6", 0.5], ["d1", 0.25]]], "rrf", {"k": 60}),
    (
        "weighted",
        "raw scores, weighted and added",
        "",
        [LEXICAL, DENSE],
        "weighted",
        {"weights": [0.25, 0.75], "metrics": ["IP", "IP"], "norm_score": False},
    ),
    (
        "weighted-normalised",
        "each score first goes through its metric's arctangent",
        "implementations that scale by minimum and maximum",
        [LEXICAL, DENSE],
        "weighted",
        {"weights": [0.3, 0.7], "metrics": ["IP", "IP"], "norm_score": True},
    ),
    (
        "weighted-cosine",
        "a cosine is normalised as (1 + s) / 2",
        "one normalisation for every metric",
        [LEXICAL, DENSE],
        "weighted",
        {"weights": [0.5, 0.5], "metrics": ["IP", "COSINE"], "norm_score": True},
    ),
    (
        "weighted-distance",
        "a squared distance is turned round before it is added",
        "distances taken for similarities",
        [[["d1", -0.25], ["d2", -1.0], ["d3", -4.0]], DENSE],
        "weighted",
        {"weights": [0.5, 0.5], "metrics": ["L2", "COSINE"], "norm_score": True},
    ),
    (
        "weight-zero",
        "a weight of 0 leaves the other route's scores",
        "",
        [LEXICAL, DENSE],
        "weighted",
        {"weights": [0.0, 1.0], "metrics": ["IP", "IP"], "norm_score": False},
    ),
]


def main() -> None:
    written = []
    for name, reason, who, routes, method, settings in CASES:
        metrics = settings.get("metrics", ["IP"] * len(routes))
        if method == "rrf":
            ranker = RRFRanker(settings["k"])
        else:
            ranker = WeightedRanker(*settings["weights"], norm_score=settings["norm_score"])
        case = {"routes": routes, "method": method, **settings}
        expected = fused(routes, ranker, metrics)
        row = {"name": name, "reason": reason, "who": who, "input": case, "expected": expected}
        written.append({**row, "source": {**source("pymilvus"), "engine": "milvus-lite"}})
    write("fusion", "fusion.py", written)


if __name__ == "__main__":
    main()
