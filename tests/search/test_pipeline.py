import json
import re
import zlib

import numpy as np
import pytest
from scipy.sparse import csr_array

from refimpl.base import RerankResult
from refimpl.datasets import DatasetError, open_dataset
from refimpl.evaluate import evaluate, read_run
from refimpl.search import exact
from refimpl.search.milvus import MilvusStore
from refimpl.search.pipeline import collection_name, run
from refimpl.search.plan import Encoder, System, load
from refimpl.search.records import Field, Ranker

ANIMALS = ["cat", "dog", "fish", "bird", "horse", "cow", "pig", "goat", "sheep", "duck"]
PLACES = ["house", "river", "field", "barn", "tree", "road"]


class Letters:
    """Dense: how often each letter occurs, as a unit vector."""

    dim = 26
    calls = 0

    def encode_documents(self, documents):
        type(self).calls += len(documents)
        counts = np.array([[text.count(chr(97 + i)) for i in range(26)] for text in documents], np.float32)
        counts = counts.reshape(len(documents), 26) + np.float32(1e-3)
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)

    encode_queries = encode_documents


class Words:
    """Sparse: one column a word, by hash; `fit` learns how many texts there are."""

    dim = 64
    fitted = 0

    def fit(self, texts):
        self.fitted = len(texts)

    def encode_documents(self, documents):
        assert self.fitted
        rows = np.zeros((len(documents), self.dim), np.float32)
        for row, text in enumerate(documents):
            for word in re.findall(r"\w+", text):
                rows[row, zlib.crc32(word.encode()) % self.dim] += 1
        return csr_array(rows)

    encode_queries = encode_documents


def longest_first(query, documents, top_k=5):
    order = sorted(range(len(documents)), key=lambda i: (-len(documents[i]), i))
    results = [RerankResult(documents[i], float(len(documents[i])), i) for i in order]
    return results[:top_k]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "toy"
    (folder / "qrels").mkdir(parents=True)
    texts = [f"the {a} in the {p} number {i}" for i in range(3) for a in ANIMALS for p in PLACES]
    corpus = [{"_id": f"d{i}", "title": "", "text": text} for i, text in enumerate(texts)] + [
        {"_id": "none", "text": ""}
    ]
    queries = [{"_id": f"q{i}", "text": f"{a} {PLACES[i % 6]}"} for i, a in enumerate(ANIMALS)]
    queries.append({"_id": "q99", "text": ""})
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in corpus))
    (folder / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in queries))
    relevant = [(q, i) for q in queries[:-1] for i, t in enumerate(texts) if set(q["text"].split()) <= set(t.split())]
    rows = [f"{q['_id']}\td{i}\t1" for q, i in relevant]
    (folder / "qrels" / "test.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *rows, "q99\td0\t1"]) + "\n")
    return open_dataset(f"beir:{folder}")


def plan(metric="IP"):
    words = Words()
    encoders = [
        Encoder(Field("dense", "dense", metric, 26), Letters(), {"model": "letters"}),
        Encoder(Field("sparse", "sparse"), words, {"model": "words"}, cached=False, fit=words.fit),
        Encoder(Field("native", "bm25", "BM25"), None, {"model": "native"}),
    ]
    both = ("dense", "sparse")
    systems = [
        System("dense", ("dense",), "letters"),
        System("sparse", ("sparse",), "words"),
        System("native", ("native",), "Milvus"),
        System("rrf", both, "both", Ranker("rrf")),
        System("weighted", both, "both", Ranker("weighted", weights=(0.5, 0.5))),
        System("rerank", ("sparse",), "longest", None, longest_first, 7),
    ]
    return encoders, systems


@pytest.fixture(scope="module")
def once(dataset, tmp_path_factory):
    """One run for the tests that only look at what it left: its folder and its results."""
    folder = tmp_path_factory.mktemp("once")
    return folder, ran(dataset, folder)


def ran(dataset, tmp_path, **kwargs):
    encoders, systems = plan(kwargs.pop("metric", "IP"))
    return run(dataset, encoders, systems, tmp_path / "out", uri=str(tmp_path / "m.db"), cache=tmp_path / "c", **kwargs)


@pytest.mark.parametrize("metric", ["IP", "L2"])
def test_a_run_judges_every_metric_and_keeps_everything(dataset, tmp_path, metric):
    results = ran(dataset, tmp_path, depth=30, settings={"depth": 30}, metric=metric)
    judged = {(v["what"], v["metric"]): v for v in results["verdicts"]}
    assert set(judged) == {
        ("dense", "IP"),
        ("dense", "COSINE"),
        ("dense", "L2"),
        ("sparse", "sparse IP"),
        ("rrf", "hybrid RRF"),
        ("weighted", "hybrid weighted"),
    }
    failed = {name: verdict for name, verdict in judged.items() if not verdict["passed"] or verdict["recall"] != 1.0}
    assert failed == {}
    assert json.loads((tmp_path / "out" / "results.json").read_text()) == results
    assert results["store"] == {"collection": results["store"]["collection"], "documents": 181, "milvus": "Lite"}
    assert results["dataset"]["queries"] == 11
    assert results["stamp"]["settings"] == {"depth": 30}
    assert len(results["significance"]) == 2 * 15
    assert str(tmp_path) not in json.dumps(results)


def test_metrics_are_those_of_the_trec_runs_and_of_exact_search(dataset, once):
    tmp_path, results = once
    loaded = load(dataset)
    for name, system in results["systems"].items():
        saved = read_run(tmp_path / "out" / system["run"])
        assert evaluate(saved, loaded.qrels).mean == pytest.approx(system["metrics"], abs=1e-12), name
        assert len(system["latency_ms"]) == 11
    vectors = Letters().encode_documents(loaded.texts), Letters().encode_queries(list(loaded.queries.values()))
    hits = exact.search_dense(vectors[1], vectors[0], 100)
    best = {q: {loaded.ids[i] for i in row[:1]} for q, row in zip(loaded.queries, hits.ids, strict=True)}
    assert all(set(list(read_run(tmp_path / "out" / "runs/dense.trec")[q])[:1]) == ids for q, ids in best.items())
    assert results["systems"]["sparse"]["metrics"]["MRR@10"] > 0.7


def test_reranking_reorders_the_best_few_and_drops_the_rest(dataset, once):
    tmp_path, _ = once
    plain, reranked = (read_run(tmp_path / "out" / f"runs/{name}.trec") for name in ("sparse", "rerank"))
    texts = {d.id: d.text for d in dataset.documents()}
    for query, scores in reranked.items():
        assert set(scores) == set(list(plain[query])[:7])
        assert [len(texts[d]) for d in scores] == sorted((len(texts[d]) for d in scores), reverse=True)


def test_departures_of_lite_come_with_figures(once):
    _, results = once
    kinds = {departure["what"]: departure["figures"] for departure in results["departures"]}
    assert len(kinds) == 3
    whole = kinds["Milvus Lite's own BM25 against BM25 over the whole collection"]
    assert whole["recall"] == 1.0  # one segment here: the definitions then agree
    assert whole["max_relative_score_error"] < 1e-5
    flushed = kinds["Milvus Lite's own BM25, 181 documents in one flush and in 3"]
    assert flushed["max_relative_score_change"] > 0.01
    assert "nDCG@10 with norm_score=False" in kinds["weighted: norm_score"]


def test_a_second_run_encodes_and_writes_nothing_and_finds_the_same(dataset, once):
    tmp_path, first = once
    Letters.calls = 0
    second = ran(dataset, tmp_path)
    assert Letters.calls == 0
    times = {(t["stage"], t["what"]): t for t in second["timings"]}
    assert times["ingest", "all"]["items"] == 0
    assert times["ingest", "all"]["skipped"] == 181
    assert times["encode documents", "dense"]["skipped"] == 181
    assert times["encode documents", "dense"]["per_second"] is None
    for name, system in first["systems"].items():
        assert second["systems"][name]["per_query"] == system["per_query"]


def test_other_settings_are_another_collection(dataset):
    loaded = load(dataset)
    encoders, _ = plan()
    other = [Encoder(e.field, e.function, {**e.key, "max_length": 8}, e.cached, e.fit) for e in encoders]
    assert collection_name(loaded, encoders) == collection_name(loaded, plan()[0])
    assert collection_name(loaded, encoders) != collection_name(loaded, other)


def test_a_wrong_answer_of_the_store_fails_its_verdict_and_is_reported(dataset, tmp_path, monkeypatch):
    """A store that hides the best hit: every verdict on a single field must notice."""
    search = MilvusStore.search

    def lossy(self, field, queries, k, *, filter=""):
        found = search(self, field, queries, k + 1, filter=filter)
        return type(found)([ids[1:] for ids in found.ids], [scores[1:] for scores in found.scores])

    monkeypatch.setattr(MilvusStore, "search", lossy)
    failed = {(v["what"], v["metric"]) for v in ran(dataset, tmp_path, depth=20)["verdicts"] if not v["passed"]}
    assert {("dense", "IP"), ("dense", "COSINE"), ("dense", "L2"), ("sparse", "sparse IP")} <= failed


def test_a_failing_encoder_leaves_no_results(dataset, tmp_path):
    encoders, systems = plan()

    class Broken(Letters):
        def encode_documents(self, documents):
            raise RuntimeError("out of order")

    encoders[0] = Encoder(encoders[0].field, Broken(), {"model": "broken"})
    with pytest.raises(RuntimeError, match="out of order"):
        run(dataset, encoders, systems, tmp_path / "out", uri=str(tmp_path / "m.db"), cache=tmp_path / "c")
    assert not (tmp_path / "out" / "results.json").exists()


def test_a_data_set_without_judged_queries_is_refused(tmp_path):
    (tmp_path / "qrels").mkdir()
    (tmp_path / "corpus.jsonl").write_text('{"_id": "d", "text": "x"}\n')
    (tmp_path / "queries.jsonl").write_text('{"_id": "q", "text": "x"}\n')
    (tmp_path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n")
    with pytest.raises(DatasetError, match="1 documents and 0 judged queries"):
        load(open_dataset(f"beir:{tmp_path}"))
