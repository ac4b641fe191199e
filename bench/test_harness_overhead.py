"""Overhead of the store over bare pymilvus calls with the same rows, batches and results; the aim is at most 5%.

Ingestion is in test_ingest.py, where both sides build their rows from the same arrays.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from bench.collection import DIM, QUERIES, Collection, K, check_hits, collection
from bench.race import Race
from refimpl.search.fields import DenseField, Metric, SparseField
from refimpl.search.records import SearchResults, sparse_row
from refimpl.search.store import MilvusStore

DOCUMENTS = 1000
METRICS: dict[str, Metric | None] = {"dense": "IP", "sparse": None}
FIELDS = [DenseField("dense", DIM), SparseField("sparse")]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Collection, MilvusStore]]:
    data = collection(DOCUMENTS)
    with MilvusStore("overhead", FIELDS, uri=str(tmp_path_factory.mktemp("milvus") / "lite.db")) as store:
        store.ingest(data.ids, data.texts, {"dense": data.dense, "sparse": data.sparse})
        yield data, store


@pytest.mark.parametrize("count", [1, QUERIES])
@pytest.mark.parametrize("field", ["dense", "sparse"])
def test_search_overhead(race: Race, opened: tuple[Collection, MilvusStore], field: str, count: int) -> None:
    data, store = opened
    docs, queries = (data.dense, data.dense_queries) if field == "dense" else (data.sparse, data.sparse_queries)
    queries = queries[:count]
    sides = {
        "refimpl store": lambda: store.search(field, queries, K),
        "pymilvus": lambda: _bare(store._client, field, queries),
    }
    race(
        sides,
        stage="harness overhead",
        case=f"search {field}, {'one query' if count == 1 else 'batched'}",
        work=count,
        unit="queries",
        check=lambda _, answer: check_hits(answer.hits(data.position, K), queries, docs, METRICS[field]),
        data=data.fingerprint,
        k=K,
    )


def _bare(client: Any, field: str, queries: Any) -> SearchResults:
    """The calls that a user of pymilvus writes, including the lists of ids and scores."""
    rows = list(queries) if field == "dense" else [sparse_row(queries, row) for row in range(queries.shape[0])]
    parameters = {"metric_type": "IP"}
    answer = client.search(
        "overhead", data=rows, anns_field=field, limit=K, search_params=parameters, output_fields=["id"]
    )
    return SearchResults(
        [[hit["id"] for hit in hits] for hits in answer], [[hit["distance"] for hit in hits] for hits in answer]
    )
