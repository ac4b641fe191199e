"""Folders saved by sentence-transformers against its own vectors, in float64; keys that are refused."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from refimpl import MiniLMEmbeddingFunction, SentenceTransformerEmbeddingFunction, models
from refimpl.bert.files import WeightsError
from refimpl.dense.modules import read_modules

TEXTS = ["Mars is RED", "crème the the red planet of the fox and the red mars is the end", "a"]
_PIECES = "[PAD] [UNK] [CLS] [SEP] [MASK] mars is red creme the planet of fox and end a query : ##s"
VOCABULARY = _PIECES.split(" ")
POOLINGS: list[Any] = ["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken", ["cls", "mean"]]
CONFIGS: dict[str, list[dict[str, Any]]] = {
    "config_sentence_transformers.json": [
        {"truncate_dim": 5},
        {"truncate_dim": 100},
        {"prompts": {"q": "query : "}, "default_prompt_name": "q"},
        {"similarity_fn_name": "dot"},
    ],
    "sentence_bert_config.json": [{"max_seq_length": 6}, {"do_lower_case": True}, {"unpad_inputs": False}],
    "tokenizer_config.json": [
        {"truncation_side": "left"},
        {"padding_side": "left"},
        {"do_lower_case": False},
        {"strip_accents": False},
    ],
    "1_Pooling/config.json": [{"pooling_mode": mode} for mode in POOLINGS],
}


def saved(folder: Path, *after: Any) -> Path:
    """A model of one layer: Transformer, mean pooling and the modules `after` it, saved in float64."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizer

    torch.manual_seed(3)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = BertConfig(vocab_size=len(VOCABULARY), max_position_embeddings=24, initializer_range=0.5, **sizes)
    BertModel(config).double().save_pretrained(folder / "bert")
    vocabulary = {piece: i for i, piece in enumerate(VOCABULARY)}
    BertTokenizer(vocab=vocabulary, model_max_length=12).save_pretrained(folder / "bert")
    model = SentenceTransformer(modules=[Transformer(str(folder / "bert")), Pooling(16), *after]).double()
    model.save_pretrained(str(folder / "model"))
    return folder / "model"


def change(folder: Path, name: str, keys: dict[str, Any]) -> None:
    file = folder / name
    content = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    file.write_text(json.dumps(content | keys), encoding="utf-8")


def assert_equal(folder: Path, label: str) -> None:
    """Text by text, since padding changes positions in batches that are padded at the left."""
    from sentence_transformers import SentenceTransformer

    peer = SentenceTransformer(str(folder), device="cpu", model_kwargs={"dtype": "float64"}).double()
    expected = np.stack([peer.encode(text) for text in TEXTS])
    unit = np.stack([peer.encode(text, normalize_embeddings=True) for text in TEXTS])
    raw = SentenceTransformerEmbeddingFunction(str(folder), dtype="float64", normalize_embeddings=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        actual = raw(TEXTS)
        minilm = MiniLMEmbeddingFunction(folder, dtype="float64")(TEXTS)
    assert expected.dtype == actual.dtype == np.float64
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-11, err_msg=label)
    np.testing.assert_allclose(minilm, unit, rtol=0, atol=1e-12, err_msg=label)


@pytest.mark.peer
def test_each_value_of_each_key_gives_the_vectors_of_sentence_transformers(tmp_path):
    folder = saved(tmp_path)
    for name, changes in CONFIGS.items():
        original = (folder / name).read_text(encoding="utf-8")
        for keys in changes:
            change(folder, name, keys)
            assert_equal(folder, f"{name} {keys}")
            (folder / name).write_text(original, encoding="utf-8")


@pytest.mark.peer
def test_each_module_after_pooling_gives_the_vectors_of_sentence_transformers(tmp_path):
    import torch
    from sentence_transformers.base.modules import Dense, Normalize
    from sentence_transformers.sentence_transformer.modules import Dropout, LayerNorm

    for i, after in enumerate(
        ([Normalize()], [Dropout(0.5)], [LayerNorm(16), Dropout(0.1)], [Dense(16, 8), Normalize()])
    ):
        (tmp_path / str(i)).mkdir()
        for module in after:
            for parameter in module.parameters():
                torch.nn.init.normal_(parameter, std=0.5)
        assert_equal(saved(tmp_path / str(i), *after), str(after))


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("sentence_bert_config.json", {"query_length": 0}),
        ("sentence_bert_config.json", {"max_seq_length": "64"}),
        ("sentence_bert_config.json", {"do_lower_case": "false"}),
        ("sentence_bert_config.json", {"model_args": {"dtype": "float16"}}),
        ("sentence_bert_config.json", {"modality_config": {"message": {"method": "forward"}}}),
        ("config_sentence_transformers.json", {"model_type": "SparseEncoder"}),
        ("config_sentence_transformers.json", {"default_prompt_name": "passage"}),
        ("config_sentence_transformers.json", {"prompts": ["query: "]}),
        ("1_Pooling/config.json", {"include_prompt": "no"}),
        ("sentence_bert_config.json", {"processing_kwargs": {"text": {"padding": "max_length"}}}),
        ("sentence_bert_config.json", {"query_expansion": {"strategy": "fixed", "length": 8}}),
        ("sentence_bert_config.json", {"unheard_of": 1}),
        ("config_sentence_transformers.json", {"unheard_of": 1}),
        ("config_sentence_transformers.json", {"similarity_fn_name": "maxsim"}),
        ("config_sentence_transformers.json", {"truncate_dim": 0}),
        ("1_Pooling/config.json", {"unheard_of": 1}),
    ],
)
def test_a_key_that_is_not_supported_is_refused_by_file_and_key(tmp_path, name, keys):
    source = models.path("all-MiniLM-L6-v2")
    for file in ("config.json", "modules.json", "sentence_bert_config.json", "1_Pooling/config.json"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_bytes((source / file).read_bytes())
    change(tmp_path, name, keys)
    with pytest.raises(WeightsError, match=rf"{name}: expected .*{next(iter(keys))}"):
        read_modules(tmp_path)
