"""BM25 against size: time to build and to search, and memory, for 10,000 to 750,000 short documents.

    python -m bench.bm25_curve --out curve.json [--sizes 10000 50000] [--rounds 20]

Each library lives in a process of its own, so that its memory is its own; searches are asked for round by round, one
library after the other in a shuffled order, and every answer is checked once. All raw times are kept in the JSON.
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
from bench.memory import give_back, peak_growth_bytes
from bench.race import SEED
from bench.zipf import QUERIES, ZipfCorpus
from refimpl import stamp

SIZES = (10_000, 50_000, 200_000, 750_000)
MODULE = {
    "refimpl": "refimpl",
    "bm25s": "bm25s",
    "bm25s (numba)": "numba",
    "tantivy": "tantivy",
    "rank_bm25": "rank_bm25",
}
MOST = {"rank_bm25": 50_000}  # it scores every document in Python
ASKED = 50


def main() -> None:
    """Measure, and write the JSON after each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--rounds", type=int, default=20)
    chosen = parser.parse_args()
    result: dict[str, Any] = {"stamp": stamp.stamp(settings={"seed": SEED, "k": 10}), "points": []}
    for size in chosen.sizes:
        result["points"] += measure(size, chosen.rounds)
        chosen.out.write_text(json.dumps(result, indent=1))
        for point in result["points"]:
            if point["size"] == size:
                print(summary(point), flush=True)


def measure(size: int, rounds: int) -> list[dict[str, Any]]:
    """One point a library: what building took, and each round's time for each kind of queries."""
    names = [name for name in MODULE if size <= MOST.get(name, size) and peers.get(MODULE[name]) is not None]
    context = multiprocessing.get_context("spawn")
    pipes: dict[str, Connection] = {}
    processes: list[Any] = []
    points: dict[str, dict[str, Any]] = {}
    for name in names:
        pipes[name], theirs = context.Pipe()
        processes.append(context.Process(target=_live, args=(theirs, name, size), daemon=True))
        processes[-1].start()
        points[name] = {"library": name, "size": size, "queries": ASKED, **pipes[name].recv()}
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
        f"{1e3 * s / ASKED:.3f} ms a query of {kind}" for s, kind in zip(medians, QUERIES, strict=True)
    )
    built, held, peak = point["build_s"], point["index_bytes"] / 1e6, (point["build_peak_bytes"] or 0) / 1e6
    memory = f"holds {held:.0f} MB, {peak:.0f} MB at its peak"
    return f"{point['size']:>8} {point['library']:<14} built in {built:.2f} s, {memory}; {searches}"


def _live(pipe: Connection, name: str, size: int) -> None:
    """A library's process: build, tell, then search as often as asked."""
    from bench import bm25_peers
    from bench.test_bm25 import answer_of, judged, searching

    corpus = ZipfCorpus("short", size)
    tokens = corpus.tokens
    queries = {kind: corpus.queries(kind, ASKED) for kind in QUERIES}
    build: Callable[[Any], Any] = {
        "refimpl": bm25_peers.ours,
        "bm25s": bm25_peers.bm25s_build,
        "bm25s (numba)": lambda these: bm25_peers.bm25s_build(these, "numba"),
        "tantivy": bm25_peers.Tantivy,
        "rank_bm25": bm25_peers.rank_bm25_build,
    }[name]
    build(tokens[:100])  # what is compiled or imported at first use is not charged to the index
    made: dict[str, Any] = {}

    def once() -> None:
        began = perf_counter()
        made["index"] = build(tokens)
        made["build_s"] = perf_counter() - began

    before = _resident_bytes()
    peak = peak_growth_bytes(once)
    told = {"build_s": made["build_s"], "build_peak_bytes": peak, "index_bytes": _resident_bytes() - before}
    for kind, asked in queries.items():
        ids, scores = answer_of(name, made["index"], asked[:5])
        told[f"verdict, {kind}"] = judged(name, ids, scores, asked[:5], corpus).says
    pipe.send(told)
    runs = {kind: searching(name, made["index"], asked) for kind, asked in queries.items()}
    while (kind := pipe.recv()) is not None:
        began = perf_counter()
        runs[kind]()
        pipe.send(perf_counter() - began)


def _resident_bytes() -> int:
    """The memory of the process that asks, garbage given back first; the documents' tokens are in it throughout."""
    gc.collect()
    give_back()
    return int(psutil.Process().memory_info().rss)


if __name__ == "__main__":
    main()
