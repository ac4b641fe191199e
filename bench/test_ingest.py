"""Ingest: documents with dense and sparse vectors into an empty Milvus Lite collection, against bare pymilvus."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import peers
from bench.collection import DIM, Collection, collection
from bench.race import Competitor, Correctness, Race
from refimpl.search.fields import DenseField, SparseField
from refimpl.search.store import MilvusStore

FIELDS = [DenseField("dense", DIM), SparseField("sparse")]
BATCH_SIZE = 500


@pytest.mark.parametrize("size", [250, 1000])
def test_ingest(race: Race, tmp_path: Path, size: int) -> None:
    data = collection(size)
    pymilvus = peers.get("pymilvus")
    assert pymilvus is not None, "the ingest suite needs the extra milvus"
    with (
        MilvusStore("ours", FIELDS, uri=str(tmp_path / "ours.db")) as ours,
        MilvusStore("bare", FIELDS, uri=str(tmp_path / "bare.db")) as bare,  # for the same schema and indices
    ):
        sides = {
            "refimpl store": Competitor(lambda: _ours(ours, data), before=ours.drop),
            "pymilvus": Competitor(lambda: _bare(bare._client, data), before=bare.drop),
        }
        stores = {"refimpl store": ours, "pymilvus": bare}
        facts = {"work": size, "unit": "documents", "size": size, "data": data.fingerprint, "batch_size": BATCH_SIZE}
        race(sides, stage="ingest", case=f"{size} documents", check=lambda name, _: _whole(stores[name], data), **facts)


def _ours(store: MilvusStore, data: Collection) -> None:
    store.ingest(data.ids, data.texts, {"dense": data.dense, "sparse": data.sparse}, batch_size=BATCH_SIZE)


def _bare(client: Any, data: Collection) -> None:
    """The calls that a user of pymilvus writes: array rows, dicts for sparse rows, the same batches, then a flush."""
    for start in range(0, len(data.ids), BATCH_SIZE):
        rows = range(start, min(start + BATCH_SIZE, len(data.ids)))
        batch = [
            {"id": data.ids[i], "text": data.texts[i], "dense": data.dense[i], "sparse": _entries(data, i)}
            for i in rows
        ]
        client.upsert("bare", batch)
    client.flush("bare")


def _entries(data: Collection, row: int) -> dict[int, float]:
    start, end = data.sparse.indptr[row], data.sparse.indptr[row + 1]
    return dict(zip(data.sparse.indices[start:end].tolist(), data.sparse.data[start:end].tolist(), strict=True))


def _whole(store: MilvusStore, data: Collection) -> Correctness:
    """Check that every document is stored once, and that sampled vectors are their own nearest neighbours."""
    assert store.count() == len(data.ids), f"expected {len(data.ids)} documents, got {store.count()}"
    sample = np.linspace(0, len(data.ids) - 1, 20, dtype=int)
    results = store.search("sparse", data.sparse[sample], 1)
    own = [[data.ids[row]] for row in sample]
    # random sparse documents hardly overlap, so each is its own best match
    assert results.ids == own, "sampled documents are not their own best hits"
    return Correctness(f"{len(data.ids)} documents, each once; {len(own)} sampled ones are their own best hits")
