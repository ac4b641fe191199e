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
from refimpl.evaluate import read_run
from refimpl.search.index import Index, IndexMissingError
from refimpl.systems import Settings, build

ROOT = Path(__file__).parent.parent
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
    asked = [json.dumps({"_id": key, "text": text}) for key, text in QUESTIONS.items()]
    (folder / "queries.jsonl").write_text("\n".join(asked) + "\n")
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


def test_run_shows_verdicts_before_figures_and_leaves_everything(built):
    out, done = built
    assert done.returncode == 0, done.stderr
    assert -1 < done.stdout.index("Milvus against the judge") < done.stdout.index("How well each system retrieves")
    assert "NOT equal" not in done.stdout
    results = json.loads((out / "results.json").read_text())
    assert set(results["systems"]) == {*systems.DEFAULT, *(f"{name}+rerank" for name in systems.DEFAULT)}
    assert all(verdict["passed"] for verdict in results["verdicts"])
    assert results["systems"]["dense"]["metrics"]["MRR@10"] == 1.0
    assert set(read_run(out / "runs/dense.trec")["q1"]) == set(TEXTS)
    assert "Traceback" not in done.stderr
    assert "WARNING" not in done.stderr


def test_dense_scores_are_those_of_the_encoder(built):
    from refimpl.dense.minilm import MiniLMEmbeddingFunction

    encode = MiniLMEmbeddingFunction(dtype="float64").encode_documents
    truth = encode(list(QUESTIONS.values())) @ encode(list(TEXTS.values())).T
    run = read_run(built[0] / "runs/dense.trec")
    found = [[run[query][doc] for doc in TEXTS] for query in QUESTIONS]
    np.testing.assert_allclose(found, truth, atol=1e-5)


@pytest.mark.parametrize("system", ["dense", "bm25", "milvus-bm25", "hybrid-rrf", None])
def test_search_answers_from_what_run_built(built, system):
    found = systems.answer(["the length of a vector"], built[0], system, k=2)[0]
    assert found[0].id == "norm"
    assert found[0].text == TEXTS["norm"]
    assert [answer.score for answer in found] == sorted((answer.score for answer in found), reverse=True)


def test_search_on_the_command_line(built):
    done = refimpl("search", "compress data", "--out", built[0], "-k", "1", "--rerank", "maxsim")
    assert done.returncode == 0, done.stderr
    assert "gzip" in done.stdout
    assert "norm" not in done.stdout
    filtered = refimpl("search", "compress data", "--out", built[0], "--filter", 'id like "caf%"')
    assert "café" in filtered.stdout
    assert "gzip" not in filtered.stdout


def test_searching_what_was_not_built_says_how_to_build_it(built, tmp_path):
    done = refimpl("search", "anything", "--out", tmp_path / "none")
    assert done.returncode == 1
    assert done.stderr.startswith("refimpl: ")
    assert "refimpl run --out" in done.stderr
    with pytest.raises(ValueError, match=r"built for dense, bm25, .* not for 'splade'"):
        systems.answer(["x"], built[0], "splade")
    (tmp_path / "index.json").write_text('{"schema": "other/9"}')
    with pytest.raises(IndexMissingError, match="schema 'other/9'"):
        Index.open(tmp_path)


def test_a_store_that_is_gone_is_missed(built, tmp_path):
    for file in built[0].glob("*.json"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(IndexMissingError, match="is gone: build it again"):
        systems.answer(["x"], tmp_path)


def test_the_token_is_nowhere_in_what_run_leaves(beir, tmp_path):
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
        (["--dataset", "nonsense"], "is none of beir:PATH"),
        (["--dataset", "beir:/no/such/folder"], "is not a BEIR folder"),
        (["--dataset", "BEIR", "--systems", "dense,colbert"], "unknown colbert"),
        (["--dataset", "BEIR", "--systems", ""], "none, or one twice"),
        (["--dataset", "BEIR", "--systems", "bm25,bm25"], "none, or one twice"),
        (["--dataset", "BEIR", "--systems", "milvus-bm25", "--uri", "nowhere"], r"ends in .db"),
        (["--dataset", "BEIR", "--split", "dev"], "no qrels/dev.tsv"),
    ],
)
def test_mistakes_are_told_in_one_sentence(beir, tmp_path, arguments, message):
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


def test_each_settings_vectors_have_their_own_key():
    keys = [build(["dense"], Settings(max_length=length))[0][0].key for length in (128, 256)]
    assert keys[0] != keys[1]
    assert "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db" in json.dumps(keys[0])


def test_the_demos_part_of_python_docs_keeps_every_judged_name():
    part = PythonDocs(most=4000)
    ids = [document.id for document in part.documents()]
    assert len(ids) == 4000
    assert {doc_id for judged in judgements().values() for doc_id in judged} <= set(ids)
    assert part.name == "python-docs, 4000 documents"


def test_any_model_of_the_family_is_a_system(beir, tmp_path):
    """Small random models by their folders, run and then searched; two folders of one name are refused."""
    folder = seeded.sentence_folder(seeded.model_folder(tmp_path / "small", "mpnet"), {"pooling_mode_cls_token": True})
    m3, static = seeded.bge_m3_folder(tmp_path / "m3"), seeded.model2vec_folder(tmp_path / "static")
    names = [f"dense:{folder}", f"bge-m3-dense:{m3}", f"bge-m3-sparse:{m3}", f"model2vec:{static}"]
    names += ["splade:splade-tiny"]
    done = refimpl("run", "--dataset", f"beir:{beir}", "--systems", ",".join(names), "--out", tmp_path / "out", "-q")
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    called = {"dense:small", "bge-m3-dense:m3", "bge-m3-sparse:m3", "model2vec:static", "splade:splade-tiny"}
    assert set(results["systems"]) == called
    assert all(verdict["passed"] for verdict in results["verdicts"])
    encode = SentenceTransformerEmbeddingFunction(folder, dtype="float64").encode_documents
    truth = encode(list(QUESTIONS.values())) @ encode(list(TEXTS.values())).T
    np.testing.assert_allclose(scores(tmp_path / "out" / "runs" / "dense:small.trec"), truth, atol=1e-5)
    found = systems.answer(["compress data"], tmp_path / "out", names[0], k=1)[0]
    assert found[0].id == max(TEXTS, key=lambda doc: truth[2][list(TEXTS).index(doc)])
    of_static = scores(tmp_path / "out" / "runs" / "model2vec:static.trec")
    np.testing.assert_allclose(of_static, cosines_of_means(static), atol=1e-5)
    with pytest.raises(ValueError, match="two of the systems are called the same: dense:small, dense:small"):
        build([names[0], f"dense:{tmp_path / 'other' / 'small'}"], Settings())
    with pytest.raises(ValueError, match=r"unknown dense:, .*"):
        build(["dense:", "bge-m3:x"], Settings())


def scores(run):
    """A run's scores, `(questions, texts)`."""
    found = read_run(run)
    return [[found[query][doc] for doc in TEXTS] for query in QUESTIONS]


def cosines_of_means(folder):
    """Questions against texts by the plain words of Model2Vec's card: the mean of the known tokens' vectors."""
    table = load_file(folder / "model.safetensors")["embeddings"].astype(np.float64)
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    unknown = tokenizer.token_to_id("[UNK]")

    def unit(text):
        ids = [i for i in tokenizer.encode(text, add_special_tokens=False).ids if i != unknown]
        mean = table[ids].mean(axis=0)
        return mean / np.linalg.norm(mean)

    return [[unit(question) @ unit(text) for text in TEXTS.values()] for question in QUESTIONS.values()]


def test_every_public_embedding_function_is_a_system(tmp_path, monkeypatch):
    """By type: whatever refimpl calls an EmbeddingFunction fills the field of a system, the remote ones by name."""
    for variable in ("OPENAI_API_KEY", "JINAAI_API_KEY", "VOYAGE_API_KEY", "CO_API_KEY"):
        monkeypatch.setenv(variable, "none")
    folder = seeded.sentence_folder(seeded.model_folder(tmp_path / "bert", "bert"), {"pooling_mode_mean_tokens": True})
    m3, static = seeded.bge_m3_folder(tmp_path / "m3"), seeded.model2vec_folder(tmp_path / "static")
    local = [*("dense", "bm25", "splade"), f"dense:{folder}", f"bge-m3-dense:{m3}", f"model2vec:{static}"]
    remote = ["openai:text-embedding-3-small", "jina:jina-embeddings-v3", "voyage:voyage-3", "cohere:embed-v4.0"]
    with served() as url:
        encoders, _ = build([*local, *remote, f"tei:{url}"], Settings())
    functions = [getattr(encoder.function, "_function", encoder.function) for encoder in encoders]
    kinds = {type(getattr(function, "function", function)) for function in functions}  # one kind of BGE-M3's three
    public = {getattr(package, name) for name in package.__all__ if name.endswith("EmbeddingFunction")}
    assert len(public) == 11
    assert kinds == public
