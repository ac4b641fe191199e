"""What sharing the scores of pairs saves: six systems, their best 50 hits reranked by MaxSim.

    python -m bench.shared_pairs --dataset beir:PATH/cranfield

Each system's hits are reranked query by query, as a reranker is called that is no `PairScorer`; then all systems' at
once, each distinct pair scored once, from an empty cache; then again from the filled one. All must give equal scores.
The first is done in three parts between three times the second and third, so that a slower machine slows down all.
Ratios are also those of CPU time, which other processes change less. 1,033 documents and 30 queries are MED's numbers.
"""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

import numpy as np

from refimpl import MaxSimRerankFunction
from refimpl.base import RerankFunction, RerankResult
from refimpl.datasets import open_dataset
from refimpl.search.encoding import encode_dataset
from refimpl.search.failures import Failures
from refimpl.search.plan import LoadedDataset, RunPlan, load
from refimpl.search.records import SearchResults
from refimpl.search.reranking import Reranking
from refimpl.search.run import collection_name, run_systems
from refimpl.search.store import MilvusStore
from refimpl.systems import Settings, build

SYSTEMS = ("dense", "bm25", "bm25-lucene", "milvus-bm25", "hybrid-rrf", "hybrid-weighted")
PARTS = 3
Retrieved = dict[str, SearchResults]


def main() -> None:
    """Measure and print the times and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--documents", type=int, default=1033)
    parser.add_argument("--queries", type=int, default=30)
    parser.add_argument("--max-length", type=int, default=256, help="tokens per text")
    options = parser.parse_args()
    dataset = first(load(open_dataset(options.dataset)), options.documents, options.queries)
    with tempfile.TemporaryDirectory() as folder:
        encoders, plain = build(SYSTEMS, Settings(max_length=options.max_length))
        plan = RunPlan(encoders, plain)
        with MilvusStore(collection_name(dataset, encoders), plan.fields, uri=str(Path(folder) / "milvus.db")) as store:
            found = dict(run_systems(store, plan, dataset, encode_dataset(plan, dataset, False), False).retrieved)
        maxsim, key = MaxSimRerankFunction(max_length=options.max_length), {"max_length": options.max_length}
        plan = replace(plan, systems=[replace(one, rerank=maxsim, rerank_key=key) for one in plain])
        measure(plan, dataset, found, Path(folder))


def measure(plan: RunPlan, dataset: LoadedDataset, found: Retrieved, folder: Path) -> None:
    """Rerank in the three ways, compare, and print."""
    by_query = replace(plan, systems=[replace(one, rerank=QueryByQuery(one.rerank)) for one in plan.systems])
    size = -(-len(dataset.queries) // PARTS)
    clocks: dict[str, list[Clock]] = {"query by query": [], "pairs once": [], "from the cache": []}
    for part in range(PARTS):
        queries = slice(part * size, (part + 1) * size)
        with timed(clocks["query by query"]):
            expected = reranked(by_query, restricted(dataset, queries), sliced(found, queries))
        cached = replace(plan, cache=folder / f"cache-{part}")
        for name in ("pairs once", "from the cache"):
            with timed(clocks[name]):
                got = reranked(cached, dataset, found)
            check(expected, sliced(got, queries))
    print(f"{dataset.name}: {len(dataset.ids)} documents, {len(dataset.queries)} queries, {len(plan.systems)} systems")
    before = Clock(*(sum(getattr(one, key) for one in clocks["query by query"]) for key in ("wall_s", "cpu_s")))
    print(f"{'query by query':15} {before.wall_s:8.1f} s wall {before.cpu_s:8.1f} s CPU")
    for name in ("pairs once", "from the cache"):
        wall, cpu = (median(getattr(one, key) for one in clocks[name]) for key in ("wall_s", "cpu_s"))
        ratios = f"{before.wall_s / wall:6.1f} times sooner, {before.cpu_s / cpu:6.1f} times less CPU"
        print(f"{name:15} {wall:8.2f} s wall {cpu:8.2f} s CPU {ratios}")


@dataclass(frozen=True)
class QueryByQuery:
    """A reranker without its `score_pairs`."""

    function: RerankFunction

    def __call__(self, query: str, documents: list[str], top_k: int | None = 5) -> list[RerankResult]:
        return self.function(query, documents, top_k)


@dataclass(frozen=True)
class Clock:
    """Seconds of one measurement."""

    wall_s: float
    cpu_s: float


@contextmanager
def timed(clocks: list[Clock]) -> Iterator[None]:
    """Append the time of the block."""
    wall, cpu = perf_counter(), process_time()
    yield
    clocks.append(Clock(perf_counter() - wall, process_time() - cpu))


def first(dataset: LoadedDataset, documents: int, queries: int) -> LoadedDataset:
    """The first documents, and the first queries."""
    kept = dict(list(dataset.queries.items())[:queries])
    qrels = {query_id: dataset.qrels[query_id] for query_id in kept}
    ids, texts = dataset.ids[:documents], dataset.texts[:documents]
    return replace(dataset, ids=ids, texts=texts, queries=kept, qrels=qrels)


def restricted(dataset: LoadedDataset, queries: slice) -> LoadedDataset:
    return replace(dataset, queries=dict(list(dataset.queries.items())[queries]))


def sliced(results: Retrieved, queries: slice) -> Retrieved:
    return {name: SearchResults(one.ids[queries], one.scores[queries]) for name, one in results.items()}


def reranked(plan: RunPlan, dataset: LoadedDataset, found: Retrieved) -> Retrieved:
    failures = Failures()
    results = Reranking(plan, dataset, found, lambda timing: None).run(failures)
    failures.raise_first()
    return results


def check(expected: Retrieved, got: Retrieved) -> None:
    """Fail unless both have the same scores, and the same documents in the same order up to 1e-6."""
    assert expected.keys() == got.keys()
    for name, results in expected.items():
        for ids, scores, other_ids, other_scores in zip(
            results.ids, results.scores, got[name].ids, got[name].scores, strict=True
        ):
            assert sorted(ids) == sorted(other_ids), name
            np.testing.assert_allclose(other_scores, scores, rtol=0, atol=1e-6)


if __name__ == "__main__":
    main()
