import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import seeded
import tokenizers
from safetensors.numpy import load_file
from served import served

import refimpl as package
from refimpl import SentenceTransformerEmbeddingFunction, systems
from refimpl.datasets.python_docs import PythonDocs, judgements
from refimpl.dense.remote import RemoteEmbeddingFunction
from refimpl.evaluate import read_run
from refimpl.search.fields import DenseField
from refimpl.search.file_locks import exclusive_run
from refimpl.search.saved_run import IndexMissingError, SavedRun
from refimpl.search.store import MilvusStore
from refimpl.systems import SearchOptions, Settings, build

ROOT = Path(__file__).parents[2]
TEXTS = {
    "norm": "Compute the length of a vector, its Euclidean norm.",
    "sort": "Sort the elements of an array in ascending order.",
    "tree": "Delete a whole directory tree with everything in it.",
    "join": "Join several path components into one path.",
    "gzip": "Compress bytes with the deflate algorithm.",
    "café": "Write accented words, 東京 and emoji 😀 to a file.",
}
QUESTIONS = {"q1": "length of a vector", "q2": "remove a folder and all below it", "q3": "compress data"}
ANSWERS = {"q1": "norm", "q2": "tree", "q3": "gzip"}


@pytest.fixture(scope="module")
def beir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("beir")
    (folder / "qrels").mkdir()
    rows = [json.dumps({"_id": key, "title": "", "text": text}) for key, text in TEXTS.items()]
    (folder / "corpus.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    queries = [json.dumps({"_id": key, "text": text}) for key, text in QUESTIONS.items()]
    (folder / "queries.jsonl").write_text("\n".join(queries) + "\n")
    judged = [f"{query}\t{doc}\t1" for query, doc in ANSWERS.items()]
    (folder / "qrels" / "test.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *judged]) + "\n")
    return folder


def refimpl(*arguments, **environment):
    known = {k: v for k, v in os.environ.items() if not k.startswith("MILVUS_")}
    command = [sys.executable, "-m", "refimpl", *map(str, arguments)]
    return subprocess.run(
        command, cwd=ROOT, env=known | environment, capture_output=True, text=True, check=False, timeout=300
    )


@pytest.fixture(scope="module")
def built(beir, tmp_path_factory):
    """`refimpl run` with every default system on six documents."""
    out = tmp_path_factory.mktemp("run")
    done = refimpl("run", "--dataset", f"beir:{beir}", "--out", out, "--rerank", "maxsim")
    return out, done


def test_run_prints_validations_before_measures_and_saves_all_files(built):
    out, done = built
    assert done.returncode == 0, done.stderr
    assert -1 < done.stdout.index("Milvus compared with exact search") < done.stdout.index("Effectiveness of each")
    assert "NOT equal" not in done.stdout
    results = json.loads((out / "results.json").read_text())
    assert set(results["systems"]) == {*systems.DEFAULT, *(f"{name}+rerank" for name in systems.DEFAULT)}
    assert all(validation["passed"] for validation in results["verdicts"])
    assert results["systems"]["dense"]["metrics"]["MRR@10"] == 1.0
    assert set(read_run(out / "runs/dense.trec")["q1"]) == set(TEXTS)
    assert "Traceback" not in done.stderr
    assert "WARNING" not in done.stderr


def test_dense_scores_equal_those_of_the_encoder(built):
    from refimpl.dense.minilm import MiniLMEmbeddingFunction

    encode = MiniLMEmbeddingFunction(dtype="float64").encode_documents
    truth = encode(list(QUESTIONS.values())) @ encode(list(TEXTS.values())).T
    run = read_run(built[0] / "runs/dense.trec")
    scores = [[run[query][doc] for doc in TEXTS] for query in QUESTIONS]
    np.testing.assert_allclose(scores, truth, atol=1e-5)


@pytest.mark.parametrize("system", ["dense", "bm25", "milvus-bm25", "hybrid-rrf", "dense+rerank", None])
def test_search_uses_the_collection_of_the_run(built, system):
    hits = systems.search(["the length of a vector"], built[0], system, SearchOptions(k=2))[0]
    assert hits[0].id == "norm"
    assert hits[0].text == TEXTS["norm"]
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_the_best_system_is_the_one_with_the_highest_ndcg(built, tmp_path):
    for file in built[0].glob("*.json"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    results = json.loads((tmp_path / "results.json").read_text())
    for number, name in enumerate(("hybrid-rrf", "bm25", "bm25+rerank", "dense")):
        results["systems"][name]["metrics"]["nDCG@10"] = 1.25 + number
        (tmp_path / "results.json").write_text(json.dumps(results))
        best = systems.best_system(tmp_path)
        assert (best.name, best.reason) == (name, f"nDCG@10 {1.25 + number:.4f}, the highest of the run")
    for damage in ("{", "[]", '{"systems": {}}', '{"systems": {"other": {"metrics": {"nDCG@10": 1}}}}'):
        (tmp_path / "results.json").write_text(damage)
        assert systems.best_system(tmp_path).name == "hybrid-weighted"


def test_a_run_by_other_measures(beir, tmp_path):
    done = refimpl(
        *("run", "--dataset", f"beir:{beir}", "--systems", "bm25,milvus-bm25", "--out", tmp_path, "-q"),
        *("--measures", "P@1,ERR@20", "--ignore-identical-ids"),
    )
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    assert set(results["systems"]["bm25"]["metrics"]) == {"P@1", "ERR@20"}
    assert {test["measure"] for test in results["significance"]} == {"P@1"}
    assert results["dataset"]["ignore_identical_ids"] is True
    assert "Documents whose id is the query's are left out" in done.stdout
    assert systems.best_system(tmp_path).reason.startswith("P@1 ")


def test_search_on_the_command_line(built):
    done = refimpl("search", "compress data", "--out", built[0], "-k", "1", "--rerank", "maxsim")
    assert done.returncode == 0, done.stderr
    assert "gzip" in done.stdout
    assert "norm" not in done.stdout
    assert done.stdout.startswith(f"by {systems.best_system(built[0]).name}: nDCG@10 ")
    filtered = refimpl("search", "compress data", "--out", built[0], "--filter", 'id like "caf%"')
    assert "café" in filtered.stdout
    assert "gzip" not in filtered.stdout


def test_searching_without_a_run_raises_with_the_command_to_build_it(built, tmp_path):
    done = refimpl("search", "anything", "--out", tmp_path / "none")
    assert done.returncode == 1
    assert done.stderr.startswith("refimpl: ")
    assert "refimpl run --out" in done.stderr
    with pytest.raises(ValueError, match=r"one of the run in .* \(dense, bm25, .*\), got 'splade'"):
        systems.search(["x"], built[0], "splade")
    (tmp_path / "index.json").write_text('{"schema": "other/9"}')
    with pytest.raises(IndexMissingError, match="schema 'other/9'"):
        SavedRun.open(tmp_path)


def test_a_missing_store_raises(built, tmp_path):
    for file in built[0].glob("*.json"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(IndexMissingError, match="is missing: build it again"):
        systems.search(["x"], tmp_path)


def test_the_token_is_in_no_output_of_a_run(beir, tmp_path):
    done = refimpl(
        *("run", "--dataset", f"beir:{beir}", "--systems", "milvus-bm25", "--out", tmp_path, "-q"),
        MILVUS_TOKEN="very-secret",
    )
    assert done.returncode == 0, done.stderr
    texts = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    assert not any(b"very-secret" in text for text in [*texts, done.stdout.encode(), done.stderr.encode()])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dataset", "nonsense"], "expected a data set of the form beir:PATH"),
        (["--dataset", "BEIR", "--measures", "nDGC@10"], "measures must be some that ir-measures computes, such as"),
        (["--dataset", "beir:/no/such/folder"], "is not a BEIR folder"),
        (["--dataset", "BEIR", "--systems", "dense,colbert"], "unknown colbert"),
        (["--dataset", "BEIR", "--systems", ""], "none, or one twice"),
        (["--dataset", "BEIR", "--systems", "bm25,bm25"], "none, or one twice"),
        (["--dataset", "BEIR", "--systems", "milvus-bm25", "--uri", "nowhere"], r"ends in .db"),
        (["--dataset", "BEIR", "--split", "dev"], "no qrels/dev.tsv"),
    ],
)
def test_mistakes_are_reported_in_one_line(beir, tmp_path, arguments, message):
    arguments = [f"beir:{beir}" if argument == "BEIR" else argument for argument in arguments]
    done = refimpl("run", "--out", tmp_path, *arguments)
    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_skip_bad_counts_and_lists_on_the_command_line(beir, tmp_path):
    shutil.copytree(beir, tmp_path / "data")
    with (tmp_path / "data" / "corpus.jsonl").open("a") as stream:
        stream.write("{broken\n")
    arguments = ["run", "--dataset", f"beir:{tmp_path / 'data'}", "--systems", "milvus-bm25", "--out", tmp_path / "o"]
    strict = refimpl(*arguments)
    assert strict.returncode == 1
    assert "corpus.jsonl, line 7" in strict.stderr
    lenient = refimpl(*arguments, "--skip-bad")
    assert lenient.returncode == 0, lenient.stderr
    assert "left out: corpus.jsonl, line 7" in lenient.stdout
    assert json.loads((tmp_path / "o" / "results.json").read_text())["dataset"]["bad_lines"]


def test_different_settings_have_different_cache_keys():
    keys = [build(["dense"], Settings(max_length=length))[0][0].key for length in (128, 256)]
    assert keys[0] != keys[1]
    assert "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db" in json.dumps(keys[0])


def test_max_documents_keeps_every_judged_document():
    part = PythonDocs(max_documents=4000)
    ids = [document.id for document in part.documents()]
    assert len(ids) == 4000
    assert {doc_id for judged in judgements().values() for doc_id in judged} <= set(ids)
    assert part.name == "python-docs, 4000 documents"


def test_any_model_of_the_family_is_a_system(beir, tmp_path):
    """Small random models by folder, run and then searched; two folders of the same name raise."""
    folder = seeded.sentence_folder(seeded.model_folder(tmp_path / "small", "mpnet"), {"pooling_mode_cls_token": True})
    m3, static = seeded.bge_m3_folder(tmp_path / "m3"), seeded.model2vec_folder(tmp_path / "static")
    names = [f"dense:{folder}", f"bge-m3-dense:{m3}", f"bge-m3-sparse:{m3}", f"model2vec:{static}"]
    names += ["splade:splade-tiny"]
    done = refimpl("run", "--dataset", f"beir:{beir}", "--systems", ",".join(names), "--out", tmp_path / "out", "-q")
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    expected = {"dense:small", "bge-m3-dense:m3", "bge-m3-sparse:m3", "model2vec:static", "splade:splade-tiny"}
    assert set(results["systems"]) == expected
    assert all(validation["passed"] for validation in results["verdicts"])
    encode = SentenceTransformerEmbeddingFunction(folder, dtype="float64").encode_documents
    truth = encode(list(QUESTIONS.values())) @ encode(list(TEXTS.values())).T
    np.testing.assert_allclose(scores(tmp_path / "out" / results["systems"]["dense:small"]["run"]), truth, atol=1e-5)
    hits = systems.search(["compress data"], tmp_path / "out", names[0], SearchOptions(k=1))[0]
    assert hits[0].id == max(TEXTS, key=lambda doc: truth[2][list(TEXTS).index(doc)])
    of_static = scores(tmp_path / "out" / results["systems"]["model2vec:static"]["run"])
    np.testing.assert_allclose(of_static, cosines_of_means(static), atol=1e-5)
    with pytest.raises(ValueError, match="systems must have distinct names, got dense:small, dense:small"):
        build([names[0], f"dense:{tmp_path / 'other' / 'small'}"], Settings())
    with pytest.raises(ValueError, match=r"unknown dense:, .*"):
        build(["dense:", "bge-m3:x"], Settings())


def scores(run):
    """A run's scores, `(questions, texts)`."""
    by_query = read_run(run)
    return [[by_query[query][doc] for doc in TEXTS] for query in QUESTIONS]


def cosines_of_means(folder):
    """Cosines of questions and texts by Model2Vec's model card: the mean of the vectors of known tokens."""
    table = load_file(folder / "model.safetensors")["embeddings"].astype(np.float64)
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    unknown = tokenizer.token_to_id("[UNK]")

    def unit(text):
        ids = [i for i in tokenizer.encode(text, add_special_tokens=False).ids if i != unknown]
        mean = table[ids].mean(axis=0)
        return mean / np.linalg.norm(mean)

    return [[unit(question) @ unit(text) for text in TEXTS.values()] for question in QUESTIONS.values()]


KEYS = (
    *("OPENAI_API_KEY", "JINAAI_API_KEY", "VOYAGE_API_KEY", "CO_API_KEY"),
    *("MISTRAL_API_KEY", "MISTRALAI_API_KEY", "NOMIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"),
)


def test_every_public_embedding_function_is_a_system(tmp_path, monkeypatch):
    """Every public class called *EmbeddingFunction is the encoder of some system, the remote ones by name."""
    for variable in KEYS:
        monkeypatch.setenv(variable, "none")
    folder = seeded.sentence_folder(seeded.model_folder(tmp_path / "bert", "bert"), {"pooling_mode_mean_tokens": True})
    m3, static = seeded.bge_m3_folder(tmp_path / "m3"), seeded.model2vec_folder(tmp_path / "static")
    instructor, mgte = seeded.instructor_folder(tmp_path / "instructor"), seeded.mgte_folder(tmp_path / "mgte")
    graph = Path(__file__).parents[1] / "dense" / "onnx"
    local = [*("dense", "bm25", "splade"), f"dense:{folder}", f"bge-m3-dense:{m3}", f"model2vec:{static}"]
    local += [f"instructor:{instructor}", f"mgte-sparse:{mgte}", f"onnx:{graph}"]
    remote = ["openai:text-embedding-3-small", "jina:jina-embeddings-v3", "voyage:voyage-3", "cohere:embed-v4.0"]
    remote += ["mistral:mistral-embed", "nomic:nomic-embed-text-v1.5", "gemini:gemini-embedding-001"]
    with served() as url:
        encoders, _ = build([*local, *remote, f"tei:{url}"], Settings())
    functions = [getattr(encoder.function, "_function", encoder.function) for encoder in encoders]
    remote = [function for function in functions if isinstance(function, RemoteEmbeddingFunction)]
    kinds = {type(getattr(function, "function", function)) for function in functions if function not in remote}
    public = {getattr(package, name) for name in package.__all__ if name.endswith("EmbeddingFunction")} - {
        package.BaseEmbeddingFunction
    }
    clients = {kind for kind in public if issubclass(kind, RemoteEmbeddingFunction)}
    assert (len(public), len(clients)) == (17, 8)
    assert kinds == public - clients  # one kind of BGE-M3's three
    of_clients = {kind(url) if kind is package.TEIEmbeddingFunction else kind(api_key="none") for kind in clients}
    assert {one._provider.name for one in remote} == {one._provider.name for one in of_clients}


def test_a_second_run_in_the_same_folder_fails_at_once(beir, tmp_path):
    with exclusive_run(tmp_path / "out"):
        done = refimpl("run", "--dataset", f"beir:{beir}", "--systems", "bm25", "--out", tmp_path / "out")
        assert done.returncode == 1
        holder = f"process {os.getpid()}" if Path("/proc/self/fd").exists() else "another process"
        assert done.stderr.endswith(f"but {holder} runs in it: wait until it ends, or give another --out\n")
        assert [file.name for file in (tmp_path / "out").iterdir()] == [".refimpl-run.lock"]


def test_a_search_in_a_file_in_use_fails_with_the_reason(built):
    out, _ = built
    with MilvusStore("other", [DenseField("dense", 2)], uri=str(out / "milvus.db")) as store:
        done = refimpl("search", "length of a vector", "--out", out)
        store.drop()
    assert done.returncode == 1
    assert "milvus.db to be free, but" in done.stderr
    assert done.stderr.endswith("has it open: wait until it ends, or give another --out or --uri\n")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff\x00", "is not valid JSON"),
        (b"{", "is not valid JSON"),
        (b"[1]", "has schema None, expected"),
        (b'{"schema": "refimpl.index/1"}', r"is damaged \(KeyError: 'fields'\)"),
        (b'{"schema": "refimpl.index/1", "fields": 3}', r"is damaged \(TypeError: "),
        (
            b'{"schema": "refimpl.index/1", "fields": [{"kind": "x", "name": "y"}]}',
            r"is damaged \(ValueError: field 'y'",
        ),
    ],
)
def test_a_damaged_index_is_reported_in_one_line(tmp_path, content, reason):
    (tmp_path / "index.json").write_bytes(content)
    with pytest.raises(IndexMissingError, match=rf"index\.json {reason}.*: run again"):
        SavedRun.open(tmp_path)
