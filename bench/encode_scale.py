"""all-MiniLM-L6-v2 against the number of texts: time a token, and the process's peak memory.

    python -m bench.encode_scale --out scale.json [--counts 1000 10000 100000] [--peer-counts 1000 10000]

Each measurement lives in a fresh process, which loads the library, embeds one text, and then embeds all. Memory is the
peak of the whole process (libraries and weights included), and what the call added to it.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

from bench.memory import peak_growth_bytes, peak_rss_bytes
from bench.race import SEED
from bench.texts import texts
from refimpl.common import stamp

OURS, PEER = "refimpl", "sentence-transformers"
THREADS = 2


def main() -> None:
    """Measure in child processes, print a line each, and keep everything as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kind", default="short")
    parser.add_argument("--counts", type=int, nargs="*", default=[1_000, 10_000, 100_000])
    parser.add_argument("--peer-counts", type=int, nargs="*", default=[1_000, 10_000])
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child is not None:
        print(json.dumps(measured(chosen.child[0], chosen.kind, int(chosen.child[1]))))
        return
    result: dict[str, Any] = {"stamp": stamp.stamp(settings={"seed": SEED, "threads": THREADS}), "points": []}
    for name, count in [*((OURS, n) for n in chosen.counts), *((PEER, n) for n in chosen.peer_counts)]:
        command = [sys.executable, "-m", "bench.encode_scale", "--out", "-", "--kind", chosen.kind]
        done = subprocess.run([*command, "--child", name, str(count)], capture_output=True, text=True, check=True)
        point = json.loads(done.stdout.splitlines()[-1])
        result["points"].append(point)
        print(formatted(point), flush=True)
        chosen.out.write_text(json.dumps(result, indent=1))


def measured(name: str, kind: str, count: int) -> dict[str, Any]:
    """One point, in this process."""
    documents, encode = texts(kind, count), encoder(name)
    encode(documents[:1])
    took = list[float]()

    def run() -> None:
        began = perf_counter()
        encode(documents)
        took.append(perf_counter() - began)

    added = peak_growth_bytes(run)
    peak = peak_rss_bytes()
    tokens = sum(token_counts(documents))
    memory = {"peak_bytes": peak, "added_bytes": added}
    return {"library": name, "kind": kind, "texts": count, "tokens": tokens, "seconds": took[0], **memory}


def encoder(name: str) -> Callable[[list[str]], Any]:
    """The library's own way, its weights loaded."""
    from bench import minilm_peers

    if name == PEER:
        found = minilm_peers.sentence_transformers_encoder(THREADS)
        if found is None:
            raise SystemExit("sentence-transformers is not installed: make peers")
        return found
    from refimpl import MiniLMEmbeddingFunction

    return MiniLMEmbeddingFunction(max_length=minilm_peers.MAX_LENGTH, num_workers=THREADS).encode_documents


def token_counts(documents: list[str]) -> Iterator[int]:
    """How many tokens each text has."""
    from refimpl import MiniLMEmbeddingFunction

    tokenizer = MiniLMEmbeddingFunction(max_length=256).tokenizer
    for start in range(0, len(documents), 4096):
        yield from tokenizer(documents[start : start + 4096]).lengths.tolist()


def formatted(point: dict[str, Any]) -> str:
    """One line for the screen."""
    cost = point["seconds"] / point["tokens"] * 1e6
    peak, added = ((point[key] or 0) / 1e6 for key in ("peak_bytes", "added_bytes"))
    took = f"{point['seconds']:.2f} s, {cost:.0f} us per token"
    return f"{point['texts']:>7} texts {point['library']:<22} {took}, peak {peak:.0f} MB, {added:.0f} MB of it added"


if __name__ == "__main__":
    main()
