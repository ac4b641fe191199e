"""SparseEncoder folders saved by sentence-transformers against its own rows, in float64."""

import json

import numpy as np
import pytest

from refimpl import SpladeEmbeddingFunction

PIECES = "[PAD] [UNK] [CLS] [SEP] [MASK] mars is red the planet of fox and query :"
TEXTS = ["Mars is red", "the planet of the fox and the red planet and the fox", ""]
POOLING, SENTENCE = "1_SpladePooling/config.json", "config_sentence_transformers.json"
CHANGES = [
    (POOLING, {}),
    (POOLING, {"activation_function": "log1p_relu"}),
    (POOLING, {"pooling_strategy": "sum"}),
    (POOLING, {"pooling_strategy": "sum", "activation_function": "log1p_relu"}),
    (SENTENCE, {"max_active_dims": 3}),
    (SENTENCE, {"prompts": {"q": "query : "}, "default_prompt_name": "q"}),
    ("sentence_bert_config.json", {"max_seq_length": 6}),
    ("tokenizer_config.json", {"truncation_side": "left"}),
]


@pytest.mark.peer
def test_each_value_of_each_key_gives_the_rows_of_sentence_transformers(tmp_path):
    import torch
    from sentence_transformers import SparseEncoder
    from transformers import BertConfig, BertForMaskedLM, BertTokenizer

    torch.manual_seed(3)
    vocabulary = {piece: i for i, piece in enumerate(PIECES.split())}
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = BertConfig(vocab_size=len(vocabulary), max_position_embeddings=24, initializer_range=0.5, **sizes)
    BertForMaskedLM(config).double().save_pretrained(tmp_path / "bert")
    BertTokenizer(vocab=vocabulary, model_max_length=10).save_pretrained(tmp_path / "bert")
    folder = tmp_path / "model"
    SparseEncoder(str(tmp_path / "bert")).double().save_pretrained(str(folder))
    for name, keys in CHANGES:
        original = (folder / name).read_text(encoding="utf-8")
        (folder / name).write_text(json.dumps(json.loads(original) | keys), encoding="utf-8")
        peer = SparseEncoder(str(folder), device="cpu", model_kwargs={"dtype": "float64"}).double()
        expected = np.stack([peer.encode(text).to_dense().numpy() for text in TEXTS])
        actual = SpladeEmbeddingFunction(str(folder), dtype="float64")(TEXTS).toarray()
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-11, err_msg=f"{name} {keys}")
        (folder / name).write_text(original, encoding="utf-8")
