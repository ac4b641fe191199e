"""Folders for MaxSim, BGE-M3 and Model2Vec: every key of the sentence-transformers files is honoured or refused."""

import json
import shutil

import numpy as np
import pytest

from refimpl import BGEM3EmbeddingFunction, MaxSimRerankFunction, Model2VecEmbeddingFunction, models
from refimpl.bert.files import WeightsError
from refimpl.bert.own_heads import EncoderFolder, read_encoder_folder

FILES = "config.json modules.json sentence_bert_config.json tokenizer.json tokenizer_config.json 1_Pooling/config.json"
TEXTS = ["Mars is the Red Planet.", "venus IS hot", "Which planet is red? " * 20]


@pytest.fixture
def folder(tmp_path):
    source = models.path("all-MiniLM-L6-v2")
    for name in (*FILES.split(), "model.safetensors"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(source / name, tmp_path / name)
    return tmp_path


def change(folder, name, **keys):
    file = folder / name
    content = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    file.write_text(json.dumps(content | keys), encoding="utf-8")


def modules(*kinds):
    package = "sentence_transformers.sentence_transformer.modules"
    return json.dumps(
        [{"path": f"{i}_{kind}" if i else "", "type": f"{package}.{kind}"} for i, kind in enumerate(kinds)]
    )


def test_what_precedes_the_tokenizer_is_read(folder):
    assert read_encoder_folder(folder, "mean") == EncoderFolder(folder)
    change(folder, "sentence_bert_config.json", do_lower_case=True)
    change(folder, "config_sentence_transformers.json", prompts={"q": "query: "}, default_prompt_name="q")
    assert read_encoder_folder(folder, "mean") == EncoderFolder(folder, True, "query: ")


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("config_sentence_transformers.json", {"truncate_dim": 8}),
        ("config_sentence_transformers.json", {"model_type": "MultiVectorEncoder"}),
        ("config_sentence_transformers.json", {"unheard_of": 1}),
        ("sentence_bert_config.json", {"query_length": 8}),
        ("sentence_bert_config.json", {"query_expansion": {"strategy": "fixed", "length": 8}}),
        ("1_Pooling/config.json", {"pooling_mode": "cls"}),
        ("1_Pooling/config.json", {"unheard_of": 1}),
        ("tokenizer_config.json", {"unheard_of": 1}),
        ("config.json", {"unheard_of": 1}),
    ],
)
def test_a_key_that_is_not_supported_is_refused_by_file_and_key(folder, name, keys):
    change(folder, name, **keys)
    with pytest.raises(ValueError, match=rf"{name}.* {next(iter(keys))}"):
        MaxSimRerankFunction(folder)


@pytest.mark.parametrize(
    "kinds",
    [
        ("Transformer", "Dense", "MultiVectorMask"),  # a ColBERT model, as MultiVectorEncoder saves it
        ("Transformer", "Pooling", "Dense"),
        ("Transformer",),
        ("StaticEmbedding",),
        (),
    ],
)
def test_modules_of_another_head_are_refused(folder, kinds):
    (folder / "modules.json").write_text(modules(*kinds))
    with pytest.raises(WeightsError, match=rf"modules\.json: expected Transformer, .*, got {', '.join(kinds)}"):
        MaxSimRerankFunction(folder)


def test_prompt_and_length_change_the_scores_of_max_sim(folder):
    plain = MaxSimRerankFunction(folder, dtype="float64")
    assert plain.tokenizer.max_length == 256
    expected = plain.scores("a b " + TEXTS[1], ["a b " + text for text in TEXTS])
    change(folder, "config_sentence_transformers.json", prompts={"q": "a b "}, default_prompt_name="q")
    prompted = MaxSimRerankFunction(folder, dtype="float64")
    np.testing.assert_allclose(prompted.scores(TEXTS[1], TEXTS), expected, rtol=0, atol=1e-12)
    (query,) = prompted.encode(TEXTS[1:2])
    scores = [prompted.similarity(query, document) for document in prompted.encode(TEXTS)]
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-12)
    change(folder, "sentence_bert_config.json", max_seq_length=9)
    assert MaxSimRerankFunction(folder).tokenizer.max_length == 9
    change(folder, "1_Pooling/config.json", include_prompt=False)
    with pytest.raises(WeightsError, match="expected include_prompt true with a default prompt, got False"):
        MaxSimRerankFunction(folder)


@pytest.mark.parametrize(
    ("name", "keys", "message"),
    [
        ("config_sentence_transformers.json", {"prompts": {"q": "a "}, "default_prompt_name": "q"}, "'a '"),
        ("sentence_bert_config.json", {"do_lower_case": True}, "expected do_lower_case False, got True"),
        ("1_Pooling/config.json", {"pooling_mode": "mean"}, "expected pooling_mode 'cls', got mean"),
    ],
)
def test_settings_that_bge_m3_would_ignore_are_refused_by_file_and_key(folder, name, keys, message):
    change(folder, "1_Pooling/config.json", pooling_mode="cls")
    with pytest.raises(FileNotFoundError, match=r"sparse_linear\.pt is missing"):
        BGEM3EmbeddingFunction(folder)
    change(folder, name, **keys)
    with pytest.raises(WeightsError, match=rf"{name}: .*{message}"):
        BGEM3EmbeddingFunction(folder)


def model2vec(folder, settings, listed=None, name="config.json"):
    from safetensors.numpy import save_file
    from tokenizers import Tokenizer
    from tokenizers import models as kinds

    Tokenizer(kinds.WordLevel({"[UNK]": 0, "mars": 1}, unk_token="[UNK]")).save(str(folder / "tokenizer.json"))
    table = "embeddings" if name == "config.json" else "embedding.weight"
    save_file({table: np.ones((2, 3), np.float32)}, folder / "model.safetensors")
    (folder / name).write_text(json.dumps(settings))
    if listed is not None:
        (folder / "modules.json").write_text(modules(*listed))
    return folder


SENTENCE = "config_sentence_transformers.json"


@pytest.mark.parametrize(
    ("settings", "listed", "name", "message"),
    [
        ({"unheard_of": 1}, None, "config.json", r"config\.json: expected keys of .*, got unheard_of"),
        ({"normalize": 1}, None, "config.json", r"config\.json: expected normalize False or True, got '1'"),
        ({"max_length": 0}, None, "config.json", r"config\.json: expected max_length to be a positive integer"),
        ({}, ("StaticEmbedding", "Normalize"), "config.json", r"modules\.json: expected StaticEmbedding, as config"),
        ({"normalize": True}, ("StaticEmbedding",), "config.json", "expected StaticEmbedding, Normalize, as config"),
        ({"truncate_dim": 2}, None, SENTENCE, rf"{SENTENCE}: expected truncate_dim None, got 2"),
        ({"prompts": {"q": "a"}, "default_prompt_name": "q"}, None, SENTENCE, "expected default_prompt_name None"),
        ({}, ("StaticEmbedding", "LayerNorm"), SENTENCE, r"modules\.json: expected StaticEmbedding, as config_sent"),
    ],
)
def test_a_model2vec_folder_that_computes_something_else_is_refused(tmp_path, settings, listed, name, message):
    with pytest.raises(WeightsError, match=message):
        Model2VecEmbeddingFunction(str(model2vec(tmp_path, settings, listed, name)))


def test_a_model2vec_folder_with_its_modules_is_read(tmp_path):
    settings = {"normalize": True, "model_type": "model2vec", "seq_length": 5, "apply_pca": 3, "max_length": None}
    embed = Model2VecEmbeddingFunction(str(model2vec(tmp_path, settings, ("StaticEmbedding", "Normalize"))))
    np.testing.assert_allclose(embed(["mars"]), np.full((1, 3), 3**-0.5), rtol=1e-6)
