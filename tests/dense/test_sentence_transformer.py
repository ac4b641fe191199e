"""Folders as published against sentence-transformers in float64: architectures, poolings, modules, prompts."""

import itertools
import json
import shutil

import numpy as np
import pytest
import seeded

from refimpl import SentenceTransformerEmbeddingFunction
from refimpl.bert.files import WeightsError
from refimpl.bert.pooling import POOLINGS
from refimpl.dense.modules import LEGACY_MODES, read_modules
from refimpl.tokens import TruncationWarning

pytestmark = pytest.mark.filterwarnings("ignore::refimpl.tokens.TruncationWarning")
MEAN = {"pooling_mode_mean_tokens": True}
TANH = "torch.nn.modules.activation.Tanh"


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A small BERT folder without anything of sentence-transformers."""
    return seeded.torch_folder(tmp_path_factory.mktemp("plain"), "bert")


@pytest.fixture
def folder(plain, tmp_path):
    return shutil.copytree(plain, tmp_path / "model")


def theirs(folder, texts=seeded.TEXTS, **settings):
    """Vectors of sentence-transformers in float64, one text at a time."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu").double()
    return np.concatenate([model.encode([text], **settings) for text in texts])


def mine(folder, texts=seeded.TEXTS, **settings):
    return SentenceTransformerEmbeddingFunction(str(folder), **{"dtype": "float64", **settings})(texts)


@pytest.mark.peer
@pytest.mark.parametrize("kind", sorted(set(seeded.CONFIGS) - {"jina_bert"}))  # which transformers cannot load
def test_every_architecture_equals_sentence_transformers(kind, tmp_path):
    folder = seeded.sentence_folder(seeded.torch_folder(tmp_path / "model", kind), MEAN, ("Normalize", {}))
    from sentence_transformers import SentenceTransformer

    with seeded.float64_throughout():
        model = SentenceTransformer(str(folder), device="cpu").double()
        exact = np.concatenate([model.encode([text]) for text in seeded.TEXTS])
    assert np.abs(mine(folder) - exact).max() <= 1e-12
    quick = mine(folder, dtype="float32")
    assert quick.dtype == np.float32
    assert np.abs(quick - exact).max() <= 1e-6


MODES = [*[[mode] for mode in LEGACY_MODES], *[list(pair) for pair in itertools.combinations(LEGACY_MODES, 2)][:4]]


@pytest.mark.peer
@pytest.mark.parametrize("modes", [*MODES, [], list(LEGACY_MODES)], ids="+".join)
def test_every_pooling_and_concatenation_equals_sentence_transformers(folder, modes):
    seeded.sentence_folder(folder, dict.fromkeys(reversed(modes), True))
    ours = mine(folder, normalize_embeddings=False)
    assert ours.shape == (len(seeded.TEXTS), 32 * max(1, len(modes)))
    assert np.abs(ours - theirs(folder)).max() <= 1e-10


@pytest.mark.peer
@pytest.mark.parametrize("kind", sorted(seeded.CONFIGS))
def test_every_pooling_of_every_architecture(kind, tmp_path):
    """sentence-transformers' own module on the states of transformers' model, text by text, in float64."""
    import torch
    from sentence_transformers.sentence_transformer.modules import Pooling
    from transformers import PreTrainedTokenizerFast

    folder = seeded.torch_folder(tmp_path, kind)
    model, splitter = seeded.torch_model(kind), PreTrainedTokenizerFast.from_pretrained(folder)
    width = seeded.CONFIGS[kind].get("hidden_size", 32)
    features = []
    for text in seeded.TEXTS:
        ids = torch.tensor([splitter(text, truncation=True, max_length=40)["input_ids"]])
        with torch.no_grad(), seeded.float64_throughout():
            states = model(input_ids=ids).last_hidden_state
        features.append({"token_embeddings": states, "attention_mask": torch.ones_like(ids)})
    for modes in [*([mode] for mode in POOLINGS), list(POOLINGS)]:
        pooling = Pooling(width, tuple(modes))
        exact = np.concatenate([pooling(dict(of_text))["sentence_embedding"].numpy() for of_text in features])
        seeded.sentence_folder(folder, {"word_embedding_dimension": width, "pooling_mode": modes})
        ours = mine(folder, normalize_embeddings=False)
        assert ours.shape == exact.shape == (len(seeded.TEXTS), width * len(modes))
        assert np.abs(ours - exact).max() <= 1e-12, modes  # observed 5e-14, Gemma's, whose states are of about 20


@pytest.mark.peer
@pytest.mark.parametrize("modes", ["lasttoken", ["max", "cls"], ["weightedmean"]])
@pytest.mark.parametrize("include_prompt", [True, False])
def test_the_newer_layout_with_and_without_the_prompt_pooled(folder, modes, include_prompt):
    pooling = {"embedding_dimension": 32, "pooling_mode": modes, "include_prompt": include_prompt}
    prompts = {"query": "query : ", "passage": "the planet of "}
    seeded.sentence_folder(folder, pooling, prompts=prompts, default_prompt_name="passage")
    (folder / "sentence_bert_config.json").write_text(
        json.dumps({"transformer_task": "feature-extraction", "module_output_name": "token_embeddings"})
    )
    ours = mine(folder, normalize_embeddings=False)
    assert np.abs(ours - theirs(folder)).max() <= 1e-10
    assert np.abs(ours - theirs(folder, prompt="")).max() > 0.01
    function = SentenceTransformerEmbeddingFunction(
        folder, dtype="float64", query_instruction="fox ", query_prompt_name="query", normalize_embeddings=False
    )
    expected = theirs(folder, ["fox " + text for text in seeded.TEXTS], prompt_name="query")
    assert np.abs(function.encode_queries(seeded.TEXTS) - expected).max() <= 1e-10


@pytest.mark.peer
@pytest.mark.parametrize("stored", ["model.safetensors", "pytorch_model.bin"])
@pytest.mark.parametrize(
    ("activation", "bias", "residual", "out"),
    [
        (TANH, True, False, 16),
        ("torch.nn.modules.linear.Identity", False, False, 48),
        ("torch.nn.modules.activation.ReLU", True, True, 16),
        ("torch.nn.modules.activation.GELU", True, False, 16),
        ("torch.nn.modules.activation.SiLU", True, True, 32),
        ("torch.nn.modules.activation.Sigmoid", False, False, 16),
    ],
)
def test_dense_equals_sentence_transformers(folder, activation, bias, residual, out, stored):
    settings = {"in_features": 32, "out_features": out, "bias": bias, "activation_function": activation}
    seeded.dense(folder / "2_Dense", 32, out, bias=bias, residual=residual and out != 32)
    seeded.sentence_folder(folder, MEAN, ("Dense", settings | {"use_residual": residual}), ("Normalize", {}))
    if stored == "pytorch_model.bin":
        import torch
        from safetensors.torch import load_file

        torch.save(load_file(folder / "2_Dense/model.safetensors"), folder / "2_Dense" / stored)
        (folder / "2_Dense/model.safetensors").unlink()
    ours = mine(folder)
    assert ours.shape == (len(seeded.TEXTS), out)
    assert np.abs(ours - theirs(folder)).max() <= 1e-12


@pytest.mark.peer
def test_what_sentence_transformers_saves_is_understood(plain, tmp_path):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Dense
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    modules = [Transformer(str(plain)), Pooling(32, ("mean", "max")), Dense(64, 8), Normalize()]
    SentenceTransformer(modules=modules, prompts={"query": "the "}).save(str(tmp_path))
    assert np.abs(mine(tmp_path) - theirs(tmp_path)).max() <= 1e-12


@pytest.mark.peer
@pytest.mark.parametrize("path", ["", "0_Transformer"])
def test_the_older_layout_lowered_and_with_its_own_length(folder, path):
    """Version 0's folder: the encoder beside the pooling, its settings in a file named after the architecture."""
    seeded.sentence_folder(folder, MEAN)
    made = json.loads((folder / "tokenizer.json").read_text())
    made["normalizer"] = {"type": "NFC"}
    (folder / "tokenizer.json").write_text(json.dumps(made))
    settings = {"max_seq_length": 12, "do_lower_case": True}
    (folder / "sentence_roberta_config.json").write_text(json.dumps(settings))
    if path:
        (folder / path).mkdir()
        for file in [file for file in folder.iterdir() if file.is_file() and file.name != "modules.json"]:
            file.rename(folder / path / file.name)
        listed = json.loads((folder / "modules.json").read_text())
        listed[0]["path"] = path
        (folder / "modules.json").write_text(json.dumps(listed))
    with pytest.warns(TruncationWarning, match="2 of 5 texts exceed max_length=12"):
        ours = SentenceTransformerEmbeddingFunction(folder, dtype="float64", normalize_embeddings=False)(seeded.TEXTS)
    assert np.abs(ours - theirs(folder)).max() <= 1e-10


@pytest.mark.peer
def test_a_folder_without_modules_is_mean_pooled(plain):
    assert np.abs(mine(plain, normalize_embeddings=False) - theirs(plain)).max() <= 1e-10


def test_minilm_by_its_name_is_minilms_own_function(minilm32):
    function = SentenceTransformerEmbeddingFunction()
    assert function.dim == 384
    np.testing.assert_allclose(function(seeded.TEXTS), minilm32(seeded.TEXTS), rtol=0, atol=1e-7)
    np.testing.assert_array_equal(function(seeded.TEXTS), function.encode_documents(seeded.TEXTS))
    assert function([]).shape == (0, 384)


def test_instructions_are_put_before_the_text(minilm_folder):
    function = SentenceTransformerEmbeddingFunction(minilm_folder, 8, "find: ", "text: ")
    np.testing.assert_array_equal(function.encode_queries(["cats"]), function(["find: cats"]))
    np.testing.assert_array_equal(function.encode_documents(["cats"]), function(["text: cats"]))


def test_wrong_settings_are_errors_with_a_remedy(minilm_folder, unchecked):
    with pytest.raises(ValueError, match="device must be 'cpu', got 'cuda:0'"):
        SentenceTransformerEmbeddingFunction(minilm_folder, device="cuda:0")
    with pytest.raises(ValueError, match="max_length must be at most 512, the model's positions, got 513"):
        SentenceTransformerEmbeddingFunction(minilm_folder, max_length=513)
    with pytest.raises(ValueError, match=r"one of the model's prompts \(query, document\), got 'passage'"):
        SentenceTransformerEmbeddingFunction(minilm_folder, query_prompt_name="passage")
    with pytest.raises(TypeError, match="query_instruction must be a str, '' for none, got NoneType"):
        SentenceTransformerEmbeddingFunction(minilm_folder, query_instruction=None)
    with pytest.raises(TypeError, match="name must be a str, got NoneType: give one of all-MiniLM-L6-v2"):
        SentenceTransformerEmbeddingFunction(None)
    with pytest.raises(TypeError, match="documents must be a list of str, got one str"):
        SentenceTransformerEmbeddingFunction(minilm_folder).encode_documents("one")


POOLED = {"word_embedding_dimension": 32}


@pytest.mark.parametrize(
    ("pooling", "more", "config", "message"),
    [
        ({"pooling_mode": "median"}, (), {}, r"1_Pooling/config\.json: expected pooling modes of cls.*, got 'median'"),
        ({"pooling_mode": ["mean", 3]}, (), {}, "expected pooling modes of"),
        ({"pooling_mode_first_two": True}, (), {}, "expected flags of .*, got pooling_mode_first_two"),
        ({"word_embedding_dimension": 31}, (), {}, "expected the encoder's 32 dimensions, got 31"),
        (MEAN, [("LSTM", {})], {}, "expected Dense, Normalize, LayerNorm, Dropout after Pooling, got LSTM"),
        (MEAN, [("Dense", {"in_features": 31, "out_features": 4})], {}, "expected in_features 32, got 31"),
        (MEAN, [("Dense", {"activation_function": "torch.nn.modules.activation.Softmax2d"})], {}, "Softmax2d"),
        (
            MEAN,
            [("Dense", {"activation_function": "os.Tanh"})],
            {},
            r"expected an activation of torch\.nn, .*Tanh.*, got 'os\.Tanh'",
        ),
        (
            MEAN,
            [("Dense", {"module_input_name": "token_embeddings"})],
            {},
            "module_input_name must be 'sentence_embedding', got 'token_embeddings'",
        ),
        (MEAN, (), {"model_type": "CrossEncoder"}, "expected model_type 'SentenceTransformer', got 'CrossEncoder'"),
        (MEAN, (), {"prompts": {"query": 3}}, "expected prompts to be an object of str"),
        (MEAN, (), {"default_prompt_name": "passage"}, "expected default_prompt_name to be one of its prompts"),
    ],
)
def test_unsupported_settings_are_errors_that_name_them(tmp_path, pooling, more, config, message):
    (tmp_path / "config.json").write_text('{"hidden_size": 32}')
    seeded.sentence_folder(tmp_path, pooling, *more, **config)
    with pytest.raises(WeightsError, match=message):
        read_modules(tmp_path)


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ({}, "must hold a JSON list, got dict"),
        ([], "expected Transformer, Pooling, then Dense, Normalize, LayerNorm, Dropout, got nothing"),
        ([3], "expected an object with a type and a path for each module, got 3"),
        (
            [{"type": "sentence_transformers.models.Transformer", "path": "../other"}],
            "expected a path inside the folder, got",
        ),
        (
            [{"type": "sentence_transformers.models.Transformer", "path": "/etc"}],
            "expected a path inside the folder, got",
        ),
        ([{"type": "my_module.Transformer", "path": ""}], "expected a module of sentence_transformers, got my_module"),
        (
            [{"type": "sentence_transformers.models.CLIPModel", "path": ""}],
            "expected Transformer, Pooling, .*, got CLIPModel",
        ),
    ],
)
def test_a_list_of_other_modules_is_refused(tmp_path, listed, message):
    (tmp_path / "modules.json").write_text(json.dumps(listed))
    with pytest.raises(WeightsError, match=message):
        read_modules(tmp_path)


def test_a_transformer_for_another_task_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"hidden_size": 32}')
    seeded.sentence_folder(tmp_path, MEAN)
    (tmp_path / "sentence_bert_config.json").write_text('{"transformer_task": "fill-mask"}')
    with pytest.raises(WeightsError, match="expected transformer_task 'feature-extraction', got 'fill-mask'"):
        read_modules(tmp_path)


def test_a_missing_pooling_is_named(tmp_path):
    (tmp_path / "config.json").write_text('{"hidden_size": 32}')
    seeded.sentence_folder(tmp_path, MEAN)
    (tmp_path / "1_Pooling/config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"1_Pooling/config\.json is missing"):
        read_modules(tmp_path)
