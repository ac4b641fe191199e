"""Folders with a Router, a StaticEmbedding or steps on tokens, saved by sentence-transformers, in float64."""

import json
from pathlib import Path

import numpy as np
import pytest
from saved_modules import PIECES, TEXTS, change, randomised, rows, tokenizer, transformer

from refimpl import MiniLMEmbeddingFunction, SentenceTransformerEmbeddingFunction
from refimpl.bert.files import WeightsError
from refimpl.bert.routes import RouteError, task_modules

pytestmark = pytest.mark.filterwarnings("ignore::refimpl.tokens.TruncationWarning")
ENCODES = {"encode": "__call__", "encode_query": "encode_queries", "encode_document": "encode_documents"}


def save(folder, *modules, **settings):
    from sentence_transformers import SentenceTransformer

    SentenceTransformer(modules=list(modules), **settings).double().save_pretrained(str(folder))
    return folder


def assert_equal(folder, names=tuple(ENCODES)):
    from sentence_transformers import SentenceTransformer

    peer = SentenceTransformer(str(folder), device="cpu").double()
    ours = SentenceTransformerEmbeddingFunction(str(folder), dtype="float64", normalize_embeddings=False)
    quick = SentenceTransformerEmbeddingFunction(str(folder), normalize_embeddings=False)
    for name in names:
        expected = rows(getattr(peer, name), TEXTS)
        assert expected.dtype == np.float64
        np.testing.assert_allclose(getattr(ours, ENCODES[name])(TEXTS), expected, rtol=0, atol=1e-11, err_msg=name)
        single = getattr(quick, ENCODES[name])(TEXTS)
        assert single.dtype == np.float32
        np.testing.assert_allclose(single, expected, rtol=0, atol=2e-5, err_msg=name)
    unit = SentenceTransformerEmbeddingFunction(str(folder), dtype="float64")
    for name in names:
        expected = rows(getattr(peer, name), TEXTS, normalize_embeddings=True)
        np.testing.assert_allclose(getattr(unit, ENCODES[name])(TEXTS), expected, rtol=0, atol=1e-12, err_msg=name)


def static(seed=1, width=16):
    import torch
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    torch.manual_seed(seed)
    return StaticEmbedding(tokenizer()._tokenizer, embedding_dim=width)


def query_document(folder, **settings):
    """A Router: queries by a StaticEmbedding, documents by an encoder."""
    from sentence_transformers.base.modules import Dense, Router
    from sentence_transformers.sentence_transformer.modules import Pooling

    document = [transformer(folder), Pooling(16, pooling_mode="cls"), *randomised(Dense(16, 12))]
    query = [static(), *randomised(Dense(16, 12))]
    return Router.for_query_document(query, document, **settings)


@pytest.mark.peer
def test_queries_and_documents_take_their_routes(tmp_path):
    from sentence_transformers.base.modules import Normalize

    router = query_document(tmp_path / "bert")
    assert_equal(save(tmp_path / "prompt", router, prompts={"q": "query : "}, default_prompt_name="q"), ("encode",))
    folder = save(tmp_path / "model", router)
    assert_equal(folder)
    assert_equal(save(tmp_path / "unit", router, Normalize()))
    ours = SentenceTransformerEmbeddingFunction(str(folder), dtype="float64")
    assert np.abs(ours.encode_queries(TEXTS) - ours.encode_documents(TEXTS)).max() > 0.1
    with pytest.raises(WeightsError, match="expected the same modules for queries and documents, got a Router"):
        MiniLMEmbeddingFunction(folder)


@pytest.mark.peer
@pytest.mark.parametrize(
    "parameters",
    [
        {"default_route": "query"},
        {"default_route": None},
        {"default_route": "query", "allow_empty_key": False},
        {"route_mappings": {"('query', None)": "document", "(None, 'text')": "query"}},
        {"route_mappings": {"(None, None)": "query"}},
        {"route_mappings": {"('query', 'text')": "document", "('document', 'text')": "query"}},
        {"route_mappings": {"('document', ('image', 'text'))": "query", "(None, 'image')": "query"}},
        {"default_route": "document", "route_mappings": {"(None, 'text')": "query", "(None, None)": "document"}},
    ],
    ids=str,
)
def test_each_value_of_each_key_of_a_router_takes_the_same_route(tmp_path, parameters):
    folder = save(tmp_path / "model", query_document(tmp_path / "bert"))
    file = folder / "router_config.json"
    published = json.loads(file.read_text(encoding="utf-8"))
    change(file, parameters=published["parameters"] | parameters)
    assert_equal(folder)


@pytest.mark.peer
def test_a_router_without_a_default_encodes_queries_and_documents_alone(tmp_path):
    router = query_document(tmp_path / "bert", default_route=None, allow_empty_key=False)
    folder = save(tmp_path / "model", router)
    assert_equal(folder, ("encode_query", "encode_document"))
    with pytest.raises(RouteError, match=r"router_config\.json: expected a default_route for texts without a task"):
        SentenceTransformerEmbeddingFunction(str(folder))(TEXTS)


@pytest.mark.peer
def test_a_router_of_other_tasks_refuses_queries(tmp_path):
    from sentence_transformers.base.modules import Router

    folder = save(tmp_path / "model", Router({"a": [static(1)], "b": [static(2)]}, default_route="b"))
    assert_equal(folder, ("encode",))
    with pytest.raises(RouteError, match="expected a route for the task 'query', got routes a, b"):
        SentenceTransformerEmbeddingFunction(str(folder)).encode_queries(TEXTS)
    assert_equal(save(tmp_path / "text", Router({"a": [static(1)], "text": [static(2)]})))


@pytest.mark.peer
def test_routers_after_pooling_and_inside_a_route(tmp_path):
    from sentence_transformers.base.modules import Dense, Normalize, Router
    from sentence_transformers.sentence_transformer.modules import LayerNorm, Pooling

    inner = Router.for_query_document([static(7), LayerNorm(16)], [static(8)], default_route="query")
    bert, pooling = transformer(tmp_path / "bert"), Pooling(16)
    outer = Router.for_query_document([inner, Normalize()], [bert, pooling])
    assert_equal(save(tmp_path / "nested", outer))
    after = Router.for_query_document(randomised(Dense(16, 5)), randomised(Dense(16, 5, bias=False)))
    assert_equal(save(tmp_path / "after", bert, pooling, after))
    shared = Router.for_query_document([bert, pooling, *randomised(Dense(16, 6))], [bert, pooling])
    assert_equal(save(tmp_path / "shared", shared))


@pytest.mark.peer
def test_sentence_bert_config_is_read_in_a_route(tmp_path):
    folder = save(tmp_path / "model", query_document(tmp_path / "bert"))
    before = SentenceTransformerEmbeddingFunction(str(folder), dtype="float64")(TEXTS)
    (module,) = folder.glob("document_0_*")
    change(module / "sentence_bert_config.json", max_seq_length=5, do_lower_case=True)
    assert_equal(folder)
    after = SentenceTransformerEmbeddingFunction(str(folder), dtype="float64")(TEXTS)
    assert np.abs(before - after)[1].max() > 1e-3


@pytest.mark.peer
def test_static_embeddings_and_their_steps(tmp_path):
    import torch
    from safetensors.torch import load_file, save_file
    from sentence_transformers.base.modules import Dense, Normalize
    from sentence_transformers.sentence_transformer.modules import LayerNorm

    folder = save(tmp_path / "model", static(), LayerNorm(16), *randomised(Dense(16, 9)), Normalize(), truncate_dim=4)
    assert_equal(folder)
    weights = folder / "model.safetensors"
    if not weights.is_file():
        (weights,) = folder.glob("0_*/model.safetensors")
    table = load_file(weights)["embedding.weight"].double()
    mapping = torch.arange(len(PIECES)).flip(0) // 2
    save_file({"embeddings": table, "mapping": mapping, "weights": torch.rand(len(PIECES)).double()}, weights)
    assert_equal(folder)
    cut = tokenizer()._tokenizer
    cut.enable_truncation(3)
    cut.enable_padding(length=7)
    cut.save(str(weights.parent / "tokenizer.json"))
    assert_equal(folder)
    with pytest.raises(WeightsError, match="expected a Transformer, got a StaticEmbedding"):
        MiniLMEmbeddingFunction(folder)
    with pytest.raises(ValueError, match="max_length must be None for a StaticEmbedding, got 8"):
        SentenceTransformerEmbeddingFunction(str(folder), max_length=8)


@pytest.mark.peer
def test_steps_on_tokens_before_pooling(tmp_path):
    from sentence_transformers.base.modules import Dense, Normalize
    from sentence_transformers.sentence_transformer.modules import Pooling

    bert = transformer(tmp_path / "bert")
    steps = [*randomised(Dense(16, 10, module_input_name="token_embeddings")), Normalize("token_embeddings")]
    assert_equal(save(tmp_path / "model", bert, *steps, Pooling(10, pooling_mode=["mean", "max"]), Normalize()))


# Offline


TYPE = "sentence_transformers.sentence_transformer.modules"


def router_folder(folder: Path, **config) -> Path:
    (folder / "modules.json").write_text(json.dumps([{"path": "", "type": "sentence_transformers.models.Router"}]))
    types = {f"{task}_{i}": f"{TYPE}.{kind}" for task in "qd" for i, kind in enumerate(("Transformer", "Pooling"))}
    structure = {"query": ["q_0", "q_1"], "document": ["d_0", "d_1"]}
    published = {"types": types, "structure": structure, "parameters": {"default_route": "document"}, **config}
    (folder / "router_config.json").write_text(json.dumps(published))
    return folder


@pytest.mark.parametrize("name", ["router_config.json", "config.json"])
def test_the_modules_of_a_task_are_those_of_its_route(tmp_path, name):
    folder = router_folder(tmp_path)
    (folder / "router_config.json").rename(folder / name)
    query = [("Transformer", folder / "q_0"), ("Pooling", folder / "q_1")]
    document = [("Transformer", folder / "d_0"), ("Pooling", folder / "d_1")]
    assert [task_modules(folder, task) for task in ("query", "document", None)] == [query, document, document]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"types": {}}, "expected an object for types, got {}"),
        ({"structure": []}, r"expected an object for structure, got \[\]"),
        ({"parameters": None}, "expected an object for parameters, got None"),
        ({"unheard_of": 1}, "expected keys of .*, got unheard_of '1'"),
        ({"parameters": {"unheard_of": 1}}, "expected keys of .*, got unheard_of '1'"),
        ({"parameters": {"default_route": "image"}}, "expected a route of query, document, got 'image'"),
        ({"parameters": {"allow_empty_key": 1}}, "expected allow_empty_key True or False, got '1'"),
        ({"parameters": {"route_mappings": [1]}}, r"expected an object for route_mappings, got \[1\]"),
        ({"parameters": {"route_mappings": {"query": "query"}}}, "expected a task and a modality .*, got 'query'"),
        ({"parameters": {"route_mappings": {"(None, f())": "query"}}}, "expected a task and a modality"),
        ({"parameters": {"route_mappings": {"('query', None)": "b"}}}, "expected a route of query, document, got 'b'"),
        ({"structure": {"query": [], "document": []}}, r"expected a list of modules for each route, got \[\]"),
        ({"structure": {"query": ["x"], "document": ["x"]}}, "expected a type and a path for each module, got None"),
        ({"types": {"q_0": "os.Router", "d_0": "os.Router"}}, "expected a module of sentence_transformers, got os"),
    ],
)
def test_a_router_that_is_not_supported_is_refused_by_file_and_key(tmp_path, config, message):
    with pytest.raises(WeightsError, match=rf"router_config\.json: {message}"):
        task_modules(router_folder(tmp_path, **config), None)


@pytest.mark.parametrize("name", ["../other", "/etc", ".", "", "a/../../b", "..\\b"])
def test_a_module_outside_the_folder_is_refused(tmp_path, name):
    config = {"types": {name: f"{TYPE}.Router"}, "structure": {"document": [name]}}
    with pytest.raises(WeightsError, match="expected a path inside the folder, got"):
        task_modules(router_folder(tmp_path, **config), None)


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        (["StaticEmbedding", "Pooling"], "expected Dense, Normalize, .* after StaticEmbedding, got Pooling"),
        (["Transformer", "LayerNorm", "Pooling"], "expected Transformer, Pooling, .*, got Transformer, LayerNorm"),
    ],
)
def test_modules_in_another_order_are_refused(tmp_path, kinds, message):
    modules = [{"path": f"{i}_{kind}", "type": f"{TYPE}.{kind}"} for i, kind in enumerate(kinds)]
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(WeightsError, match=message):
        SentenceTransformerEmbeddingFunction(str(tmp_path))
