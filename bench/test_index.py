"""Indexes: the k best of a batch of queries by each index of Milvus Lite, against exact search."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.collection import DIM, QUERIES, Collection, K, collection
from bench.race import Correctness, Race
from refimpl.search.exact import search_dense
from refimpl.search.fields import DenseField
from refimpl.search.indexed_store import IndexedStore
from refimpl.search.indexes import Index, Parameters
from refimpl.search.topk import TopK
from refimpl.sweep.truth import Truth

DOCUMENTS = 2000
LEAST_RECALL = 0.5  # vectors without clusters: hard for every index
SIDES: dict[str, tuple[Index, Parameters]] = {
    "Milvus Lite FLAT": (Index("FLAT"), {}),
    "Milvus Lite HNSW": (Index("HNSW", {"M": 16, "efConstruction": 100}), {"ef": 64}),
    "Milvus Lite IVF_FLAT": (Index("IVF_FLAT", {"nlist": 32}), {"nprobe": 16}),
}


def test_index(race: Race, tmp_path: Path) -> None:
    """One race: each index has a collection of its own, the same documents and queries."""
    data = collection(DOCUMENTS)
    truth = Truth(data.dense_queries, data.dense, "COSINE")
    field = DenseField("dense", DIM, "COSINE")
    stores = {name: IndexedStore("bench", field, uri=_uri(tmp_path, name)) for name in SIDES}
    sides: dict[str, Any] = {"refimpl exact": lambda: search_dense(data.dense_queries, data.dense, K, "COSINE")}
    for name, (index, parameters) in SIDES.items():
        stores[name].ingest(data.ids, data.texts, {"dense": data.dense})
        stores[name].set_index(index)
        sides[name] = _searching(stores[name], data, parameters)
    try:
        facts = {"work": QUERIES, "unit": "queries", "data": data.fingerprint, "k": K}
        race(sides, stage="index", case=f"{DOCUMENTS} documents", check=lambda _, hits: _check(truth, hits), **facts)
    finally:
        for store in stores.values():
            store.close()


def _uri(folder: Path, name: str) -> str:
    return str(folder / f"{name.rpartition(' ')[2]}.db")


def _searching(store: IndexedStore, data: Collection, parameters: Parameters) -> Callable[[], TopK]:
    position = data.position
    return lambda: store.search("dense", data.dense_queries, K, parameters=parameters).hits(position, K)


def _check(truth: Truth, hits: TopK) -> Correctness:
    """Exact scores are required, and a minimum of recall; the recall is recorded beside the time."""
    found = truth.compare(hits, K)
    assert found.max_error <= found.tolerance, f"expected exact scores, got an error of {found.max_error:.1e}"
    assert not found.problems, "; ".join(found.problems)
    assert found.recall >= LEAST_RECALL, f"expected recall of at least {LEAST_RECALL}, got {found.recall:.3f}"
    return Correctness(f"exact scores, recall@{K} {found.recall:.3f}", found.recall)
