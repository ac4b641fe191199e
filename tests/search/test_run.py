import json
import re
import zlib
from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array

from refimpl.base import RerankResult
from refimpl.datasets import DatasetError, open_dataset
from refimpl.evaluate import evaluate, read_run
from refimpl.search import exact
from refimpl.search import run as run_module
from refimpl.search.encoding import encode_dataset
from refimpl.search.fields import DenseField, FullTextField, SparseField
from refimpl.search.milvus_deviations import milvus_deviations
from refimpl.search.plan import Encoder, RunPlan, System, load
from refimpl.search.records import Ranker, SearchResults
from refimpl.search.run import collection_name, run, run_systems
from refimpl.search.run_validation import validate_fields, validate_hybrids, validate_run
from refimpl.search.store import MilvusStore
from refimpl.search.versions import MilvusVersionError
from refimpl.shards import verify

ANIMALS = ["cat", "dog", "fish", "bird", "horse", "cow", "pig", "goat", "sheep", "duck"]
PLACES = ["house", "river", "field", "barn", "tree", "road"]


class Letters:
    """Dense: counts of each letter, as a unit vector."""

    dim = 26
    calls = 0

    def encode_documents(self, documents):
        type(self).calls += len(documents)
        counts = np.array([[text.count(chr(97 + i)) for i in range(26)] for text in documents], np.float32)
        counts = counts.reshape(len(documents), 26) + np.float32(1e-3)
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)

    encode_queries = encode_documents


class Words:
    """Sparse: one column per word, by hash; `fit` counts the texts."""

    dim = 64
    fitted = 0

    def fit(self, parts):
        self.fitted = sum(map(len, parts))

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
        Encoder(DenseField("dense", 26, metric), Letters(), {"model": "letters"}),
        Encoder(SparseField("sparse"), words, {"model": "words"}, cached=False, fit=words.fit),
        Encoder(FullTextField("native"), None, {"model": "native"}),
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
    """One run for the tests that only read its output: its folder and its results."""
    folder = tmp_path_factory.mktemp("once")
    return folder, ran(dataset, folder)


def ran(dataset, tmp_path, **kwargs):
    encoders, systems = plan(kwargs.pop("metric", "IP"))
    return run_plan(dataset, RunPlan(encoders, systems, cache=tmp_path / "c", **kwargs), tmp_path)


def run_plan(dataset, plan, tmp_path):
    return run(dataset, plan, tmp_path / "out", str(tmp_path / "m.db"))


@pytest.mark.parametrize("metric", ["IP", "L2"])
def test_a_run_validates_every_metric_and_saves_its_results(dataset, tmp_path, metric):
    results = ran(dataset, tmp_path, depth=30, settings={"depth": 30}, metric=metric)
    validations = {(v["what"], v["metric"]): v for v in results["verdicts"]}
    assert set(validations) == {
        ("dense", "IP"),
        ("dense", "COSINE"),
        ("dense", "L2"),
        ("sparse", "sparse IP"),
        ("rrf", "hybrid RRF"),
        ("weighted", "hybrid weighted"),
    }
    assert {name for name, v in validations.items() if not v["passed"] or v["recall"] != 1.0} == set()
    assert json.loads((tmp_path / "out" / "results.json").read_text()) == results
    collection = results["store"]["collection"]
    assert results["store"] == {"collection": collection, "documents": 181, "milvus": "Lite", "truncated_texts": 0}
    assert results["dataset"]["queries"] == 11
    assert results["stamp"]["settings"] == {"depth": 30}
    assert len(results["significance"]) == 2 * 15
    assert str(tmp_path) not in json.dumps(results)


def test_metrics_equal_those_of_the_trec_runs_and_of_exact_search(dataset, once):
    tmp_path, results = once
    loaded = load(dataset)
    for name, system in results["systems"].items():
        saved = read_run(tmp_path / "out" / system["run"])
        assert evaluate(saved, loaded.qrels).mean == pytest.approx(system["metrics"], abs=1e-12), name
        assert len(system["latency_ms"]) == 11
    vectors = (
        Letters().encode_documents(list(loaded.documents.texts())),
        Letters().encode_queries(list(loaded.queries.values())),
    )
    hits = exact.search_dense(vectors[1], vectors[0], 100)
    ids = [document.id for document in loaded.documents]
    best = {q: {ids[i] for i in row[:1]} for q, row in zip(loaded.queries, hits.ids, strict=True)}
    assert all(set(list(read_run(tmp_path / "out" / "runs/dense.trec")[q])[:1]) == first for q, first in best.items())
    assert results["systems"]["sparse"]["metrics"]["MRR@10"] > 0.5


def test_reranking_reorders_the_best_hits_and_drops_the_others(dataset, once):
    tmp_path, _ = once
    plain, reranked = (read_run(tmp_path / "out" / f"runs/{name}.trec") for name in ("sparse", "rerank"))
    texts = {d.id: d.text for d in dataset.documents()}
    for query, scores in reranked.items():
        assert set(scores) == set(list(plain[query])[:7])
        assert [len(texts[d]) for d in scores] == sorted((len(texts[d]) for d in scores), reverse=True)


def test_deviations_of_lite_have_figures(once):
    _, results = once
    figures = {deviation["what"]: deviation["figures"] for deviation in results["departures"]}
    assert len(figures) == 3
    whole = figures["Milvus Lite's own BM25 against BM25 over the whole collection"]
    assert whole["recall"] == 1.0  # one segment here: the definitions then agree
    assert whole["max_relative_score_error"] < 1e-5
    flushed = figures["Milvus Lite's own BM25, 181 documents in one flush and in 3"]
    assert flushed["max_relative_score_change"] > 0.01
    assert "nDCG@10 with norm_score=False" in figures["weighted: norm_score"]


def test_a_second_run_encodes_and_writes_nothing_and_has_equal_results(dataset, once):
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


def test_other_settings_use_another_collection(dataset):
    loaded = load(dataset)
    encoders, _ = plan()
    other = [Encoder(e.field, e.function, {**e.key, "max_length": 8}, e.cached, e.fit) for e in encoders]
    assert collection_name(loaded, encoders) == collection_name(loaded, plan()[0])
    assert collection_name(loaded, encoders) != collection_name(loaded, other)


@pytest.fixture(scope="module")
def unvalidated(dataset, tmp_path_factory):
    """A run before its validation, and its open store."""
    folder = tmp_path_factory.mktemp("unvalidated")
    encoders, systems = plan()
    run_plan = RunPlan(encoders, systems, depth=20, cache=folder / "c")
    loaded = load(dataset)
    with MilvusStore("toy", run_plan.fields, uri=str(folder / "m.db")) as store:
        yield run_systems(store, run_plan, loaded, encode_dataset(run_plan, loaded, folder / "s", False), False), store


def failed(result, store):
    return {(v["what"], v["metric"]) for v in validate_run(result, store) if not v["passed"]}


def without_best(results):
    return SearchResults([ids[1:] for ids in results.ids], [scores[1:] for scores in results.scores])


def test_a_store_without_the_best_hit_fails_every_validation(unvalidated, monkeypatch):
    result, store = unvalidated
    search = MilvusStore.search
    monkeypatch.setattr(
        MilvusStore, "search", lambda self, field, queries, k: without_best(search(self, field, queries, k + 1))
    )
    wrong = replace(result, retrieved={route: without_best(results) for route, results in result.retrieved.items()})
    fields = {("dense", "IP"), ("dense", "COSINE"), ("dense", "L2"), ("sparse", "sparse IP")}
    assert failed(wrong, store) == fields | {("rrf", "hybrid RRF"), ("weighted", "hybrid weighted")}


@pytest.mark.parametrize("wrong", ["dense", "sparse", "rrf", "weighted"])
def test_wrong_scores_of_one_system_fail_its_validation_alone(unvalidated, wrong):
    result, _ = unvalidated
    (route,) = (system.route for system in result.plan.systems if system.name == wrong)
    ids, scores = result.retrieved[route]
    changed = SearchResults(ids, [[score * 1.001 for score in row] for row in scores])
    tampered = replace(result, retrieved={**result.retrieved, route: changed})
    validations = [*validate_fields(tampered), *validate_hybrids(tampered)]
    assert [name for name, _ in validations] == ["dense", "sparse", "rrf", "weighted"]
    assert [name for name, validation in validations if not validation.passed] == [wrong]


def test_a_metric_that_the_run_does_not_use_is_validated_and_the_index_restored(unvalidated, monkeypatch):
    """A store that ignores `set_metric` returns inner products for every metric."""
    result, store = unvalidated
    monkeypatch.setattr(MilvusStore, "set_metric", lambda self, field, metric: None)
    assert failed(result, store) == {("dense", "L2")}  # for unit vectors COSINE equals IP
    monkeypatch.undo()
    metrics, set_metric = [], MilvusStore.set_metric

    def recorded(self, field, metric):
        metrics.append((field, metric))
        set_metric(self, field, metric)

    monkeypatch.setattr(MilvusStore, "set_metric", recorded)
    assert failed(result, store) == set()
    assert metrics == [("dense", "COSINE"), ("dense", "L2"), ("dense", "IP")]


def test_wrong_full_text_scores_are_in_the_figures_of_the_deviation(unvalidated):
    result, store = unvalidated
    results = result.retrieved["native"]
    wrong = SearchResults(results.ids, [[score * 1.1 for score in scores] for scores in results.scores])
    lost = without_best(results)
    for retrieved, key, expected in ((wrong, "max_relative_score_error", 0.1), (lost, "recall", 0.95)):
        deviations = milvus_deviations(replace(result, retrieved={**result.retrieved, "native": retrieved}), store)
        assert deviations[0]["figures"][key] == pytest.approx(expected, abs=0.01)


def test_latencies_are_milliseconds_of_single_queries(unvalidated, monkeypatch):
    """A clock that advances by 0.25 s per search, and by nothing else."""
    clock, sizes = [0.0], []

    def retrieve(store, system, queries, depth):
        clock[0] += 0.25
        sizes.extend(run_module._length(queries[name]) for name in system.fields)
        return SearchResults([], [])

    monkeypatch.setattr(run_module, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(run_module, "retrieve", retrieve)
    _, store = unvalidated
    _, systems = plan()
    queries = {"dense": np.zeros((30, 26)), "sparse": csr_array((30, 64)), "native": ["x"] * 30}
    for system in systems:
        assert run_module._latency_ms(store, system, queries, 5) == [250.0] * 20
    assert set(sizes) == {1}
    assert run_module._latency_ms(store, systems[0], {"dense": np.zeros((3, 26))}, 5) == [250.0] * 3


def test_a_failing_encoder_leaves_no_results(dataset, tmp_path):
    encoders, systems = plan()

    class Broken(Letters):
        def encode_documents(self, documents):
            raise RuntimeError("out of order")

    encoders[0] = Encoder(encoders[0].field, Broken(), {"model": "broken"})
    with pytest.raises(RuntimeError, match="out of order"):
        run_plan(dataset, RunPlan(encoders, systems, cache=tmp_path / "c"), tmp_path)
    assert not (tmp_path / "out" / "results.json").exists()


def test_a_data_set_without_judged_queries_raises(tmp_path):
    (tmp_path / "qrels").mkdir()
    (tmp_path / "corpus.jsonl").write_text('{"_id": "d", "text": "x"}\n')
    (tmp_path / "queries.jsonl").write_text('{"_id": "q", "text": "x"}\n')
    (tmp_path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n")
    with pytest.raises(DatasetError, match="got 1 documents and 0 judged queries"):
        load(open_dataset(f"beir:{tmp_path}"))


class OldServer:
    """A client of Milvus 2.3, which has no sparse vectors."""

    def __init__(self, *_, **__):
        pass

    def get_server_version(self):
        return "v2.3.5"

    def close(self):
        pass


def test_an_old_server_raises_before_anything_is_read_or_encoded(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("refimpl.search.store.MilvusClient", OldServer)
    encoders, systems = plan()
    before = Letters.calls
    with pytest.raises(MilvusVersionError, match=r"got v2\.3\.5, which lacks sparse vectors \(sparse, native\)"):
        run(dataset, RunPlan(encoders, systems, cache=tmp_path / "c"), tmp_path / "out", "http://h:1")
    assert Letters.calls == before
    assert encoders[1].function.fitted == 0
    assert list(tmp_path.iterdir()) == []


def test_a_collection_that_is_not_kept_in_memory_has_equal_results(dataset, once, tmp_path, monkeypatch):
    _, expected = once
    monkeypatch.setattr("refimpl.search.documents.KEPT_BYTES", 1000)
    monkeypatch.setattr("refimpl.search.encoding.ROWS", 50)
    results = ran(dataset, tmp_path)
    for key in ("dataset", "verdicts", "departures", "contrasts", "significance", "failures"):
        assert results[key] == expected[key], key
    assert [one["per_query"] for one in results["systems"].values()] == [
        one["per_query"] for one in expected["systems"].values()
    ]
    (folder,) = (tmp_path / "out" / "shards").iterdir()
    manifest = verify(folder)
    assert [entry.rows for entry in manifest.shards] == [50, 50, 50, 31]
    assert manifest.columns == {"dense": ("dense", 26), "sparse": ("sparse", 64)}
    assert manifest.settings["dataset"]["sha256"] == results["dataset"]["sha256"]


def test_shards_of_other_settings_are_removed_when_a_run_is_complete(dataset, tmp_path):
    encoders, systems = plan()
    for encoder in (encoders[0], replace(encoders[0], key={"model": "other"})):
        run_plan(dataset, RunPlan([encoder], systems[:1], cache=tmp_path / "c"), tmp_path)
        assert len(list((tmp_path / "out" / "shards").iterdir())) == 1


def test_a_shard_that_is_lost_or_damaged_is_encoded_again_alone(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("refimpl.search.encoding.ROWS", 50)
    encoders, systems = plan()
    only = RunPlan([replace(encoders[0], cached=False)], systems[:1])
    first = run_plan(dataset, only, tmp_path)
    (folder,) = (tmp_path / "out" / "shards").iterdir()
    (folder / "000001.parquet").unlink()
    content = (folder / "000003.parquet").read_bytes()
    (folder / "000003.parquet").write_bytes(content[:2000] + bytes([content[2000] ^ 1]) + content[2001:])  # a vector
    second = run_plan(dataset, only, tmp_path)
    times = {(t["stage"], t["what"]): t for t in second["timings"]}
    assert (times["encode documents", "dense"]["items"], times["encode documents", "dense"]["skipped"]) == (81, 100)
    assert second["verdicts"] == first["verdicts"]
