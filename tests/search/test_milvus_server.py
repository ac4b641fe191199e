"""A real Milvus server (2.3.5): dense retrieval end to end, sweeps, a wrong token, and SIGKILL at any moment.

Milvus 2.3 has no sparse vectors, no hybrid search and no BM25 function: those are tested with Milvus Lite only.
"""

import json
import threading
import time

import numpy as np
import pytest

pytest.importorskip("milvus", reason="PyPI's milvus, the server, is not installed: make peers installs it")

from milvus_server import TOKEN, MilvusServer

from refimpl import systems
from refimpl.datasets import Document, open_dataset
from refimpl.search.exact import search_dense
from refimpl.search.fields import DenseField
from refimpl.search.indexed_store import IndexedStore
from refimpl.search.milvus_uri import Connection, MilvusError
from refimpl.search.store import MilvusStore
from refimpl.search.validation import validate_dense
from refimpl.shards import encode_shards, shard_paths
from refimpl.sweep import Effort, Options, parse_grids, sweep

pytestmark = pytest.mark.peer

N, DIM, K = 3000, 32, 10
rng = np.random.default_rng(11)
VECTORS = rng.standard_normal((N, DIM)).astype(np.float32)
QUERIES = rng.standard_normal((30, DIM)).astype(np.float32)
IDS = [f"doc-{row}" for row in range(N)]
POSITION = {doc_id: row for row, doc_id in enumerate(IDS)}
FIELD = DenseField("dense", DIM, "L2")
TEXTS = ["a cat purrs", "the dog barks at night", "fish swim in the sea", "a recipe for bread", "trains run late"]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    started = MilvusServer(tmp_path_factory.mktemp("milvus"))
    yield started
    started.kill()


def opened(server, collection, kind=MilvusStore):
    fields = FIELD if kind is IndexedStore else [FIELD]
    return kind(collection, fields, uri=server.uri, token=TOKEN)


def stored_ids(store):
    rows = store._client.query(
        store.collection, filter='id like "doc-%"', output_fields=["id"], limit=16_384, consistency_level="Strong"
    )
    return sorted(row["id"] for row in rows)


def test_deleted_and_overwritten_documents_on_the_server(server):
    vectors = VECTORS.copy()
    vectors[100:200] = VECTORS[199:99:-1]
    with opened(server, "changed", IndexedStore) as store:
        store.ingest(IDS, IDS, {"dense": VECTORS})
        store.delete(IDS[:100])
        store.overwrite(IDS[100:200], IDS[100:200], vectors[100:200])
        assert store.settle() == N - 100
        hits = store.search("dense", QUERIES, K).hits({doc_id: row for row, doc_id in enumerate(IDS[100:])}, K)
    assert validate_dense(hits, QUERIES, vectors[100:], "L2").passed


@pytest.mark.parametrize("token", ["root:wrong", "nobody:Milvus", None])
def test_a_wrong_token_is_refused_and_not_shown(server, token):
    with pytest.raises(MilvusError, match=r"expected a token that http://127\.0\.0\.1:\d+ accepts, got") as caught:
        MilvusStore("refused", [FIELD], uri=server.uri, token=token)
    assert "wrong" not in str(caught.value)
    assert "give --token user:password or an API key" in str(caught.value)


def test_dense_retrieval_end_to_end_equals_that_of_milvus_lite(server, tmp_path):
    lines = [json.dumps({"_id": f"d{i}", "title": "", "text": text}) for i, text in enumerate(TEXTS)]
    (tmp_path / "corpus.jsonl").write_text("\n".join(lines), encoding="utf-8")
    queries = [json.dumps({"_id": "q0", "text": "purring pets"}), json.dumps({"_id": "q1", "text": "baking"})]
    (tmp_path / "queries.jsonl").write_text("\n".join(queries), encoding="utf-8")
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq0\td0\t1\nq1\td3\t1\n", encoding="utf-8")
    results = [
        systems.run(
            open_dataset(f"beir:{tmp_path}"), ["dense"], tmp_path / name, systems.Settings(depth=10), connection
        )
        for name, connection in (("server", Connection(server.uri, TOKEN)), ("lite", None))
    ]
    assert [one["store"]["milvus"] for one in results] == ["server", "Lite"]
    for one in results:
        assert [(verdict["what"], verdict["metric"]) for verdict in one["verdicts"] if not verdict["passed"]] == []
        assert {verdict["metric"] for verdict in one["verdicts"]} >= {"IP", "COSINE", "L2"}
        assert one["systems"]["dense"]["metrics"]["nDCG@10"] == 1.0
    runs = [(tmp_path / name / "runs" / "dense.trec").read_text(encoding="utf-8") for name in ("server", "lite")]
    of_server, of_lite = ([line.split()[:3] for line in run.splitlines()] for run in runs)
    assert of_server == of_lite


def test_two_indexes_are_swept_on_the_server_and_on_milvus_lite(server, tmp_path, record_property):
    grids = parse_grids(["hnsw", "ivf_flat"], ["hnsw:M=16;ef=400", "ivf_flat:nlist=16;nprobe=1,16"])
    options = Options(queries=20, changes=False, effort=Effort(k=10, single=5, clients=(1, 4), filters=(0.1,)))
    for name, connection in (("server", Connection(server.uri, TOKEN)), ("lite", None)):
        results = sweep("clustered:3000x16", grids, tmp_path / name, options, connection)
        assert all(point["correct"] for point in results["points"])
        hnsw, ivf_1, ivf_16 = (point["recall"]["10"] for point in results["points"])
        assert hnsw > 0.99
        assert ivf_1 < ivf_16 == 1.0
        record_property(f"{name}, ms per query", [point["latency_ms"]["single"] for point in results["points"]])
        record_property(f"{name}, seconds to ingest", results["store"]["ingested"]["dense"]["seconds"])
    record_property("server, resident bytes", server.resident_bytes)


def test_each_document_is_there_once_after_sigkill_in_the_middle_of_ingestion(server):
    halfway = threading.Event()
    errors = []

    def ingest(store, advance):
        try:
            store.ingest(IDS, IDS, {"dense": VECTORS}, batch_size=100, advance=advance)
        except MilvusError as error:  # or pymilvus waits until the server is there again
            errors.append(error)

    def advance(count, written=[0]):  # noqa: B006  a counter
        written[0] += count
        if written[0] == N // 3:
            halfway.set()

    with opened(server, "killed") as store:
        thread = threading.Thread(target=ingest, args=(store, advance))
        thread.start()
        assert halfway.wait(60)
        server.kill()
        server.start()
        thread.join(60)
        assert not thread.is_alive()
    with opened(server, "killed") as store:
        counts = store.ingest(IDS, IDS, {"dense": VECTORS}, batch_size=500)
        assert counts.written + counts.kept == N
        assert stored_ids(store) == sorted(IDS)
        hits = store.search("dense", QUERIES, K).hits(POSITION, K)
        assert validate_dense(hits, QUERIES, VECTORS, "L2").passed


def test_searches_are_exact_again_after_sigkill_in_the_middle_of_them(server):
    expected = search_dense(QUERIES, VECTORS, K, "L2").ids.tolist()
    first, stop = threading.Event(), threading.Event()
    found, errors = [], []

    def search(store):
        while not stop.is_set():
            try:
                found.append(store.search("dense", QUERIES, K).hits(POSITION, K).ids.tolist())
            except MilvusError as error:
                errors.append(error)
            first.set()

    with opened(server, "searched") as store:
        store.ingest(IDS, IDS, {"dense": VECTORS})
        thread = threading.Thread(target=search, args=(store,))
        thread.start()
        assert first.wait(60)
        server.kill()
        server.start()
        stop.set()
        thread.join(90)
        assert not thread.is_alive()
    assert found
    assert all(ids == expected for ids in found)  # an interrupted search raises, or is complete
    with opened(server, "searched") as store:
        assert stored_ids(store) == sorted(IDS)
        assert store.search("dense", QUERIES, K).hits(POSITION, K).ids.tolist() == expected


def test_the_servers_own_bulk_import_reads_our_shards(server, tmp_path):
    """By gRPC: 2.3 has no REST API for imports. Its storage is the local disk, so it reads the files where they are."""
    from pymilvus import connections, utility

    documents = [Document(doc_id, f"text {doc_id}") for doc_id in IDS]
    rows = iter(range(0, N, 1000))

    def encode(texts):
        start = next(rows)
        return VECTORS[start : start + len(texts)]

    encode_shards(documents, {"dense": encode}, tmp_path, {}, rows=1000)
    with opened(server, "imported") as store:
        connections.connect("imports", uri=server.uri, token=TOKEN)
        tasks = [utility.do_bulk_insert("imported", [str(f)], using="imports") for f in shard_paths(tmp_path)]
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            states = [utility.get_bulk_insert_state(task, using="imports") for task in tasks]
            if all(state.state_name not in ("Pending", "Started", "Persisted") for state in states):
                break
            time.sleep(0.5)
        connections.disconnect("imports")
        assert [(state.state_name, state.failed_reason) for state in states] == [("Completed", "")] * 3
        store._client.refresh_load("imported")  # 2.3 does not load what is imported into a loaded collection
        while len(stored_ids(store)) < N and time.monotonic() < deadline:
            time.sleep(0.5)
        assert stored_ids(store) == sorted(IDS)
        hits = store.search("dense", QUERIES, K).hits(POSITION, K)
        assert validate_dense(hits, QUERIES, VECTORS, "L2").passed
        assert store.texts(["doc-7"]) == {"doc-7": "text doc-7"}
