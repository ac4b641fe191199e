"""MiniLM on Dask workers against one process with two threads: texts per second with 1, 2 and 4 workers.

    python -m bench.dask_scale --out dask-scale.json [--kind short] [--count 20000] [--workers 1 2 4] [--rounds 3]

Every side encodes the same texts, in parts of `--rows`, and all vectors are compared with those of the first side. The
rounds are interleaved. A cluster is started before its first round and stays; its workers, of one thread each, are idle
while others run.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from bench.memory import peak_rss_bytes
from bench.race import SEED
from bench.texts import fingerprint, texts
from refimpl import MiniLMEmbeddingFunction, distributed
from refimpl.common import stamp

THREADS = 2
Encode = Callable[[list[list[str]]], Iterator[np.ndarray]]


def main() -> None:
    """Measure every side in interleaved rounds, print a line each, and keep everything as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kind", default="short")
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--rows", type=int, default=1024)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    documents = texts(chosen.kind, chosen.count)
    parts = [documents[at : at + chosen.rows] for at in range(0, chosen.count, chosen.rows)]
    with ExitStack() as stack:
        clients = {n: stack.enter_context(distributed.connect("local", workers=n)) for n in chosen.workers}
        seconds = raced(sides(clients), parts, chosen.rounds)
        peaks = {n: max(filter(None, client.run(peak_rss_bytes).values()), default=0) for n, client in clients.items()}
    settings = {"seed": SEED, "threads": THREADS, "rows": chosen.rows, "texts": fingerprint(documents)}
    result = {
        "stamp": stamp.stamp(settings=settings),
        "texts": chosen.count,
        "kind": chosen.kind,
        "seconds": seconds,
        "worker_peak_bytes": peaks,
    }
    chosen.out.write_text(json.dumps(result, indent=1))
    for line in table(seconds, chosen.count):
        print(line)


def sides(clients: dict[int, Any]) -> dict[str, Encode]:
    """What is compared, by name; the first is the baseline."""
    encode = MiniLMEmbeddingFunction(num_workers=THREADS).encode_documents
    found: dict[str, Encode] = {f"one process, {THREADS} threads": partial(map, encode)}
    for number, client in clients.items():
        found[f"{number} worker process{'es' * (number > 1)}"] = partial(distributed.in_order, client, encode)
    return found


def raced(sides: dict[str, Encode], parts: list[list[str]], rounds: int) -> dict[str, list[float]]:
    """Seconds per round of each side, after one that loads the models; AssertionError for other vectors."""
    for encode in sides.values():
        list(encode([part[:8] for part in parts]))
    expected: np.ndarray | None = None
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, encode in sides.items():
            began = perf_counter()
            vectors = np.concatenate(list(encode(parts)))
            seconds[name].append(perf_counter() - began)
            expected = vectors if expected is None else expected
            np.testing.assert_array_equal(vectors, expected, err_msg=name)
            print(f"{name:<26} {seconds[name][-1]:8.2f} s", flush=True)
    return seconds


def table(seconds: dict[str, list[float]], count: int) -> Iterator[str]:
    """Median throughput of each side, and its ratio to the first in the same round: median, least and most."""
    baseline = next(iter(seconds.values()))
    yield f"{'side':<26} {'texts/s':>9} {'ratio':>7}  least to most"
    for name, took in seconds.items():
        ratios = [base / own for base, own in zip(baseline, took, strict=True)]
        yield f"{name:<26} {count / median(took):9.0f} {median(ratios):7.2f}  {min(ratios):.2f} to {max(ratios):.2f}"


if __name__ == "__main__":
    main()
