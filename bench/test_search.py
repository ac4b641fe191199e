"""Search: the k best by each metric, single queries and batches: exact search, Milvus Lite, faiss."""

from collections.abc import Callable, Iterator
from typing import Any, get_args

import numpy as np
import pytest

from bench import peers
from bench.collection import DIM, QUERIES, Collection, K, check_fused, check_hits, collection
from bench.race import Race
from refimpl.search.exact import search_dense, search_sparse
from refimpl.search.fields import DenseField, Metric, SparseField
from refimpl.search.fusion import rrf
from refimpl.search.records import Ranker
from refimpl.search.store import MilvusStore
from refimpl.search.topk import TopK

FIELDS = [DenseField("dense", DIM), SparseField("sparse")]
DOCUMENTS = 1000
BATCHES = {"one query": 1, "batched": QUERIES}
Opened = Callable[[int], tuple[Collection, MilvusStore]]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """Collections by size, each in a Milvus Lite store, created on first use."""
    folder = tmp_path_factory.mktemp("milvus")
    stores: dict[int, tuple[Collection, MilvusStore]] = {}

    def open_one(size: int) -> tuple[Collection, MilvusStore]:
        if size not in stores:
            data = collection(size)
            store = MilvusStore("bench", FIELDS, uri=str(folder / f"{size}.db"))
            store.ingest(data.ids, data.texts, {"dense": data.dense, "sparse": data.sparse})
            stores[size] = data, store
        return stores[size]

    yield open_one
    for _, store in stores.values():
        store.close()


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("metric", get_args(Metric))
def test_search_dense(race: Race, opened: Opened, metric: Metric, batch: str) -> None:
    data, store = opened(DOCUMENTS)
    sized = {"size": DOCUMENTS, "series": "documents"} if (metric, batch) == ("IP", "batched") else {}
    _dense(race, data, store, metric, BATCHES[batch], case=f"{metric}, {batch}", **sized)


@pytest.mark.parametrize("size", [250, 4000])  # and DOCUMENTS, above
def test_search_cost_by_size(race: Race, opened: Opened, size: int) -> None:
    data, store = opened(size)
    _dense(race, data, store, "IP", QUERIES, case=f"IP, batched, {size} documents", size=size, series="documents")


@pytest.mark.parametrize("batch", BATCHES)
def test_search_sparse(race: Race, opened: Opened, batch: str) -> None:
    data, store = opened(DOCUMENTS)
    queries, position = data.sparse_queries[: BATCHES[batch]], data.position
    sides = {
        "refimpl exact": lambda: search_sparse(queries, data.sparse, K),
        "Milvus Lite": lambda: store.search("sparse", queries, K).hits(position, K),
    }
    facts = _facts(data, BATCHES[batch], f"sparse IP, {batch}")
    race(sides, check=lambda _, answer: check_hits(answer, queries, data.sparse, None), **facts)


@pytest.mark.parametrize("batch", BATCHES)
def test_search_hybrid(race: Race, opened: Opened, batch: str) -> None:
    """Milvus' hybrid search against our fusion of exact searches."""
    data, store = opened(DOCUMENTS)
    _index(store, "IP")
    dense, sparse = data.dense_queries[: BATCHES[batch]], data.sparse_queries[: BATCHES[batch]]
    position, ranker = data.position, Ranker("rrf")

    def ours() -> TopK:
        routes = [search_dense(dense, data.dense, 100, "IP"), search_sparse(sparse, data.sparse, 100)]
        return rrf(routes, K, rrf_k=ranker.rrf_k)

    sides = {
        "refimpl exact": ours,
        "Milvus Lite": lambda: store.hybrid({"dense": dense, "sparse": sparse}, K, ranker).hits(position, K),
    }
    expected = ours()
    race(
        sides,
        check=lambda _, answer: check_fused(answer, expected),
        **_facts(data, BATCHES[batch], f"hybrid RRF, {batch}"),
    )


def _dense(
    race: Race, data: Collection, store: MilvusStore, metric: Metric, count: int, case: str, **facts: Any
) -> None:
    _index(store, metric)
    queries, position = data.dense_queries[:count], data.position
    sides: dict[str, Callable[[], TopK]] = {
        "refimpl exact": lambda: search_dense(queries, data.dense, K, metric),
        "Milvus Lite": lambda: store.search("dense", queries, K).hits(position, K),
    }
    if (faiss := peers.get("faiss")) is not None:
        sides["faiss flat"] = _faiss(faiss, data.dense, queries, metric)
    facts |= _facts(data, count, case)
    race(sides, check=lambda _, answer: check_hits(answer, queries, data.dense, metric), **facts)


def _faiss(faiss: Any, documents: np.ndarray, queries: np.ndarray, metric: Metric) -> Callable[[], TopK]:
    index = faiss.IndexFlatL2(DIM) if metric == "L2" else faiss.IndexFlatIP(DIM)
    index.add(_unit(documents) if metric == "COSINE" else documents)

    def run() -> TopK:
        scores, ids = index.search(_unit(queries) if metric == "COSINE" else queries, K)
        return TopK(ids, -scores if metric == "L2" else scores)

    return run


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _index(store: MilvusStore, metric: Metric) -> None:
    if store.fields["dense"].metric != metric:
        store.set_metric("dense", metric)


def _facts(data: Collection, count: int, case: str) -> dict[str, Any]:
    return {"stage": "search", "case": case, "work": count, "unit": "queries", "data": data.fingerprint, "k": K}
