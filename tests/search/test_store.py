import random
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import pytest
from pymilvus.exceptions import MilvusException
from scipy.sparse import csr_array, random_array

from refimpl.search import exact, fusion
from refimpl.search import store as store_module
from refimpl.search.fields import DenseField, FullTextField, SparseField
from refimpl.search.file_locks import InUseError
from refimpl.search.milvus_uri import MilvusError
from refimpl.search.records import Ranker
from refimpl.search.store import MilvusStore, check_reachable
from refimpl.search.validation import validate_dense, validate_sparse

ROOT = Path(__file__).parent.parent.parent
rng = np.random.default_rng(13)
N, DIM, TERMS, K = 400, 24, 60, 20
DENSE = rng.normal(size=(N, DIM)).astype(np.float32)
SPARSE = csr_array(random_array((N, TERMS), density=0.1, rng=rng, dtype=np.float32)) * np.float32(9)
Q_DENSE = rng.normal(size=(30, DIM)).astype(np.float32)
Q_SPARSE = csr_array(random_array((30, TERMS), density=0.1, rng=rng, dtype=np.float32))
IDS = [f"doc/{i} é東" for i in range(N)]
TEXTS = [f"number {i} of {N}, {'even' if i % 2 == 0 else 'odd'} 😀" for i in range(N)]
FIELDS = [DenseField("dense", DIM), SparseField("sparse"), FullTextField("native")]
IDS[5:9] = ["a'b", 'a"b', "a\\b", "a\nb\x01"]
SPARSE = csr_array(SPARSE.multiply(np.arange(N)[:, None] != 7))  # a document without any term
SPARSE.eliminate_zeros()
POSITION = {doc_id: i for i, doc_id in enumerate(IDS)}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with MilvusStore("test", FIELDS, uri=str(tmp_path_factory.mktemp("milvus") / "deep" / "lite.db")) as made:
        made.ingest(IDS, TEXTS, {"dense": DENSE, "sparse": SPARSE}, batch_size=150)
        yield made


@pytest.mark.parametrize("metric", ["L2", "COSINE", "IP"])  # IP last, as the other tests expect it
def test_dense_results_equal_exact_search_by_every_metric(store, metric):
    store.set_metric("dense", metric)
    hits = store.search("dense", Q_DENSE, K).hits(POSITION, K)
    validation = validate_dense(hits, Q_DENSE, DENSE, metric)
    assert validation.passed, validation
    np.testing.assert_array_equal(hits.ids, exact.search_dense(Q_DENSE, DENSE, K, metric).ids)


def test_sparse_results_equal_exact_search(store):
    hits = store.search("sparse", Q_SPARSE, K).hits(POSITION, K)
    validation = validate_sparse(hits, Q_SPARSE, SPARSE)
    assert validation.passed, validation


@pytest.mark.parametrize(
    ("ranker", "fuse"),
    [
        (Ranker("rrf"), lambda routes: fusion.rrf(routes, K)),
        (Ranker("rrf", rrf_k=10), lambda routes: fusion.rrf(routes, K, rrf_k=10)),
        (
            Ranker("weighted", weights=(0.7, 0.3)),
            lambda routes: fusion.weighted(routes, [0.7, 0.3], ["IP", "IP"], K),
        ),
        (
            Ranker("weighted", weights=(0.7, 0.3), norm_score=False),
            lambda routes: fusion.weighted(routes, [0.7, 0.3], ["IP", "IP"], K, norm_score=False),
        ),
    ],
)
def test_hybrid_results_equal_our_fusion_of_the_routes(store, ranker, fuse):
    routes = [store.search("dense", Q_DENSE, 50).hits(POSITION, 50)]
    routes.append(store.search("sparse", Q_SPARSE, 50).hits(POSITION, 50))
    results = store.hybrid({"dense": Q_DENSE, "sparse": Q_SPARSE}, K, ranker, depth=50).hits(POSITION, K)
    np.testing.assert_allclose(results.scores, fuse(routes).scores, rtol=1e-6)


def test_full_text_search_returns_positive_scores(store):
    results = store.search("native", ["number 17", "zebra", ""], 3)
    assert results.ids[0][0] == IDS[17]
    assert results.scores[0][0] > results.scores[0][1] > 0
    assert results.ids[1:] == [[], []]


def test_filters(store):
    results = store.search("dense", Q_DENSE[:2], K, filter='text like "%odd%"')
    assert all(POSITION[doc_id] % 2 for ids in results.ids for doc_id in ids)
    assert [len(ids) for ids in results.ids] == [K, K]
    hybrid = store.hybrid({"dense": Q_DENSE[:2], "sparse": Q_SPARSE[:2]}, K, Ranker("rrf"), filter='text like "%even%"')
    assert all(POSITION[doc_id] % 2 == 0 for ids in hybrid.ids for doc_id in ids)


def test_single_and_batched_searches_agree_across_batches(store):
    many = np.tile(Q_DENSE, (10, 1))
    batched = store.search("dense", many, 5)
    assert len(batched.ids) == 300
    for row in (0, 7, 299):
        assert store.search("dense", many[row : row + 1], 5).ids[0] == batched.ids[row]


def test_a_query_without_known_terms_has_no_sparse_hits_and_is_fused_from_the_rest(store):
    nothing = csr_array(np.vstack([np.zeros(TERMS), Q_SPARSE[[1]].toarray()[0]]).astype(np.float32))
    assert store.search("sparse", nothing, 5).ids[0] == []
    results = store.hybrid({"dense": Q_DENSE[:2], "sparse": nothing}, 5, Ranker("weighted", weights=(0.5, 0.5)))
    assert results.ids[0] == store.search("dense", Q_DENSE[:1], 5).ids[0]
    assert len(results.ids[1]) == 5
    assert store.search("sparse", csr_array((0, TERMS), dtype=np.float32), 5).ids == []


def test_a_query_that_is_empty_in_every_field_has_no_hybrid_hits_and_the_others_keep_their_place(store):
    sparse = csr_array(np.vstack([np.zeros(TERMS), Q_SPARSE[[1]].toarray()[0], np.zeros(TERMS)]).astype(np.float32))
    texts = ["", "number 17", "number 18"]
    results = store.hybrid({"sparse": sparse, "native": texts}, 5, Ranker("rrf"))
    assert results.ids[0] == results.scores[0] == []
    assert len(results.ids[1]) == 5
    assert results.ids[2] == store.search("native", texts[2:], 5).ids[0]
    np.testing.assert_allclose(results.scores[2], [1 / (60 + rank) for rank in range(1, 6)], rtol=1e-6)
    assert store.hybrid({"sparse": sparse[[0]], "native": [""]}, 5, Ranker("rrf")) == ([[]], [[]])


def test_the_metric_of_a_sparse_field_cannot_be_changed(store):
    with pytest.raises(ValueError, match="native must be a dense field, got a bm25 one"):
        store.set_metric("native", "IP")


def test_texts_are_returned_unchanged(store):
    assert store.texts([IDS[3], "unknown", IDS[9]]) == {IDS[3]: TEXTS[3], IDS[9]: TEXTS[9]}
    assert store.texts([]) == {}


def test_ingesting_again_writes_only_missing_documents(tmp_path):
    fields = FIELDS[:1]
    with MilvusStore("again", fields, uri=str(tmp_path / "a.db")) as first:
        assert first.ingest(IDS[:50], TEXTS[:50], {"dense": DENSE[:50]}) == (50, 0, 0)
    with MilvusStore("again", fields, uri=str(tmp_path / "a.db")) as second:
        counted = []
        assert second.ingest(IDS, TEXTS, {"dense": DENSE}, batch_size=64, advance=counted.append) == (350, 50, 0)
        assert sum(counted) == N
        assert second.count() == N
        assert second.ingest(IDS, TEXTS, {"dense": DENSE}).written == 0
        second.drop()
        assert second.count() == 0
        assert second.ingest(IDS[:0], TEXTS[:0], {"dense": DENSE[:0]}) == (0, 0, 0)
        assert second.search("dense", Q_DENSE[:1], 3).ids == [[]]


def test_a_text_beyond_milvus_limit_is_truncated_at_a_character_and_counted(tmp_path):
    long = "x" + "é" * 40_000
    with MilvusStore("long", FIELDS[:1], uri=str(tmp_path / "a.db")) as made:
        assert made.ingest(["a", "b"], [long, "half \ud800 pair"], {"dense": DENSE[:2]}).truncated == 1
        assert made.texts(["a", "b"]) == {"a": "x" + "é" * 32_767, "b": "half ? pair"}


def spoiled(vectors, row, value):
    copy = vectors.copy()
    if isinstance(copy, csr_array):
        copy.data[copy.indptr[row]] = value
    else:
        copy[row, 0] = value
    return copy


@pytest.mark.parametrize(
    ("ids", "dense", "sparse", "message"),
    [
        (["a", "b", "a"], DENSE[:3], SPARSE[:3], "must be unique, got 'a' twice"),
        (["a", "", "c"], DENSE[:3], SPARSE[:3], "1 to 512 bytes of UTF-8, got ''"),
        (["a", "é" * 257, "c"], DENSE[:3], SPARSE[:3], "1 to 512 bytes"),
        (["a", "\ud800", "c"], DENSE[:3], SPARSE[:3], "UTF-8"),
        (["a", "b", "c"], spoiled(DENSE[:3], 1, np.nan), SPARSE[:3], "document 'b' has an invalid dense vector"),
        (
            ["a", "b", "c"],
            DENSE[:3],
            spoiled(SPARSE[:3], 2, -0.2),
            "document 'c' has an invalid sparse vector .* above 0",
        ),
        (["a", "b", "c"], DENSE[:3, :5], SPARSE[:3], r"dense must be float32 \(docs, 24\), got .*\(3, 5\)"),
        (["a", "b", "c"], DENSE[:2], SPARSE[:3], "expected 3 dense, one per id, got 2"),
        (["a", "b", "c"], SPARSE[:3], SPARSE[:3], r"dense must be float32 \(docs, 24\), got a sparse array"),
        (["a", "b", "c"], DENSE[:3], DENSE[:3], "sparse must be a csr_array"),
    ],
)
def test_input_that_milvus_rejects_or_alters_raises_before_anything_is_written(store, ids, dense, sparse, message):
    with pytest.raises(ValueError, match=message):
        store.ingest(ids, TEXTS[:3], {"dense": dense, "sparse": sparse})
    assert store.count() == N


def test_invalid_searches_raise(store):
    with pytest.raises(ValueError, match=r"expected vectors for \['dense', 'sparse'\], got \['dense'\]"):
        store.ingest(["a"], ["x"], {"dense": DENSE[:1]})
    with pytest.raises(ValueError, match="no field 'colbert', only dense, sparse, native"):
        store.search("colbert", Q_DENSE, 3)
    for k in (0, 16_385):
        with pytest.raises(ValueError, match="1 to 16,384 hits per query, got k"):
            store.search("dense", Q_DENSE, k)
    with pytest.raises(ValueError, match="same number of queries"):
        store.hybrid({"dense": Q_DENSE, "sparse": Q_SPARSE[:3]}, 3, Ranker("rrf"))
    with pytest.raises(ValueError, match="expected a weight for each"):
        store.hybrid({"dense": Q_DENSE, "sparse": Q_SPARSE}, 3, Ranker("weighted", weights=(1.0,)))
    with pytest.raises(MilvusError, match="searching dense"):
        store.search("dense", Q_DENSE, 3, filter="no such expression (")


def test_another_kind_of_uri_raises():
    with pytest.raises(ValueError, match=r"ends in \.db, got 'milvus'"):
        MilvusStore("x", FIELDS, uri="milvus")


def test_the_token_is_in_no_message(monkeypatch):
    monkeypatch.setattr("pymilvus.settings.Config.MILVUS_CONN_TIMEOUT", 1.0, raising=False)
    with pytest.raises(MilvusError) as caught:
        MilvusStore("x", FIELDS, uri="http://user:secret-1@127.0.0.1:9", token="secret-2")
    assert "127.0.0.1:9" in str(caught.value)
    assert "secret" not in str(caught.value)


INGEST = """
import sys, numpy as np
from refimpl.search.store import MilvusStore
from refimpl.search.fields import DenseField, FullTextField
n = 1500
vectors = np.random.default_rng(1).normal(size=(n, 16)).astype(np.float32)
print("begin", flush=True)
store = MilvusStore("killed", [DenseField("dense", 16), FullTextField("native")], uri=sys.argv[1])
store.ingest([f"d{i}" for i in range(n)], [f"text {i}" for i in range(n)], {"dense": vectors}, batch_size=50)
results = store.search("dense", vectors, 1)
whole = all(ids == [f"d{i}"] or abs(s[0] - vectors[i] @ vectors[i]) > 1e-3 for i, (ids, s) in enumerate(zip(*results)))
texts = store.texts([f"d{i}" for i in range(0, n, 100)])
print(store.count(), len(store._present([f"d{i}" for i in range(n)])), whole, texts["d1400"], flush=True)
store.close()
"""


@pytest.mark.slow
def test_ingestion_killed_at_ten_random_moments_writes_every_document_once(tmp_path):
    """SIGKILL between connecting and the last write: no document may be lost, duplicate or damaged."""
    moments = random.Random(4)
    killed = attempts = 0
    while killed < 10 and attempts < 60:
        attempts += 1
        command = [
            sys.executable,
            "-c",
            INGEST,
            str(tmp_path / f"{attempts - killed}.db"),
        ]  # another when one is through
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "begin\n"
        time.sleep(moments.uniform(0.05, 1.5))
        killed += process.poll() is None
        process.kill()
        process.wait()
        process.stdout.close()
    assert killed == 10
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "begin\n1500 1500 True text 1400\n"


@pytest.mark.parametrize("left", [[], ["schema.json.tmp"]])
def test_a_kill_before_the_schema_is_written_does_not_block_the_next_run(tmp_path, left):
    """Milvus Lite makes the collection's folder, then writes its schema."""
    folder = tmp_path / "new.db" / "collections" / "first"
    folder.mkdir(parents=True)
    for name in left:
        (folder / name).write_text("{", "utf-8")
    with MilvusStore("first", FIELDS, uri=str(tmp_path / "new.db")) as store:
        assert store.count() == 0


HOLD = """
import sys, numpy as np
from refimpl.search.store import MilvusStore
from refimpl.search.fields import DenseField
with MilvusStore("first", [DenseField("dense", 2)], uri=sys.argv[1]) as store:
    print("open", flush=True)
    sys.stdin.readline()
    store.ingest(["a"], ["x"], {"dense": np.ones((1, 2), np.float32)})
    print(store.count(), flush=True)
"""


def test_a_file_in_use_raises_with_the_process_which_continues(tmp_path):
    file = tmp_path / "shared.db"
    command = [sys.executable, "-c", HOLD, str(file)]
    first = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert first.stdout.readline() == "open\n"
        holder = f"process {first.pid}" if Path("/proc/self/fd").exists() else "another process"
        message = (
            f"shared\\.db to be free, but {holder} has it open: wait until it ends, or give another --out or --uri"
        )
        with pytest.raises(InUseError, match=message):
            MilvusStore("second", FIELDS, uri=str(file))
        with pytest.raises(InUseError, match=message):
            check_reachable(str(file), None, FIELDS)
        assert first.communicate("go\n", timeout=60)[0] == "1\n"
    finally:
        first.kill()
        first.wait()
    check_reachable(str(file), None, FIELDS)


def test_a_store_of_this_process_is_not_another_process(tmp_path):
    with MilvusStore("mine", FIELDS, uri=str(tmp_path / "a.db")):
        check_reachable(str(tmp_path / "a.db"), None, FIELDS)


@pytest.mark.parametrize("connect", [lambda u: MilvusStore("c", FIELDS, uri=u), lambda u: check_reachable(u, None, [])])
def test_an_obstacle_to_a_lite_folder_is_named_in_the_message(tmp_path, monkeypatch, connect):
    (tmp_path / "file.db").write_text("x")
    with pytest.raises(MilvusError, match=r"got .*file\.db \(a file, .*\): free or move it, or give another --out"):
        connect(str(tmp_path / "file.db"))
    with pytest.raises(OSError, match=r"expected a writable folder, got .*file\.db \(it is a file\): give another"):
        connect(str(tmp_path / "file.db" / "x.db"))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("milvus_lite.db.MilvusLite.__init__", full)
    with pytest.raises(MilvusError, match=r"got .*x\.db \(No space left on device\): free or move it"):
        connect(str(tmp_path / "x.db"))


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("[Errno 28] No space left on device", ": free some disk space, or give another --out"),
        ("[Errno 13] Permission denied: '/x'", ": give the user access to it"),
        ("[Errno 30] Read-only file system: '/x'", ": give a writable --out or --uri"),
        ("schema file 'x' is not valid JSON: Expecting value", ": the file is damaged, so move the .db folder away"),
        ("PrivilegeSearch: permission deny to x", ": give a --token whose user has the privilege"),
    ],
)
def test_reasons_that_a_user_can_remove_have_a_remedy(store, monkeypatch, reason, remedy):
    def refuse(*_, **__):
        raise MilvusException(message=reason)

    monkeypatch.setattr(store._client, "query", refuse)
    with pytest.raises(MilvusError, match=re.escape(f"Milvus failed at counting test: {reason}{remedy}")):
        store.count()


class Closed(grpc.GenericRpcHandler):
    """Responds to every call as a Milvus server responds to a wrong token (its authentication_interceptor.go)."""

    def service(self, _):
        def refuse(_, context):
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "auth check failure, please check api key is correct")

        return grpc.unary_unary_rpc_method_handler(refuse)


@pytest.mark.parametrize(("token", "got"), [("me:wrong", "one that it refused"), (None, "none")])
def test_a_server_that_rejects_the_token_is_named_in_the_message(token, got):
    server = grpc.server(ThreadPoolExecutor(2), handlers=[Closed()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with pytest.raises(MilvusError, match=f"a token that http://127.0.0.1:{port} accepts, got {got} .*--token"):
            check_reachable(f"http://127.0.0.1:{port}", token, FIELDS)
    finally:
        server.stop(grace=None).wait()


@pytest.mark.parametrize(
    ("uri", "token", "reason", "message"),
    [
        ("http://h:1", "k1", "auth check failure, please check api key", "that http://h:1 accepts, got one that it"),
        ("http://h:1", None, "auth check failure", "accepts, got none (auth check failure): give --token"),
        ("http://h:1", None, "missing authorization in header", "accepts, got none (missing authorization in header)"),
        ("http://u:k1@h:1", None, "UNAUTHENTICATED", "that http://h:1 accepts, got one that it refused"),
        (
            "http://h:1",
            None,
            "unavailable",
            "at http://h:1, got no answer (unavailable): start it, check host",
        ),
        (
            "https://h:1",
            None,
            "unavailable",
            "host and port (http:// where the server has no TLS), or omit --uri",
        ),
    ],
)
def test_a_failed_connection_raises_with_a_remedy(monkeypatch, uri, token, reason, message):
    def refuse(*_, **__):
        raise MilvusException(message=reason)

    monkeypatch.setattr(store_module, "MilvusClient", refuse)
    with pytest.raises(MilvusError, match=re.escape(message)) as caught:
        check_reachable(uri, token, FIELDS)
    assert "k1" not in str(caught.value)
