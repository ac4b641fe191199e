"""refimpl.search.indexed_store on Milvus Lite: indexes are built as asked for, deletes and upserts take effect."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from refimpl.search.fields import DenseField, SparseField
from refimpl.search.indexed_store import IndexedStore
from refimpl.search.indexes import Index
from refimpl.search.milvus_uri import MilvusError

N, DIM, K = 1500, 32, 10
rng = np.random.default_rng(7)
VECTORS = rng.standard_normal((N, DIM)).astype(np.float32)
QUERIES = rng.standard_normal((40, DIM)).astype(np.float32)
IDS = [str(row) for row in range(N)]
FIELD = DenseField("dense", DIM, "L2")


def nearest(vectors: np.ndarray, rows: np.ndarray) -> list[set[str]]:
    distances = ((QUERIES[:, None, :].astype(np.float64) - vectors[None]) ** 2).sum(axis=2)
    return [{str(rows[place]) for place in order[:K]} for order in distances.argsort(axis=1)]


EXACT = nearest(VECTORS, np.arange(N))


def recall(store: IndexedStore, expected: list[set[str]] = EXACT, **parameters: int) -> float:
    results = store.search("dense", QUERIES, K, parameters=parameters)
    return sum(len(set(ids) & best) for ids, best in zip(results.ids, expected, strict=True)) / (K * len(expected))


@pytest.fixture
def store(tmp_path):
    with IndexedStore("indexed", FIELD, uri=str(tmp_path / "lite.db")) as made:
        made.ingest(IDS, IDS, {"dense": VECTORS})
        yield made


def test_build_and_search_parameters_change_what_is_found(store):
    figures = {}
    for edges in (4, 32):
        store.set_index(Index("HNSW", {"M": edges, "efConstruction": 100}))
        figures[edges] = recall(store, ef=10), recall(store, ef=400), store.index_bytes()
    assert figures[4][0] < figures[4][1] - 0.1
    assert figures[4][0] < figures[32][0] - 0.1
    assert figures[32][1] == 1.0
    # 4 bytes per edge: 2 M in the lowest layer of HNSW
    assert figures[32][2] - figures[4][2] == pytest.approx(N * 4 * 2 * 28, rel=0.1)
    store.set_index(Index("IVF_FLAT", {"nlist": 16}))
    assert recall(store, nprobe=1) < 0.6
    assert recall(store, nprobe=16) == 1.0


def test_milvus_lite_ignores_build_parameters_in_the_form_that_pymilvus_documents(store):
    """The reason for the form that `set_index` sends; where this fails, Milvus Lite has been repaired."""
    client = store._client
    store.remove_index()
    parameters = client.prepare_index_params()
    build = {"M": 4, "efConstruction": 100}
    parameters.add_index("dense", index_name="dense", index_type="HNSW", metric_type="L2", params=build)
    client.create_index("indexed", parameters, sync=False)
    client.load_collection("indexed")
    documented = store.index_bytes()
    store.set_index(Index("HNSW", {"M": 16, "efConstruction": 200}))  # Milvus Lite's defaults
    assert store.index_bytes() == pytest.approx(documented, rel=0.01)


@pytest.mark.parametrize("index", [Index("IVF_PQ", {"nlist": 8, "m": 8, "nbits": 8}), Index("DISKANN")])
def test_a_refused_index_raises_and_the_next_one_is_built(tmp_path, index):
    with IndexedStore("indexed", FIELD, uri=str(tmp_path / "lite.db")) as store:
        store.ingest(IDS, IDS, {"dense": VECTORS})
        with pytest.raises(MilvusError, match=f"Milvus failed at building {index.type}"):
            store.set_index(index)
    with IndexedStore("indexed", FIELD, uri=str(tmp_path / "lite.db")) as store:  # the folder can be opened again
        assert recall(store) == 1.0
        store.set_index(Index("IVF_FLAT", {"nlist": 8}))
        assert recall(store, nprobe=8) == 1.0


@pytest.mark.parametrize("index", [Index("FLAT"), Index("HNSW", {"M": 32, "efConstruction": 200})])
def test_deleted_documents_do_not_return_and_overwritten_ones_only_by_their_new_vector(store, index):
    store.set_index(index)
    deleted, moved = np.arange(0, 100), np.arange(100, 200)
    vectors = VECTORS.copy()
    vectors[moved] = VECTORS[moved[::-1]]
    store.delete([IDS[row] for row in deleted])
    store.overwrite([IDS[row] for row in moved], ["moved"] * 100, vectors[moved])
    assert store.count() == N - 100
    assert recall(store, nearest(vectors[100:], np.arange(100, N)), ef=500) > 0.995
    found = {doc_id for ids in store.search("dense", vectors[deleted], 50).ids for doc_id in ids}
    assert not found & {IDS[row] for row in deleted}
    nearest_to_itself = store.search("dense", vectors[moved], 1, parameters={"ef": 500}).ids
    assert nearest_to_itself == [[IDS[row]] for row in moved]


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (Index("SPARSE_WAND"), "requires SPARSE_INVERTED_INDEX with metric IP"),
        (Index("SPARSE_INVERTED_INDEX", {"inverted_index_algo": "DAAT_WAND"}), "unsupported sparse algorithm"),
        (Index("SPARSE_INVERTED_INDEX", {"drop_ratio_build": 0.2}), "only drop_ratio_build=0 is supported"),
    ],
)
def test_milvus_lite_refuses_approximate_sparse_indexes_and_searches(tmp_path, index, message):
    documents = csr_array(np.eye(20, dtype=np.float32) + 1)
    with IndexedStore("sparse", SparseField("sparse"), uri=str(tmp_path / "lite.db")) as store:
        store.ingest(IDS[:20], IDS[:20], {"sparse": documents})
        with pytest.raises(MilvusError, match=message):
            store.set_index(index)
        store.set_index(Index("SPARSE_INVERTED_INDEX"))
        assert store.search("sparse", documents[:1], 1).ids == [["0"]]
        with pytest.raises(MilvusError, match="only drop_ratio_search=0 is supported"):
            store.search("sparse", documents[:1], 1, parameters={"drop_ratio_search": 0.2})
