"""SparseEncoder folders with a Router, static weights or an auto-encoder against sentence-transformers, in float64."""

import json

import numpy as np
import pytest
from saved_modules import PIECES, TEXTS, change, randomised, rows, tokenizer, transformer, types_of_the_library

from refimpl import SpladeEmbeddingFunction
from refimpl.bert.files import WeightsError
from refimpl.bert.routes import RouteError
from refimpl.sparse.splade_folder import read_splade

pytestmark = pytest.mark.filterwarnings("ignore::refimpl.tokens.TruncationWarning")
ENCODES = {"encode": "__call__", "encode_query": "encode_queries", "encode_document": "encode_documents"}


def save(folder, *modules, **settings):
    from sentence_transformers import SparseEncoder

    SparseEncoder(modules=list(modules), **settings).double().save_pretrained(str(folder))
    return folder


def assert_equal(folder, names=tuple(ENCODES), texts=TEXTS):
    from sentence_transformers import SparseEncoder

    peer = SparseEncoder(str(folder), device="cpu").double()
    exact, quick = (SpladeEmbeddingFunction(str(folder), dtype=dtype) for dtype in ("float64", "float32"))
    for name in names:
        expected = rows(lambda text, name=name: getattr(peer, name)(text).to_dense().numpy(), texts)
        assert expected.dtype == np.float64
        for ours, tolerance in ((exact, 1e-11), (quick, 2e-5)):
            actual = getattr(ours, ENCODES[name])(texts)
            assert actual.has_canonical_format
            assert actual.nnz == np.count_nonzero(actual.toarray())
            np.testing.assert_allclose(actual.toarray(), expected, rtol=0, atol=tolerance, err_msg=name)


def static(seed=1):
    import torch
    from sentence_transformers.sparse_encoder.modules import SparseStaticEmbedding

    torch.manual_seed(seed)
    weight = torch.randn(len(PIECES))  # float32, in which the library reads them
    weight[PIECES.index("red")] = 0
    return SparseStaticEmbedding(tokenizer(), weight=weight, frozen=bool(seed % 2))


def splade(folder, **pooling):
    from sentence_transformers.sparse_encoder.modules import SpladePooling

    return [transformer(folder, task="fill-mask"), SpladePooling(**pooling)]


@pytest.mark.peer
def test_queries_take_the_static_weights_and_documents_the_encoder(tmp_path):
    from sentence_transformers.base.modules import Router

    router = Router.for_query_document([static()], splade(tmp_path / "bert", activation_function="log1p_relu"))
    folder = save(tmp_path / "model", router)
    texts = [*TEXTS, "red red mars mars [UNK] zzz [CLS]"]
    assert_equal(folder, texts=texts)
    for keys in ({"max_active_dims": 3}, {"prompts": {"q": "query : "}, "default_prompt_name": "q"}):
        original = (folder / "config_sentence_transformers.json").read_bytes()
        change(folder / "config_sentence_transformers.json", **keys)
        assert_equal(folder, ("encode",) if "prompts" in keys else tuple(ENCODES), texts)
        (folder / "config_sentence_transformers.json").write_bytes(original)
    for keys in ({"truncation_side": "left"}, {"model_max_length": 3}, {"do_lower_case": False}):
        for module in folder.glob("*_0_*"):
            change(module / "tokenizer_config.json", **keys)
        assert_equal(folder, texts=texts)
    published = json.loads((folder / "router_config.json").read_text(encoding="utf-8"))["parameters"]
    for keys in ({"default_route": "query"}, {"route_mappings": {"('document', None)": "query"}}):
        change(folder / "router_config.json", parameters=published | keys)
        assert_equal(folder, texts=texts)
    change(folder / "router_config.json", parameters={"allow_empty_key": False})
    assert_equal(folder, ("encode_query", "encode_document"))
    with pytest.raises(RouteError, match="expected a default_route for texts without a task"):
        SpladeEmbeddingFunction(str(folder))(TEXTS)


@pytest.mark.peer
def test_static_weights_alone_and_a_vocabulary_in_vocab_txt(tmp_path):
    folder = save(tmp_path / "model", static(2))
    assert_equal(folder)
    (file,) = folder.rglob("tokenizer.json")
    file.unlink()
    (file.parent / "vocab.txt").write_text("\n".join(PIECES) + "\n", encoding="utf-8")
    assert_equal(folder)


@pytest.mark.peer
@pytest.mark.parametrize("strategy", ["max", "sum"])
@pytest.mark.parametrize("activation", ["relu", "log1p_relu"])
@pytest.mark.parametrize("kind", ["Transformer", "MLMTransformer"])
def test_each_pooling_in_routes(tmp_path, strategy, activation, kind):
    from sentence_transformers.base.modules import Router

    modules = splade(tmp_path / "bert", pooling_strategy=strategy, activation_function=activation)
    router = Router.for_query_document([static()], modules)
    folder = save(tmp_path / "model", router)
    published = json.loads((folder / "router_config.json").read_text(encoding="utf-8"))
    types = {
        name: f"sentence_transformers.sparse_encoder.models.{kind}" for name in published["types"] if "_0_T" in name
    }
    change(folder / "router_config.json", types=published["types"] | types)
    assert_equal(folder, ("encode_query", "encode_document"))


@pytest.mark.peer
@pytest.mark.parametrize("normalize", [False, True])
def test_an_auto_encoder_after_pooling(tmp_path, normalize):
    from sentence_transformers.base.modules import Dense, Normalize, Router
    from sentence_transformers.sentence_transformer.modules import Pooling
    from sentence_transformers.sparse_encoder.modules import SparseAutoEncoder

    auto = SparseAutoEncoder(16, hidden_dim=40, k=6, k_aux=8, normalize=normalize)
    bert = transformer(tmp_path / "bert")
    randomised(auto)
    folder = save(tmp_path / "model", bert, Pooling(16), Normalize(), auto)
    assert_equal(folder)
    for most in (2, 30):
        change(folder / "config_sentence_transformers.json", max_active_dims=most)
        assert_equal(folder)
    dense = randomised(Dense(32, 16))
    router = Router.for_query_document([bert, Pooling(16), auto], [bert, Pooling(16, ["cls", "max"]), *dense, auto])
    assert_equal(save(tmp_path / "routed", router))


# Offline


def static_folder(folder, config=None, weight=None, vocabulary="[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nmars\nred\n"):
    from safetensors.numpy import save_file

    package = "sentence_transformers.sparse_encoder.modules"
    (folder / "modules.json").write_text(json.dumps([{"path": "0", "type": f"{package}.SparseStaticEmbedding"}]))
    (folder / "0").mkdir()
    (folder / "0/config.json").write_text(json.dumps({"frozen": True} if config is None else config))
    (folder / "0/tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}')
    (folder / "0/vocab.txt").write_text(vocabulary)
    weight = np.array([0, 0.5, 0.25, 0.25, 0, 2, -3.0]) if weight is None else weight
    save_file({"weight": weight}, folder / "0/model.safetensors")
    return str(folder)


def test_each_token_of_a_text_has_its_weight_once(tmp_path):
    embed = SpladeEmbeddingFunction(static_folder(tmp_path), dtype="float64", k_tokens_document=1)
    assert embed.dim == 7
    assert embed(["Mars mars RED", "venus", ""]).toarray().tolist() == [
        [0, 0, 0, 0, 0, 2, -3],
        [0, 0.5, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0],
    ]
    assert embed(["[PAD] mars"]).nnz == 1
    assert embed.encode_documents(["mars red"]).toarray().tolist() == [[0, 0, 0, 0, 0, 0, -3]]
    assert embed.decode(embed(["mars venus"])) == [("mars", 2.0), ("[UNK]", 0.5)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"config": {"unheard_of": 1}}, r"config\.json: expected keys of .*, got unheard_of '1'"),
        ({"config": {"path": "idf.json"}}, r"config\.json: expected path None, got 'idf\.json'"),
        ({"config": {"frozen": 1}}, r"config\.json: expected frozen True or False, got '1'"),
        ({"weight": np.ones(6)}, r"model\.safetensors: expected weight \(7,\), one per token .*, got"),
        ({"weight": np.full(7, np.nan)}, r"model\.safetensors: NaN or infinity in weight"),
    ],
)
def test_static_weights_that_are_not_supported_are_refused_by_file_and_key(tmp_path, changes, message):
    with pytest.raises(WeightsError, match=message):
        SpladeEmbeddingFunction(static_folder(tmp_path, **changes))


KINDS = ("BoW", "CLIPModel", "CNN", "Dense", "Dropout", "HierarchicalTokenPooling", "LambdaTokenPooling", "LSTM")
MORE = ("LayerNorm", "LogitScore", "MultiVectorMask", "Normalize", "Pooling", "SparseAutoEncoder", "StaticEmbedding")
LAST = ("SpladePooling", "Transformer", "MLMTransformer", "WeightedLayerPooling", "WordEmbeddings", "WordWeights")


@pytest.mark.parametrize("kind", [*KINDS, *MORE, *LAST])
def test_another_module_of_a_sparse_folder_is_refused_by_name(tmp_path, kind):
    package = "sentence_transformers.sparse_encoder.modules"
    for names in ([kind], ["Transformer", "SpladePooling", kind], ["SparseStaticEmbedding", kind]):
        listed = [{"path": str(i), "type": f"{package}.{name}"} for i, name in enumerate(names)]
        (tmp_path / "modules.json").write_text(json.dumps(listed))
        with pytest.raises(WeightsError, match=rf"modules\.json: expected Transformer, .*, got .*{kind}"):
            read_splade(tmp_path)


@pytest.mark.peer
def test_every_module_type_is_among_these():
    assert types_of_the_library() == {*KINDS, *MORE, *LAST, "Router", "Asym", "SparseStaticEmbedding"}
