"""CrossEncoder folders saved by sentence-transformers against its own scores, in float64."""

import json

import numpy as np
import pytest

from refimpl import CrossEncoderRerankFunction

PIECES = "[PAD] [UNK] [CLS] [SEP] [MASK] mars is red the planet of fox and query :"
DOCUMENTS = ["Mars is red", "the planet of the fox and the red planet and the fox", ""]
CHANGES = [
    ("config_sentence_transformers.json", {}),
    ("config_sentence_transformers.json", {"activation_fn": "torch.nn.modules.activation.Sigmoid"}),
    ("config_sentence_transformers.json", {"prompts": {"q": "query : "}, "default_prompt_name": "q"}),
    ("sentence_bert_config.json", {"max_seq_length": 8}),
    ("sentence_bert_config.json", {"do_lower_case": True}),
    ("tokenizer_config.json", {"truncation_side": "left"}),
    ("tokenizer_config.json", {"do_lower_case": False}),
    ("tokenizer_config.json", {"model_input_names": ["input_ids", "attention_mask"]}),
]


@pytest.mark.peer
def test_each_value_of_each_key_gives_the_scores_of_sentence_transformers(tmp_path):
    import torch
    from sentence_transformers import CrossEncoder
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

    torch.manual_seed(3)
    vocabulary = {piece: i for i, piece in enumerate(PIECES.split())}
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = BertConfig(
        vocab_size=len(vocabulary), max_position_embeddings=24, initializer_range=0.5, num_labels=1, **sizes
    )
    BertForSequenceClassification(config).double().save_pretrained(tmp_path / "bert")
    BertTokenizer(vocab=vocabulary, model_max_length=12).save_pretrained(tmp_path / "bert")
    folder = tmp_path / "model"
    CrossEncoder(str(tmp_path / "bert"), activation_fn=torch.nn.Identity()).double().save_pretrained(str(folder))
    for name, keys in CHANGES:
        original = (folder / name).read_text(encoding="utf-8")
        (folder / name).write_text(json.dumps(json.loads(original) | keys), encoding="utf-8")
        peer = CrossEncoder(str(folder), device="cpu", model_kwargs={"dtype": "float64"}).double()
        expected = np.array([peer.predict(("red Mars", text)) for text in DOCUMENTS])
        actual = CrossEncoderRerankFunction(str(folder), dtype="float64").scores("red Mars", DOCUMENTS)
        # predict returns float32
        np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-7, err_msg=f"{name} {keys}")
        (folder / name).write_text(original, encoding="utf-8")
