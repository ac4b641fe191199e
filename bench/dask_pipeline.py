"""The pipeline's stages on Dask workers against this process: seconds of each, and equal results to the last bit.

    python -m bench.dask_pipeline --out dask-pipeline.json [--count 1000000] [--workers 1 2 4]

Documents, encoders and queries are those of `bench.scale`. Every side fits BM25, encodes all documents into shards
(dense and BM25) and searches both fields exactly; one side after the other, each cluster in its own block.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from bench.memory import peak_rss_bytes
from bench.scale import DIM, QUERIES, Collection, K, Words
from refimpl import distributed
from refimpl.common import stamp
from refimpl.distributed.engine import ClusterEngine
from refimpl.search.encoding import encode_documents
from refimpl.search.engine import ThisProcess
from refimpl.search.exact import search_blocks
from refimpl.search.fields import DenseField, SparseField
from refimpl.search.plan import Encoder, LoadedDataset, RunPlan, load
from refimpl.search.scorers import scorer_of
from refimpl.shards import Manifest, blocks_of
from refimpl.sparse import BM25EmbeddingFunction

ONE = "one process"


def main() -> None:
    """Measure this process, then each number of workers, print a line per side, and keep everything as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    chosen = parser.parse_args()
    loaded = load(Collection(chosen.count))
    expected, seconds = side(loaded, None)
    sides, peaks = {ONE: seconds}, {ONE: peak_rss_bytes() or 0}
    for number in chosen.workers:
        with distributed.connect("local", workers=number) as client:
            found, sides[name := f"{number} workers"] = side(loaded, client)
            peaks[name] = max(filter(None, client.run(peak_rss_bytes).values()), default=0)
        assert same(found, expected), f"{name}: other results than this process"
    settings = {"dim": DIM, "queries": QUERIES, "k": K, "documents": chosen.count}
    result = {"stamp": stamp.stamp(settings=settings), "seconds": sides, "worker_peak_bytes": peaks}
    chosen.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(*table(sides, peaks, chosen.count), sep="\n")


def side(loaded: LoadedDataset, client: Any) -> tuple[dict[str, Any], dict[str, float]]:
    """Results and seconds of every stage, in this process or on the workers of `client`."""
    words, bm25 = Words(), BM25EmbeddingFunction(variant="lucene")
    encoders = [
        Encoder(DenseField("dense", DIM), words, {"model": "words"}, cached=False),
        Encoder(SparseField("bm25"), bm25, {"model": "bm25"}, cached=False, fit=bm25.fit_parts),
    ]
    engine = ThisProcess() if client is None else ClusterEngine(client)
    plan = RunPlan(encoders, [], engine=engine)
    results: dict[str, Any] = {}
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "shards"
        started = perf_counter()
        engine.fit(bm25, bm25.fit_parts, loaded.documents, lambda n: None)
        results["idf"], seconds["fit BM25"] = bm25.idf, perf_counter() - started
        started = perf_counter()
        encode_documents(plan, loaded, folder, False)
        results["files"] = [entry.sha256 for entry in Manifest.read(folder).shards]
        seconds["encode"] = perf_counter() - started
        queries = list(loaded.queries.values())
        for field, vectors in (("dense", words.encode_queries(queries)), ("bm25", bm25.encode_queries(queries))):
            started = perf_counter()
            results[field] = search(client, folder, field, vectors)
            seconds[f"search {field}"] = perf_counter() - started
    return results, seconds


def search(client: Any, folder: Path, field: str, queries: Any) -> Any:
    """Exact search of all shards."""
    if client is not None:
        return distributed.search_shards(client, folder, field, queries, K)
    return search_blocks(scorer_of(queries), blocks_of(folder, field), K)


def same(found: dict[str, Any], expected: dict[str, Any]) -> bool:
    """Whether idf, the shards' checksums, and the rows and scores of every hit are equal to the last bit."""
    hits = (zip(found[field], expected[field], strict=True) for field in ("dense", "bm25"))
    pairs = [(found["idf"], expected["idf"]), *chain.from_iterable(hits)]
    return found["files"] == expected["files"] and all(np.array_equal(mine, other) for mine, other in pairs)


def table(sides: dict[str, dict[str, float]], peaks: dict[str, int], count: int) -> Iterator[str]:
    """A line per side: documents per second of each stage, the whole against one process, the largest worker."""
    yield f"{count:,} documents".ljust(16) + "".join(stage.rjust(14) for stage in sides[ONE]) + "  whole     peak"
    base = sum(sides[ONE].values())
    for name, seconds in sides.items():
        rates = "".join(f"{count / took:12,.0f}/s" for took in seconds.values())
        yield f"{name:<16}{rates} {base / sum(seconds.values()):6.2f} {peaks[name] / 2**20:5.0f} MiB"


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    main()
