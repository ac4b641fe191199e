"""On a cluster, vectors, files, statistics and hits are those of one process, to the last bit."""

from collections import Counter
from pathlib import Path

import cluster_stubs
import numpy as np
import pytest
from scipy.sparse import csr_array, vstack

import refimpl
from refimpl import distributed, models, shards
from refimpl.datasets import Document
from refimpl.distributed.search import truth_over_shards
from refimpl.search.exact import search_dense, search_sparse
from refimpl.search.scorers import scorer_of
from refimpl.search.topk import TopK
from refimpl.search.truth import truth_of

rng = np.random.default_rng(11)
WORDS = [f"w{n}" for n in range(400)]
TEXTS = [" ".join(rng.choice(WORDS, rng.integers(1, 20))) for _ in range(203)]
DOCUMENTS = [Document(f"d{number}", text) for number, text in enumerate(TEXTS)]
SETTINGS = {"model": "for tests"}


@pytest.fixture(scope="module")
def encoders(minilm_folder):
    return {
        "dense": refimpl.MiniLMEmbeddingFunction(minilm_folder).encode_documents,
        "splade": refimpl.SpladeEmbeddingFunction(str(models.path("splade-tiny"))).encode_documents,
        "bm25": refimpl.BM25EmbeddingFunction(str.split, TEXTS, variant="lucene").encode_documents,
    }


@pytest.fixture(scope="module")
def here(encoders, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("here")
    shards.encode_shards(DOCUMENTS, encoders, folder, SETTINGS, rows=16)
    return folder


def test_the_files_of_all_shards_are_equal(client, encoders, here, tmp_path):
    counted = []
    manifest = distributed.encode_shards(
        client, iter(DOCUMENTS), encoders, tmp_path, SETTINGS, rows=16, advance=counted.append
    )
    assert manifest == shards.verify(tmp_path) == shards.verify(here)
    assert [(file.name, file.read_bytes()) for file in sorted(tmp_path.iterdir())] == [
        (file.name, file.read_bytes()) for file in sorted(here.iterdir())
    ]
    assert sum(counted) == len(TEXTS)


def test_the_number_of_threads_travels_because_bits_depend_on_it(client, minilm_folder, monkeypatch):
    """Eight threads divide these five texts into other tiles than two do, with other last bits on some processors."""
    monkeypatch.setattr("refimpl.pickling.usable_cores", lambda: 8)
    monkeypatch.setattr("refimpl.bert.encoder.usable_cores", lambda: 8)
    draw = np.random.default_rng(0)
    texts = [" ".join(draw.choice([f"word{n}" for n in range(500)], draw.integers(1, 30))) for _ in range(5)]
    function = refimpl.MiniLMEmbeddingFunction(minilm_folder)
    ((number, found),) = distributed.in_order(client, cluster_stubs.NumWorkers(function.encode_documents), [texts])
    assert number == 8
    assert found.tobytes() == function.encode_documents(texts).tobytes()


def test_an_encoder_has_one_thread_on_a_worker_and_a_tokenizer_no_process(client, minilm_folder):
    minilm = refimpl.MiniLMEmbeddingFunction(minilm_folder, num_workers=4)
    threads = distributed.in_order(client, cluster_stubs.Threads(minilm.encode_documents), [TEXTS])
    assert list(threads) == [{"same"}]
    bm25 = refimpl.BM25EmbeddingFunction(str.split, ["a b"], num_workers=2, variant="lucene")
    (found,) = distributed.in_order(client, bm25.encode_documents, [["a b"] * 2001])
    assert (found != bm25.encode_documents(["a b"] * 2001)).nnz == 0


def test_a_map_keeps_the_order_and_reads_no_further_than_it_must(client):
    read = []

    def items():
        for number in range(60):
            read.append(number)
            yield 60 - number

    results = distributed.in_order(client, cluster_stubs.reciprocal, items())
    assert next(results) == 1 / 60
    assert len(read) < 20
    assert list(results) == [1 / n for n in range(59, 0, -1)]


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_bm25_is_fitted_as_from_all_texts_at_once(client, rows):
    whole = refimpl.BM25EmbeddingFunction(str.split, variant="lucene").fit(TEXTS)
    function = refimpl.BM25EmbeddingFunction(str.split, variant="lucene")
    found = distributed.fit_bm25(client, function, iter(DOCUMENTS), rows=rows)
    assert found is function
    assert (found.idf, found.avgdl, found.corpus_size) == (whole.idf, whole.avgdl, len(TEXTS))
    df = Counter(term for text in TEXTS for term in set(text.split()))
    expected = {term: np.log(1 + (len(TEXTS) - n + 0.5) / (n + 0.5)) for term, n in df.items()}
    assert {term: value for term, (value, _) in found.idf.items()} == pytest.approx(expected, rel=1e-12)
    assert found.avgdl == pytest.approx(sum(len(text.split()) for text in TEXTS) / len(TEXTS), rel=1e-15)


def test_bm25_without_a_term_is_refused_as_in_one_process(client):
    function = refimpl.BM25EmbeddingFunction(str.split)
    with pytest.raises(ValueError, match="the corpus has no term: 2 documents"):
        distributed.fit_bm25(client, function, [Document("a", ""), Document("b", " ")])
    with pytest.raises(ValueError, match="the corpus has no term: 0 documents"):
        distributed.fit_bm25(client, function, [])


@pytest.mark.parametrize("metric", ["IP", "COSINE", "L2"])
def test_dense_hits_are_those_of_the_whole_collection(client, here, metric):
    documents = np.concatenate([shards.read_shard(path).vectors["dense"] for path in shards.shard_paths(here)])
    queries = documents[[3, 77, 200]] + np.float32(0.01)
    found = distributed.search_shards(client, here, "dense", queries, 9, metric)
    whole = search_dense(queries, documents, 9, metric)
    assert (found.ids.tobytes(), found.scores.tobytes()) == (whole.ids.tobytes(), whole.scores.tobytes())
    if metric == "IP":
        scores = queries.astype(float) @ documents.astype(float).T
        assert found.ids.tolist() == np.argsort(-scores, axis=1, kind="stable")[:, :9].tolist()


@pytest.mark.parametrize("field", ["bm25", "splade"])
def test_sparse_hits_are_those_of_the_whole_collection(client, encoders, here, field):
    documents = csr_array(vstack([shards.read_shard(path).vectors[field] for path in shards.shard_paths(here)]))
    at_once = encoders[field](TEXTS).toarray()  # OpenBLAS' Haswell kernels round by the size of a product
    np.testing.assert_allclose(documents.toarray(), at_once, rtol=0, atol=1e-5)
    queries = csr_array(documents[[3, 77, 200]])
    found = distributed.search_shards(client, here, field, queries, 9)
    whole = search_sparse(queries, documents, 9)
    assert (found.ids.tobytes(), found.scores.tobytes()) == (whole.ids.tobytes(), whole.scores.tobytes())
    scores = queries.astype(float).toarray() @ documents.astype(float).toarray().T
    np.testing.assert_allclose(found.scores, -np.sort(-scores, axis=1)[:, :9], rtol=1e-12)


@pytest.mark.parametrize("field", ["dense", "bm25"])
def test_what_the_judge_of_a_run_needs_is_that_of_one_process(client, here, field):
    blocks = [shards.read_shard(path).vectors[field] for path in shards.shard_paths(here)]
    scorer = scorer_of(blocks[3][:2])
    hits = TopK(np.array([[48, 7, -1], [49, 202, 120]]), np.array([[1.0, 0.5, -np.inf], [1.0, 0.9, 0.8]]))
    found = truth_over_shards(client, scorer, here, field, hits)
    whole = truth_of(scorer, lambda: blocks, hits)
    assert found.scales.tobytes() == whole.scales.tobytes()
    assert [rows.tolist() for rows in found.rows] == [rows.tolist() for rows in whole.rows]
    assert [scores.tobytes() for scores in found.scores] == [scores.tobytes() for scores in whole.scores]


def test_what_is_complete_is_kept(client, tmp_path):
    """The second time, a function that fails for every text is never called."""
    first = distributed.encode_shards(client, DOCUMENTS, {"dense": cluster_stubs.vectors}, tmp_path, SETTINGS, rows=50)
    failing = {"dense": cluster_stubs.Failing("w").encode_documents}
    assert distributed.encode_shards(client, DOCUMENTS, failing, tmp_path, SETTINGS, rows=50) == first
    with pytest.raises(shards.ShardError, match=r"shards of other settings \(model: 'for tests', expected 'other'\)"):
        distributed.encode_shards(client, DOCUMENTS, failing, tmp_path, {"model": "other"}, rows=50)
    (tmp_path / "000002.parquet").unlink()
    with pytest.raises(ValueError, match="a text has the word w"):
        distributed.encode_shards(client, DOCUMENTS, failing, tmp_path, SETTINGS, rows=50)


def test_an_empty_collection_and_an_incomplete_folder(client, tmp_path):
    manifest = distributed.encode_shards(client, [], {"dense": cluster_stubs.vectors}, tmp_path, SETTINGS)
    assert (manifest.complete, manifest.rows) == (True, 0)
    shards.begin(tmp_path / "other", SETTINGS)
    with pytest.raises(shards.ShardError, match="is not complete"):
        distributed.search_shards(client, tmp_path / "other", "dense", np.zeros((1, 4), np.float32), 1)
