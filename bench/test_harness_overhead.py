"""What the store adds to bare pymilvus calls: the same rows, the same batches, the same answers; at most 5% is the aim.

Ingest stands in test_ingest.py, where both sides make their rows of the same arrays.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from bench.collection import DIM, QUERIES, Collection, K, collection
from bench.race import Race, Verdict
from refimpl.search.milvus import MilvusStore
from refimpl.search.records import Field, Found, sparse_row

DOCUMENTS = 1000
FIELDS = [Field("dense", "dense", "IP", DIM), Field("sparse", "sparse")]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Collection, MilvusStore]]:
    data = collection(DOCUMENTS)
    with MilvusStore("overhead", FIELDS, uri=str(tmp_path_factory.mktemp("milvus") / "lite.db")) as store:
        store.ingest(data.ids, data.texts, {"dense": data.dense, "sparse": data.sparse})
        yield data, store


@pytest.mark.parametrize("asked", [1, QUERIES])
@pytest.mark.parametrize("field", ["dense", "sparse"])
def test_search_overhead(race: Race, opened: tuple[Collection, MilvusStore], field: str, asked: int) -> None:
    data, store = opened
    queries = (data.dense_queries if field == "dense" else data.sparse_queries)[:asked]
    sides = {
        "refimpl store": lambda: store.search(field, queries, K),
        "pymilvus": lambda: _bare(store._client, field, queries),
    }
    expected = _bare(store._client, field, queries)
    race(
        sides,
        stage="harness overhead",
        case=f"search {field}, {'one query' if asked == 1 else 'batched'}",
        work=asked,
        unit="queries",
        check=lambda _, answer: _same(answer, expected),
        data=data.fingerprint,
        k=K,
    )


def _bare(client: Any, field: str, queries: Any) -> Found:
    """What a user of pymilvus writes, down to lists of ids and scores."""
    rows = list(queries) if field == "dense" else [sparse_row(queries, row) for row in range(queries.shape[0])]
    parameters = {"metric_type": "IP"}
    answer = client.search(
        "overhead", data=rows, anns_field=field, limit=K, search_params=parameters, output_fields=["id"]
    )
    return Found(
        [[hit["id"] for hit in hits] for hits in answer], [[hit["distance"] for hit in hits] for hits in answer]
    )


def _same(answer: Found, expected: Found) -> Verdict:
    assert answer.ids == expected.ids, "other documents than bare pymilvus"
    assert answer.scores == expected.scores, "other scores than bare pymilvus"
    return Verdict("the ids and scores of bare pymilvus, to the last digit")
