"""BM25 against size: time to build and to search, and memory, for 10,000 to 750,000 short documents.

    python -m bench.bm25_curve --out curve.json [--sizes 10000 50000] [--rounds 20]

Each library runs in its own process, so that memory is measured per library; rounds of searches are interleaved, the
libraries in shuffled order, and results are checked once. The JSON contains all raw times.
"""

import argparse
import gc
import json
import multiprocessing
import random
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter
from typing import Any

import psutil

from bench import peers
from bench.memory import peak_growth_bytes
from bench.race import SEED
from bench.zipf import QUERIES, ZipfCorpus
from refimpl.common import stamp
from refimpl.common.memory import return_free_memory

SIZES = (10_000, 50_000, 200_000, 750_000)
MODULE = {
    "refimpl": "refimpl",
    "bm25s": "bm25s",
    "bm25s (numba)": "numba",
    "tantivy": "tantivy",
    "rank_bm25": "rank_bm25",
}
MOST = {"rank_bm25": 50_000}  # it scores every document in Python
N_QUERIES = 50


def main() -> None:
    """Measure, and write the JSON after each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    result: dict[str, Any] = {"stamp": stamp.stamp(settings={"seed": SEED, "k": 10}), "points": []}
    for size in options.sizes:
        result["points"] += measure(size, options.rounds)
        options.out.write_text(json.dumps(result, indent=1))
        for point in result["points"]:
            if point["size"] == size:
                print(summary(point), flush=True)


def measure(size: int, rounds: int) -> list[dict[str, Any]]:
    """One point per library: build time and memory, and each round's time per kind of queries."""
    names = [name for name in MODULE if size <= MOST.get(name, size) and peers.get(MODULE[name]) is not None]
    context = multiprocessing.get_context("spawn")
    pipes: dict[str, Connection] = {}
    processes: list[Any] = []
    points: dict[str, dict[str, Any]] = {}
    for name in names:
        pipes[name], theirs = context.Pipe()
        processes.append(context.Process(target=_serve, args=(theirs, name, size), daemon=True))
        processes[-1].start()
        points[name] = {"library": name, "size": size, "queries": N_QUERIES, **pipes[name].recv()}
    order = random.Random(SEED)
    for _ in range(rounds):
        for name in order.sample(names, len(names)):
            for kind in QUERIES:
                pipes[name].send(kind)
                points[name].setdefault(f"search_s, {kind}", []).append(pipes[name].recv())
    for pipe in pipes.values():
        pipe.send(None)
    for process in processes:
        process.join()
    return list(points.values())


def summary(point: dict[str, Any]) -> str:
    """One line for the screen."""
    medians = [sorted(point[f"search_s, {kind}"])[len(point[f"search_s, {kind}"]) // 2] for kind in QUERIES]
    searches = ", ".join(
        f"{1e3 * s / N_QUERIES:.3f} ms per query of {kind}" for s, kind in zip(medians, QUERIES, strict=True)
    )
    built, size_mb, peak_mb = point["build_s"], point["index_bytes"] / 1e6, (point["build_peak_bytes"] or 0) / 1e6
    memory = f"index {size_mb:.0f} MB, peak while building {peak_mb:.0f} MB"
    return f"{point['size']:>8} {point['library']:<14} built in {built:.2f} s, {memory}; {searches}"


def _serve(pipe: Connection, name: str, size: int) -> None:
    """A library's process: build, send the measurements, then one search per message until None."""
    from bench import bm25_peers
    from bench.test_bm25 import answer_of, judged, searching

    corpus = ZipfCorpus("short", size)
    tokens = corpus.tokens
    queries = {kind: corpus.queries(kind, N_QUERIES) for kind in QUERIES}
    build: Callable[[Any], Any] = {
        "refimpl": bm25_peers.ours,
        "bm25s": bm25_peers.bm25s_build,
        "bm25s (numba)": lambda these: bm25_peers.bm25s_build(these, "numba"),
        "tantivy": bm25_peers.Tantivy,
        "rank_bm25": bm25_peers.rank_bm25_build,
    }[name]
    build(tokens[:100])  # imports and compilation at first use are not measured
    result: dict[str, Any] = {}

    def build_once() -> None:
        began = perf_counter()
        result["index"] = build(tokens)
        result["build_s"] = perf_counter() - began

    before = _resident_bytes()
    peak = peak_growth_bytes(build_once)
    point = {"build_s": result["build_s"], "build_peak_bytes": peak, "index_bytes": _resident_bytes() - before}
    for kind, tokens_of_queries in queries.items():
        few = tokens_of_queries[:5]
        point[f"correctness, {kind}"] = judged(name, *answer_of(name, result["index"], few), few, corpus).description
    pipe.send(point)
    runs = {kind: searching(name, result["index"], these) for kind, these in queries.items()}
    while (kind := pipe.recv()) is not None:
        began = perf_counter()
        runs[kind]()
        pipe.send(perf_counter() - began)


def _resident_bytes() -> int:
    """Resident memory of this process after garbage collection; it always includes the documents' tokens."""
    gc.collect()
    return_free_memory()
    return int(psutil.Process().memory_info().rss)


if __name__ == "__main__":
    main()
