import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array, random_array

from refimpl.search import exact, fusion
from refimpl.search.milvus import MilvusError, MilvusStore, connection, shown
from refimpl.search.records import Field as F
from refimpl.search.records import Ranker

ROOT = Path(__file__).parent.parent.parent
rng = np.random.default_rng(13)
N, DIM, TERMS, K = 400, 24, 60, 20
DENSE = rng.normal(size=(N, DIM)).astype(np.float32)
SPARSE = csr_array(random_array((N, TERMS), density=0.1, rng=rng, dtype=np.float32)) * np.float32(9)
Q_DENSE = rng.normal(size=(30, DIM)).astype(np.float32)
Q_SPARSE = csr_array(random_array((30, TERMS), density=0.1, rng=rng, dtype=np.float32))
IDS = [f"doc/{i} é東" for i in range(N)]
TEXTS = [f"number {i} of {N}, {'even' if i % 2 == 0 else 'odd'} 😀" for i in range(N)]
FIELDS = [F("dense", "dense", "IP", DIM), F("sparse", "sparse"), F("native", "bm25", "BM25")]
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
def test_dense_answers_are_the_judges_by_every_metric(store, metric):
    store.set_metric("dense", metric)
    found = store.search("dense", Q_DENSE, K).hits(POSITION, K)
    verdict = exact.judge_dense(found, Q_DENSE, DENSE, metric)
    assert verdict.passed, verdict
    np.testing.assert_array_equal(found.ids, exact.search_dense(Q_DENSE, DENSE, K, metric).ids)


def test_sparse_answers_are_the_judges(store):
    found = store.search("sparse", Q_SPARSE, K).hits(POSITION, K)
    verdict = exact.judge_sparse(found, Q_SPARSE, SPARSE)
    assert verdict.passed, verdict


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
def test_hybrid_answers_are_our_fusion_of_its_routes(store, ranker, fuse):
    routes = [store.search("dense", Q_DENSE, 50).hits(POSITION, 50)]
    routes.append(store.search("sparse", Q_SPARSE, 50).hits(POSITION, 50))
    found = store.hybrid({"dense": Q_DENSE, "sparse": Q_SPARSE}, K, ranker, depth=50).hits(POSITION, K)
    np.testing.assert_allclose(found.scores, fuse(routes).scores, rtol=1e-6)


def test_the_native_bm25_finds_by_text_with_positive_scores(store):
    found = store.search("native", ["number 17", "zebra", ""], 3)
    assert found.ids[0][0] == IDS[17]
    assert found.scores[0][0] > found.scores[0][1] > 0
    assert found.ids[1:] == [[], []]


def test_filters(store):
    found = store.search("dense", Q_DENSE[:2], K, filter='text like "%odd%"')
    assert all(POSITION[doc_id] % 2 for ids in found.ids for doc_id in ids)
    assert [len(ids) for ids in found.ids] == [K, K]
    hybrid = store.hybrid({"dense": Q_DENSE[:2], "sparse": Q_SPARSE[:2]}, K, Ranker("rrf"), filter='text like "%even%"')
    assert all(POSITION[doc_id] % 2 == 0 for ids in hybrid.ids for doc_id in ids)


def test_single_and_batched_searches_agree_and_more_than_one_batch_works(store):
    many = np.tile(Q_DENSE, (10, 1))
    batched = store.search("dense", many, 5)
    assert len(batched.ids) == 300
    for row in (0, 7, 299):
        assert store.search("dense", many[row : row + 1], 5).ids[0] == batched.ids[row]


def test_a_query_without_known_terms_has_no_sparse_hits_and_is_fused_from_the_rest(store):
    nothing = csr_array(np.vstack([np.zeros(TERMS), Q_SPARSE[[1]].toarray()[0]]).astype(np.float32))
    assert store.search("sparse", nothing, 5).ids[0] == []
    found = store.hybrid({"dense": Q_DENSE[:2], "sparse": nothing}, 5, Ranker("weighted", weights=(0.5, 0.5)))
    assert found.ids[0] == store.search("dense", Q_DENSE[:1], 5).ids[0]
    assert len(found.ids[1]) == 5
    assert store.search("sparse", csr_array((0, TERMS), dtype=np.float32), 5).ids == []


def test_texts_come_back_as_they_went_in(store):
    assert store.texts([IDS[3], "unknown", IDS[9]]) == {IDS[3]: TEXTS[3], IDS[9]: TEXTS[9]}
    assert store.texts([]) == {}


def test_ingesting_again_writes_nothing_and_a_hole_is_filled(tmp_path):
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


def test_a_text_beyond_milvus_limit_is_cut_on_a_character_and_counted(tmp_path):
    long = "x" + "é" * 40_000
    with MilvusStore("long", FIELDS[:1], uri=str(tmp_path / "a.db")) as made:
        assert made.ingest(["a", "b"], [long, "half \ud800 pair"], {"dense": DENSE[:2]}).cut == 1
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
        (["a", "b", "a"], DENSE[:3], SPARSE[:3], "document 'a' is given twice"),
        (["a", "", "c"], DENSE[:3], SPARSE[:3], "1 to 512 bytes of UTF-8, got ''"),
        (["a", "é" * 257, "c"], DENSE[:3], SPARSE[:3], "1 to 512 bytes"),
        (["a", "\ud800", "c"], DENSE[:3], SPARSE[:3], "UTF-8"),
        (["a", "b", "c"], spoiled(DENSE[:3], 1, np.nan), SPARSE[:3], "document 'b' has a bad dense vector"),
        (["a", "b", "c"], DENSE[:3], spoiled(SPARSE[:3], 2, -0.2), "document 'c' has a bad sparse vector .* above 0"),
        (["a", "b", "c"], DENSE[:3, :5], SPARSE[:3], r"dense must be float32 \(docs, 24\), got .*\(3, 5\)"),
        (["a", "b", "c"], DENSE[:2], SPARSE[:3], "3 ids need as many dense, got 2"),
        (["a", "b", "c"], SPARSE[:3], SPARSE[:3], r"dense must be float32 \(docs, 24\), got a sparse array"),
        (["a", "b", "c"], DENSE[:3], DENSE[:3], "sparse must be a csr_array"),
    ],
)
def test_what_milvus_would_refuse_or_mangle_is_named_before_anything_is_written(store, ids, dense, sparse, message):
    with pytest.raises(ValueError, match=message):
        store.ingest(ids, TEXTS[:3], {"dense": dense, "sparse": sparse})
    assert store.count() == N


def test_wrong_questions_are_refused(store):
    with pytest.raises(ValueError, match=r"vectors must be given for \['dense', 'sparse'\], got \['dense'\]"):
        store.ingest(["a"], ["x"], {"dense": DENSE[:1]})
    with pytest.raises(ValueError, match="no field 'colbert', only dense, sparse, native"):
        store.search("colbert", Q_DENSE, 3)
    for k in (0, 16_385):
        with pytest.raises(ValueError, match="1 to 16,384 hits"):
            store.search("dense", Q_DENSE, k)
    with pytest.raises(ValueError, match="same number of queries"):
        store.hybrid({"dense": Q_DENSE, "sparse": Q_SPARSE[:3]}, 3, Ranker("rrf"))
    with pytest.raises(ValueError, match="a weight for each"):
        store.hybrid({"dense": Q_DENSE, "sparse": Q_SPARSE}, 3, Ranker("weighted", weights=(1.0,)))
    with pytest.raises(MilvusError, match="searching dense"):
        store.search("dense", Q_DENSE, 3, filter="no such expression (")


def test_addresses():
    with pytest.raises(ValueError, match=r"ends in \.db, got 'milvus'"):
        MilvusStore("x", FIELDS, uri="milvus")
    assert shown("http://me:secret@host:19530/db") == "http://host:19530/db"
    assert shown("/tmp/a@b/lite.db") == "/tmp/a@b/lite.db"


def test_the_token_is_in_no_message(monkeypatch):
    monkeypatch.setattr("pymilvus.settings.Config.MILVUS_CONN_TIMEOUT", 1.0, raising=False)
    with pytest.raises(MilvusError) as caught:
        MilvusStore("x", FIELDS, uri="http://user:secret-1@127.0.0.1:9", token="secret-2")
    assert "127.0.0.1:9" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_address_and_token_come_from_the_environment_unless_given(monkeypatch):
    for name in ("MILVUS_URI", "MILVUS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    assert connection(None, None, Path("lite.db")) == ("lite.db", None)
    monkeypatch.setenv("MILVUS_URI", "http://there:1")
    monkeypatch.setenv("MILVUS_TOKEN", "t")
    assert connection(None, None, Path("lite.db")) == ("http://there:1", "t")
    assert connection("http://here:1", "u", Path("lite.db")) == ("http://here:1", "u")


INGEST = """
import sys, numpy as np
from refimpl.search.milvus import MilvusStore
from refimpl.search.records import Field
n = 1500
vectors = np.random.default_rng(1).normal(size=(n, 16)).astype(np.float32)
print("begin", flush=True)
store = MilvusStore("killed", [Field("dense", "dense", "IP", 16), Field("native", "bm25", "BM25")], uri=sys.argv[1])
store.ingest([f"d{i}" for i in range(n)], [f"text {i}" for i in range(n)], {"dense": vectors}, batch_size=50)
found = store.search("dense", vectors, 1)
whole = all(ids == [f"d{i}"] or abs(s[0] - vectors[i] @ vectors[i]) > 1e-3 for i, (ids, s) in enumerate(zip(*found)))
texts = store.texts([f"d{i}" for i in range(0, n, 100)])
print(store.count(), len(store._present([f"d{i}" for i in range(n)])), whole, texts["d1400"], flush=True)
store.close()
"""


@pytest.mark.slow
def test_killed_at_ten_random_moments_ingestion_ends_with_every_document_once(tmp_path):
    """SIGKILL from the first moment of connecting to the last of writing; nothing may be lost, doubled or torn."""
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
