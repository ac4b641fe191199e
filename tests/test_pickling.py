"""Pickles and copies of every public class compute the same, to the last bit."""

import copy
import inspect
import json
import multiprocessing
import os
import pickle
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from operator import methodcaller
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest
import seeded
from scipy.sparse import issparse

import refimpl
from refimpl import models
from refimpl.pickling import FilesChangedError, dumps
from refimpl.sparse.analyzers.build import CJK, READY_MADE

TEXTS = [*seeded.TEXTS, "the query of the document"]
SECRET = "sk-never-in-a-pickle-0123456789"
ENCODE = methodcaller("encode_documents", TEXTS)
RERANK = methodcaller("__call__", "Mars is red", TEXTS, None)
SEARCH = methodcaller("search", TEXTS, 3)

pytestmark = pytest.mark.filterwarnings("ignore::refimpl.tokens.TruncationWarning")


@dataclass(frozen=True)
class Example:
    """How to create an object of a public class in a folder, and a computation with it."""

    make: Callable[[Path], Any]
    use: Callable[[Any], Any]


def bert(folder: Path) -> Path:
    return seeded.model_folder(folder / "bert", "bert")


def sentences(folder: Path) -> Path:
    model = bert(folder)
    seeded.sentence_folder(model, {"pooling_mode": "mean"}, ("Dense", {"in_features": 32, "out_features": 8}))
    seeded.dense(model / "2_Dense", 32, 8)
    return model


def with_heads(folder: Path, **heads: tuple[int, ...]) -> Path:
    """A BERT with further tensors in its file."""
    from safetensors.numpy import load_file, save_file

    file = bert(folder) / "model.safetensors"
    shapes = {name.replace("__", "."): shape for name, shape in heads.items()}
    tensors = load_file(file) | seeded.weights(shapes, 40)
    save_file(tensors, file)
    return file.parent


def splade(folder: Path) -> Path:
    vocab = seeded.VOCABULARY
    transform = "cls__predictions__transform__"
    shapes = {
        f"{transform}dense__weight": (32, 32),
        f"{transform}dense__bias": (32,),
        f"{transform}LayerNorm__weight": (32,),
        f"{transform}LayerNorm__bias": (32,),
        "cls__predictions__bias": (vocab,),
    }
    return with_heads(folder, **shapes)


def classifier(folder: Path) -> Path:
    shapes = {"pooler__dense__weight": (32, 32), "pooler__dense__bias": (32,)}
    return with_heads(folder, **shapes, classifier__weight=(1, 32), classifier__bias=(1,))


def index(folder: Path) -> Any:
    folder.mkdir(exist_ok=True)
    refimpl.BM25Index.build(TEXTS, analyzer="simple").save(folder / "index.bm25")
    return refimpl.BM25Index.load(folder / "index.bm25")


def body_for(kind: str) -> Callable[[Any], Any]:
    """The request that a client would send, with its address, limits and key."""

    def request(client: Any) -> Any:
        arguments = (TEXTS, "document") if kind == "embed" else ("query", TEXTS, 2)
        session = client._session
        sent = (session.base_url, session.timeout_s, session._limits, session._schedule.total, session.key.reveal())
        return client._body(*arguments), sent, client._batch, getattr(client, "usage", None)

    return request


def remote(name: str, kind: str, **settings: Any) -> Example:
    where = {"api_url" if name.startswith("TEI") else "base_url": "http://127.0.0.1:9"}
    key = {"api_key": SECRET, "timeout_s": 3.5, "max_retries": 1}
    return Example(lambda folder: getattr(refimpl, name)(**where, **key, **settings), body_for(kind))


EXAMPLES = {
    "MiniLMEmbeddingFunction": Example(
        lambda folder: refimpl.MiniLMEmbeddingFunction(bert(folder), max_length=20, normalize=False), ENCODE
    ),
    "SentenceTransformerEmbeddingFunction": Example(
        lambda folder: refimpl.SentenceTransformerEmbeddingFunction(sentences(folder), dtype="float64", batch_size=2),
        ENCODE,
    ),
    "Model2VecEmbeddingFunction": Example(
        lambda folder: refimpl.Model2VecEmbeddingFunction(seeded.model2vec_folder(folder / "static")), ENCODE
    ),
    "SpladeEmbeddingFunction": Example(
        lambda folder: refimpl.SpladeEmbeddingFunction(str(splade(folder)), k_tokens_document=9), ENCODE
    ),
    "BGEM3EmbeddingFunction": Example(
        lambda folder: refimpl.BGEM3EmbeddingFunction(seeded.bge_m3_folder(folder / "m3"), return_colbert_vecs=True),
        ENCODE,
    ),
    "MGTEEmbeddingFunction": Example(
        lambda folder: refimpl.MGTEEmbeddingFunction(seeded.mgte_folder(folder / "mgte"), dimension=9), ENCODE
    ),
    "InstructorEmbeddingFunction": Example(
        lambda folder: refimpl.InstructorEmbeddingFunction(
            seeded.instructor_folder(folder / "instructor"), doc_instruction="the document"
        ),
        ENCODE,
    ),
    "MaxSimRerankFunction": Example(
        lambda folder: refimpl.MaxSimRerankFunction(bert(folder), max_length=50, cosine_weight=0.5), RERANK
    ),
    "CrossEncoderRerankFunction": Example(
        lambda folder: refimpl.CrossEncoderRerankFunction(classifier(folder), activation="none"), RERANK
    ),
    "BGERerankFunction": Example(
        lambda folder: refimpl.BGERerankFunction(classifier(folder), query_max_length=9, max_length=30), RERANK
    ),
    "Qwen3RerankFunction": Example(
        lambda folder: refimpl.Qwen3RerankFunction(
            seeded.qwen3_reranker_folder(folder / "qwen3"), instruction="Find facts", dtype="float64"
        ),
        RERANK,
    ),
    "BM25EmbeddingFunction": Example(
        lambda folder: refimpl.BM25EmbeddingFunction(refimpl.build_analyzer("simple"), TEXTS, 1.2, variant="lucene"),
        ENCODE,
    ),
    "BM25Index": Example(index, SEARCH),
    "OnnxEmbeddingFunction": Example(
        lambda folder: refimpl.OnnxEmbeddingFunction(seeded.ONNX, seeded.ONNX, max_length=20), ENCODE
    ),
    "RerankResult": Example(lambda folder: refimpl.RerankResult("a", 0.5, 3), methodcaller("to_dict")),
    "OpenAIEmbeddingFunction": remote("OpenAIEmbeddingFunction", "embed", dimensions=7, batch_size=3),
    "CohereEmbeddingFunction": remote("CohereEmbeddingFunction", "embed"),
    "JinaEmbeddingFunction": remote("JinaEmbeddingFunction", "embed", task=None, truncate=True),
    "MistralAIEmbeddingFunction": remote("MistralAIEmbeddingFunction", "embed", encoding_format="base64"),
    "NomicEmbeddingFunction": remote("NomicEmbeddingFunction", "embed", task_type="clustering", dimensionality=7),
    "GeminiEmbeddingFunction": remote("GeminiEmbeddingFunction", "embed", config={"task_type": "CLUSTERING"}),
    "JevRerankFunction": remote("JevRerankFunction", "rerank", max_documents=5),
    "VoyageEmbeddingFunction": remote("VoyageEmbeddingFunction", "embed"),
    "TEIEmbeddingFunction": remote("TEIEmbeddingFunction", "embed"),
    "CohereRerankFunction": remote("CohereRerankFunction", "rerank", max_tokens_per_doc=99),
    "JinaRerankFunction": remote("JinaRerankFunction", "rerank", max_documents=5),
    "VoyageRerankFunction": remote("VoyageRerankFunction", "rerank"),
    "TEIRerankFunction": remote("TEIRerankFunction", "rerank", raw_scores=True),
}
CLIENTS = [name for name in EXAMPLES if isinstance(EXAMPLES[name].use, type(lambda: 0))]
READ_FROM_A_FOLDER = list(EXAMPLES)[:11]
WAYS: dict[str, Callable[[Any], Any]] = {
    **{f"pickle {p}": lambda made, p=p: pickle.loads(pickle.dumps(made, p)) for p in range(6)},
    "pickled twice": lambda made: pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(made)))),
    "cloudpickle": lambda made: cloudpickle.loads(cloudpickle.dumps(made)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "copy of a copy": lambda made: copy.deepcopy(copy.copy(made)),
}


def bits(value: Any) -> Any:
    """A value in a form whose equality is equality of every bit."""
    if issparse(value):
        return value.shape, bits(value.data), bits(value.indices), bits(value.indptr)
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, dict):
        return {name: bits(each) for name, each in value.items()}
    return [bits(each) for each in value] if isinstance(value, list | tuple) else value


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> dict[str, Any]:
    return {name: example.make(tmp_path_factory.mktemp(name)) for name, example in EXAMPLES.items()}


@pytest.fixture(autouse=True)
def key_here(monkeypatch):
    monkeypatch.setenv("REFIMPL_API_KEY", SECRET)


def test_every_public_class_has_an_example():
    classes = {getattr(refimpl, name) for name in refimpl.__all__ if inspect.isclass(getattr(refimpl, name))}
    classes -= {refimpl.BaseEmbeddingFunction, refimpl.BaseRerankFunction}  # base classes without state
    assert classes == {getattr(refimpl, name) for name in EXAMPLES}


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_copy_computes_the_same_bits(made, name):
    expected = bits(EXAMPLES[name].use(made[name]))
    for way, copied in WAYS.items():
        other = copied(made[name])
        assert type(other) is type(made[name])
        assert bits(EXAMPLES[name].use(other)) == expected, way


@pytest.mark.parametrize("name", sorted(READY_MADE.keys() - {f"pymilvus-{code}" for code in CJK}))
def test_a_copied_analyzer_gives_the_same_terms(name):
    analyzer = refimpl.build_analyzer(name)
    text = "The runners' cats weren't running, e.g. in U.S. cities. L'été, größer!"
    for way, copied in WAYS.items():
        other = copied(analyzer)
        assert other.fingerprint == analyzer.fingerprint, way
        assert other(text) == analyzer(text), way


def test_all_compute_the_same_bits_in_a_spawned_process(made):
    local = {name: example for name, example in EXAMPLES.items() if name not in CLIENTS}
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        for name, example in local.items():
            assert bits(pool.apply(example.use, (made[name],))) == bits(example.use(made[name])), name


@pytest.mark.parametrize("name", [*READ_FROM_A_FOLDER, "BM25Index"])
def test_weights_and_mapped_arrays_are_not_in_the_pickle(made, name):
    assert len(pickle.dumps(made[name])) < 3000


@pytest.mark.parametrize("name", READ_FROM_A_FOLDER)
def test_settings_that_were_changed_are_kept(made, name):
    copied = copy.deepcopy(made[name])
    plain = {k: v for k, v in vars(copied).items() if isinstance(v, bool | str) and not k.startswith("_")}
    changed = {k: not v if isinstance(v, bool) else f"{v}x" for k, v in plain.items()}
    vars(copied).update(changed)
    for way in ("pickle 5", "copy", "deepcopy"):
        assert {k: vars(WAYS[way](copied))[k] for k in changed} == changed, way


def test_a_default_number_of_workers_is_determined_again(made, monkeypatch, tmp_path):
    folder = bert(tmp_path)
    open_, fixed = (refimpl.MiniLMEmbeddingFunction(folder, max_length=20, num_workers=n) for n in (None, 3))
    monkeypatch.setattr("refimpl.bert.encoder.usable_cores", lambda: 7)
    for copied in WAYS.values():
        assert copied(open_).encoder.num_workers == 7
        assert copied(fixed).encoder.num_workers == 3


def test_a_default_number_of_workers_travels_with_dumps(monkeypatch, tmp_path):
    folder = bert(tmp_path)
    open_, fixed = (refimpl.MiniLMEmbeddingFunction(folder, max_length=20, num_workers=n) for n in (None, 3))
    monkeypatch.setattr("refimpl.pickling.usable_cores", lambda: 5)
    monkeypatch.setattr("refimpl.bert.encoder.usable_cores", lambda: 7)
    assert pickle.loads(dumps(open_)).encoder.num_workers == 5
    assert pickle.loads(dumps(fixed.encode_documents)).__self__.encoder.num_workers == 3
    assert pickle.loads(pickle.dumps(open_)).encoder.num_workers == 7


@pytest.mark.parametrize("name", READ_FROM_A_FOLDER)
def test_weights_that_differ_elsewhere_are_refused(name, tmp_path):
    made = EXAMPLES[name].make(tmp_path)
    pickled = pickle.dumps(made)
    file = next(tmp_path.rglob("model.safetensors"))
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.unlink()
    file.write_bytes(content)
    with pytest.raises(FilesChangedError, match=r"model\.safetensors differs from the file that was pickled: expected"):
        pickle.loads(pickled)


@pytest.mark.parametrize("name", READ_FROM_A_FOLDER)
def test_a_folder_that_is_not_there_is_named(name, tmp_path):
    made = EXAMPLES[name].make(tmp_path / "here")
    pickled = pickle.dumps(made)
    shutil.move(tmp_path / "here", tmp_path / "elsewhere")
    with pytest.raises(FilesChangedError, match=rf"folder {tmp_path}/here/\w+ is not on this machine: copy it here"):
        pickle.loads(pickled)


def test_weights_replaced_after_reading_are_not_pickled(tmp_path):
    made = refimpl.MiniLMEmbeddingFunction(bert(tmp_path), max_length=20)
    file = tmp_path / "bert" / "model.safetensors"
    os.utime(file, ns=(1, 1))
    with pytest.raises(FilesChangedError, match=r"model\.safetensors changed after it was read"):
        pickle.dumps(made)


def test_a_relative_folder_is_found_from_another_working_folder(tmp_path, monkeypatch):
    bert(tmp_path)
    monkeypatch.chdir(tmp_path)
    pickled = pickle.dumps(refimpl.MiniLMEmbeddingFunction("bert", max_length=20))
    monkeypatch.chdir("/")
    assert pickle.loads(pickled).encode_documents(["fox"]).shape == (1, 32)


def test_a_registered_model_is_found_where_its_folder_is_not(minilm_folder, tmp_path, monkeypatch):
    here = tmp_path / "copied"
    shutil.copytree(minilm_folder, here)
    made = refimpl.MiniLMEmbeddingFunction(here)
    expected, pickled = made.encode_documents(["fox"]), pickle.dumps(made)
    assert len(pickled) < 3000
    shutil.rmtree(here)
    np.testing.assert_array_equal(pickle.loads(pickled).encode_documents(["fox"]), expected)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("REFIMPL_MODEL_DIR", str(tmp_path))
    names = []
    monkeypatch.setattr(models, "path", lambda name: names.append(name) or minilm_folder)
    pickle.loads(pickled)
    assert names == ["all-MiniLM-L6-v2"]


def test_a_loaded_index_travels_as_its_file_and_a_built_one_as_its_arrays(tmp_path):
    built, loaded = refimpl.BM25Index.build(TEXTS, analyzer="simple"), index(tmp_path)
    pickled = pickle.dumps(built), pickle.dumps(loaded)
    refimpl.BM25Index.build(["other"], analyzer="simple").save(tmp_path / "index.bm25")
    assert bits(pickle.loads(pickled[0]).search(TEXTS)) == bits(built.search(TEXTS))
    with pytest.raises(FilesChangedError, match=r"index\.bm25 differs from the file that was pickled"):
        pickle.loads(pickled[1])
    (tmp_path / "index.bm25").unlink()
    with pytest.raises(FilesChangedError, match=r"index\.bm25 is missing on this machine"):
        pickle.loads(pickled[1])


def test_copies_share_neither_sessions_nor_locks_nor_searchers(made):
    for way, copied in WAYS.items():
        client, other = made["OpenAIEmbeddingFunction"], copied(made["OpenAIEmbeddingFunction"])
        assert other._session is not client._session, way
        assert other._session._http is not client._session._http, way
        assert other._lock is not client._lock, way
        assert copied(made["BM25Index"])._searcher is not made["BM25Index"]._searcher, way
        assert copied(made["MiniLMEmbeddingFunction"]).encoder is not made["MiniLMEmbeddingFunction"].encoder, way


@pytest.mark.parametrize("name", CLIENTS)
def test_a_key_is_in_no_pickle_and_no_representation_of_the_client(made, name):
    client = made[name]
    assert client._session.key.reveal() == SECRET
    for copied in (client, copy.copy(client), pickle.loads(pickle.dumps(client))):
        for protocol in range(6):
            assert SECRET.encode() not in pickle.dumps(copied, protocol)
        assert SECRET.encode() not in cloudpickle.dumps(copied)
        assert SECRET not in repr(client) + repr(vars(copied)) + json.dumps(vars(copied), default=repr)
        assert SECRET not in json.dumps(vars(copied), default=lambda value: getattr(value, "__dict__", repr(value)))


@pytest.mark.parametrize("name", CLIENTS)
def test_the_key_is_taken_from_the_environment_or_the_error_names_the_variables(made, name, monkeypatch):
    pickled = pickle.dumps(made[name])
    monkeypatch.delenv("REFIMPL_API_KEY")
    for variable in made[name]._provider.key_variables:
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(ValueError, match=r"was pickled without its key: set .*REFIMPL_API_KEY.* before unpickling"):
        pickle.loads(pickled)
    assert copy.copy(made[name])._session.key.reveal() == SECRET


@pytest.mark.parametrize("name", CLIENTS)
def test_the_providers_variable_is_for_the_providers_address_alone(made, name, monkeypatch):
    monkeypatch.delenv("REFIMPL_API_KEY")
    function = type(made[name])
    for variable in made[name]._provider.key_variables:
        monkeypatch.setenv(variable, f"{SECRET}-{variable}")
    with pytest.raises(ValueError, match=r"set REFIMPL_API_KEY before unpickling"):
        pickle.loads(pickle.dumps(made[name]))
    for variable in made[name]._provider.key_variables:
        monkeypatch.setenv(variable, f"{SECRET}-{variable}")
        at_home = pickle.loads(pickle.dumps(function(api_key=SECRET)))
        assert at_home._session.key.reveal() == f"{SECRET}-{variable}"
        monkeypatch.delenv(variable)


def test_a_client_without_a_key_stays_without():
    client = refimpl.OpenAIEmbeddingFunction(base_url="http://127.0.0.1:9")
    for way, copied in WAYS.items():
        assert copied(client)._session.key is None, way


def test_a_server_named_by_the_environment_stays_the_same(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    client = refimpl.OpenAIEmbeddingFunction()
    monkeypatch.delenv("OPENAI_BASE_URL")
    for way, copied in WAYS.items():
        assert copied(client)._session.base_url == "http://127.0.0.1:9/v1/embeddings", way


def test_a_clients_measured_width_and_usage_are_kept(made):
    client = copy.copy(refimpl.TEIEmbeddingFunction("http://127.0.0.1:9"))
    client._width = 12
    client.usage = client.usage.plus(5)
    for way, copied in WAYS.items():
        assert (copied(client).dim, copied(client).usage.tokens) == (12, 5), way


def test_an_analyzer_that_needs_nltk_data_says_so_where_there_is_none(monkeypatch):
    pickled = pickle.dumps(refimpl.build_default_analyzer("en"))
    monkeypatch.setattr("refimpl.sparse.analyzers.nltk_words.nltk_data", lambda: None)
    with pytest.raises(ValueError, match=r"needs NLTK's data.*refimpl models fetch nltk-data"):
        pickle.loads(pickled)
