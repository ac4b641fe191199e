"""The pipeline against the number of documents: time, peak memory and bytes of each stage, up to a million.

    python -m bench.scale --out scale.json [--counts 10000 100000 1000000] [--costs docs/assets/scale.json]

Documents are made by rule (`bench.zipf.streamed`, 22 words on average), so that none is kept. Each count has a process
of its own, and each stage its own peak of resident memory, as the kernel counts it. Dense vectors are means of 384
random numbers per word, as a static model computes them; sparse ones are BM25's. `--costs` has the curve, and the costs
per document of the last count: `python -m bench.scale_page` writes the tables of docs/scale.md from them.
"""

import argparse
import gc
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

from bench.memory import CLEAR_REFS, RESET_PEAK, peak_rss_bytes
from bench.race import SEED
from bench.zipf import WORDS, ZipfCorpus, streamed
from refimpl.common import stamp
from refimpl.common.memory import return_free_memory
from refimpl.datasets import Document, Qrels
from refimpl.datasets.base import BadLines
from refimpl.search.encoding import encode_documents
from refimpl.search.exact import search_blocks
from refimpl.search.fields import DenseField, Field, SparseField
from refimpl.search.plan import Encoder, RunPlan, load
from refimpl.search.run_result import EncodedDocuments
from refimpl.search.scorers import scorer_of
from refimpl.search.store import MilvusStore
from refimpl.shards import Manifest, read_shard, shard_paths
from refimpl.sparse import BM25EmbeddingFunction, BM25Index

COUNTS = (10_000, 100_000, 1_000_000)
DIM, QUERIES, K, ROWS_OF_TABLE = 384, 100, 100, 20_000
MINILM_TEXTS = 2_000


class Words:
    """Dense: the mean of a random vector per word, of unit length."""

    dim = DIM

    def __init__(self) -> None:
        self._table = np.random.default_rng(SEED).standard_normal((ROWS_OF_TABLE, DIM)).astype(np.float32)

    def encode_documents(self, documents: list[str]) -> np.ndarray:
        """One row per text."""
        vectors = np.empty((len(documents), DIM), np.float32)
        for row, text in enumerate(documents):
            vectors[row] = self._table[[int(word[1:]) % ROWS_OF_TABLE for word in text.split()]].mean(axis=0)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    encode_queries = encode_documents


class Collection:
    """A data set of `count` documents by rule; queries are words of the first ones."""

    def __init__(self, count: int) -> None:
        self.name, self.bad, self._count = f"zipf:{count}", BadLines(), count

    def documents(self) -> Iterator[Document]:
        return (Document(f"d{row}", text) for row, text in enumerate(streamed(self._count)))

    def queries(self) -> dict[str, str]:
        drawn = ZipfCorpus("short", 4096).queries("content words", QUERIES)
        return {f"q{number}": " ".join(words) for number, words in enumerate(drawn)}

    def qrels(self) -> Qrels:
        return {f"q{number}": {f"d{number}": 1} for number in range(QUERIES)}


def main() -> None:
    """Measure in child processes, print a line per stage, and keep everything as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS)
    parser.add_argument("--ingested", type=int, default=50_000, help="documents written to Milvus Lite")
    parser.add_argument("--costs", type=Path, help="write the costs per document of the last count")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        print(json.dumps(measured(options.child, options.ingested)))
        return
    result: dict[str, Any] = {"stamp": stamp.stamp(settings={"seed": SEED, "dim": DIM, "k": K}), "points": []}
    for count in options.counts:
        command = [sys.executable, "-m", "bench.scale", "--out", "-", "--ingested", str(options.ingested)]
        done = subprocess.run([*command, "--child", str(count)], stdout=subprocess.PIPE, text=True, check=True)
        result["points"].append(json.loads(done.stdout.splitlines()[-1]))
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        print(table(result["points"][-1]), flush=True)
    if options.costs:
        summary = {"stamp": result["stamp"], "curve": curve(result["points"]), **costs(result["points"][-1])}
        options.costs.write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")


class Stages:
    """Runs stages and records seconds, CPU seconds and peak memory of each."""

    def __init__(self) -> None:
        self.stages: dict[str, dict[str, float]] = {}

    def run(self, name: str, documents: int, stage: Callable[[], Any]) -> Any:
        """Run one stage over `documents`."""
        gc.collect()
        return_free_memory()
        CLEAR_REFS.write_text(RESET_PEAK, encoding="ascii")
        start, cpu = perf_counter(), process_time()
        value = stage()
        self.stages[name] = {
            "documents": documents,
            "seconds": perf_counter() - start,
            "cpu_seconds": process_time() - cpu,
            "peak_rss_bytes": peak_rss_bytes() or 0,
        }
        return value


def measured(count: int, ingested: int) -> dict[str, Any]:
    """One point: every stage for `count` documents."""
    stages, collection = Stages(), Collection(count)
    bm25 = BM25EmbeddingFunction(variant="lucene")
    encoders = [
        Encoder(DenseField("dense", DIM), Words(), {"model": "words"}, cached=False),
        Encoder(SparseField("bm25"), bm25, {"model": "bm25"}, cached=False, fit=bm25.fit_parts),
    ]
    plan = RunPlan(encoders, [])
    fields: list[Field] = [one.field for one in encoders]
    loaded = stages.run("read", count, lambda: load(collection))
    stages.run("fit BM25", count, lambda: bm25.fit_parts(loaded.documents.parts()))
    queries = {one.field.name: one.function.encode_queries(list(loaded.queries.values())) for one in encoders}  # type: ignore[union-attr]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "shards"
        encoded, timings = stages.run("encode", count, lambda: encode_documents(plan, loaded, folder, False))
        for field in fields:
            search = Search(encoded, field, queries[field.name])
            stages.run(f"search {field.name}", count, search)
        stages.run("ingest", min(count, ingested), lambda: ingest(encoded, fields, Path(temporary), ingested))
        stages.run("index", count, lambda: index(loaded.documents.texts(), Path(temporary) / "index"))
        return {
            "count": count,
            "stages": stages.stages,
            "encode_seconds": {one.what: one.seconds for one in timings},
            "bytes": sizes(folder) | {"index": (Path(temporary) / "index").stat().st_size},
            "entries": entries(folder),
            "terms": bm25.dim,
            "minilm": minilm(),
        }


class Search:
    """Exact search of the queries in all shards."""

    def __init__(self, encoded: EncodedDocuments, field: Field, queries: Any) -> None:
        self._encoded, self._field, self._queries = encoded, field, queries

    def __call__(self) -> None:
        search_blocks(scorer_of(self._queries), self._encoded.blocks(self._field.name), K)


def ingest(encoded: EncodedDocuments, fields: list[Field], folder: Path, most: int) -> None:
    """Write the first shards to Milvus Lite, at most `most` documents."""
    paths, rows = [], 0
    for path, entry in zip(shard_paths(encoded.folder), Manifest.read(encoded.folder).shards, strict=True):
        if rows + entry.rows > most:
            break
        paths.append(path)
        rows += entry.rows
    with MilvusStore("scale", fields, uri=str(folder / "m.db")) as store:
        store.ingest_parts(read_shard(path) for path in paths)


def index(texts: Iterator[str], file: Path) -> None:
    """A BM25Index of all texts, whose postings are in memory, and its file."""
    BM25Index.build(list(texts), analyzer="simple").save(file)


def sizes(folder: Path) -> dict[str, int]:
    """Bytes of all shards, and of the columns in their Parquet files."""
    from pyarrow import parquet

    total = {"shards": sum(entry.bytes for entry in Manifest.read(folder).shards)}
    for path in shard_paths(folder):
        metadata = parquet.read_metadata(path)
        for group in range(metadata.num_row_groups):
            for number in range(metadata.num_columns):
                column = metadata.row_group(group).column(number)
                name = column.path_in_schema.partition(".")[0]
                total[name] = total.get(name, 0) + column.total_compressed_size
    return total


def entries(folder: Path) -> int:
    """Entries of all sparse vectors."""
    return sum(int(read_shard(path, ["bm25"]).vectors["bm25"].nnz) for path in shard_paths(folder))


def minilm() -> dict[str, float]:
    """CPU seconds per text of all-MiniLM-L6-v2, for as many words as the documents have on average."""
    from refimpl import MiniLMEmbeddingFunction

    function = MiniLMEmbeddingFunction()
    prose = "the exact search of a collection of short documents compares every query with every vector and keeps only "
    texts = [f"{prose} the best of them {number}" for number in range(MINILM_TEXTS)]
    function.encode_documents(texts[:32])
    start = process_time()
    function.encode_documents(texts)
    return {"cpu_seconds_per_text": (process_time() - start) / len(texts), "words": len(texts[0].split())}


def costs(point: dict[str, Any]) -> dict[str, Any]:
    """Costs per document, from one point: CPU seconds, bytes on disk, bytes in memory."""
    stages, count = point["stages"], point["count"]

    def each(name: str) -> float:
        return float(stages[name]["cpu_seconds"] / stages[name]["documents"])

    # of the stage's CPU time, the shares that the two encoders took of its duration
    share = {name: seconds / stages["encode"]["seconds"] for name, seconds in point["encode_seconds"].items()}
    return {
        "measured_at": count,
        "cpu_seconds_per_document": {
            "read": each("read"),
            "fit_bm25": each("fit BM25"),
            "encode_static": each("encode") * share["dense"],
            "encode_minilm": point["minilm"]["cpu_seconds_per_text"],
            "encode_bm25": each("encode") * share["bm25"],
            "write_shards": each("encode") * (1 - sum(share.values())),
            "ingest_lite": each("ingest"),
            "search_dense_per_query": each("search dense") / QUERIES,
            "search_bm25_per_query": each("search bm25") / QUERIES,
        },
        "bytes_per_document": {name: size / count for name, size in point["bytes"].items()},
        "entries_per_document": point["entries"] / count,
        "dim": DIM,
        "words": point["minilm"]["words"],
    }


def curve(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Per count, seconds and peak memory of each stage."""
    return [
        {
            "count": point["count"],
            "stages": {
                name: {key: round(stage[key], 2) for key in ("documents", "seconds", "peak_rss_bytes")}
                for name, stage in point["stages"].items()
            },
        }
        for point in points
    ]


def table(point: dict[str, Any]) -> str:
    """Printed lines of one point."""
    lines = [f"{point['count']:,} documents"]
    for name, stage in point["stages"].items():
        rate = stage["documents"] / stage["seconds"]
        lines.append(
            f"  {name:14} {stage['seconds']:9.1f} s {rate:11,.0f}/s  peak {stage['peak_rss_bytes'] / 2**20:6.0f} MiB"
        )
    each = ", ".join(f"{name} {size / point['count']:.0f}" for name, size in point["bytes"].items())
    return "\n".join([*lines, f"  bytes per document: {each}; {point['terms']:,} terms of {WORDS:,} words"])


if __name__ == "__main__":
    main()
