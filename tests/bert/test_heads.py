"""Masked-LM and classifier heads of every architecture that has them, against the libraries of Hugging Face."""

import json

import numpy as np
import pytest
import seeded

from refimpl import CrossEncoderRerankFunction, SpladeEmbeddingFunction
from refimpl.bert.config import BertConfig
from refimpl.bert.files import WeightsError
from refimpl.bert.forward import forward
from refimpl.bert.heads import classifier_input, masked_lm_logits, sequence_logits
from refimpl.bert.weights import BertWeights

pytestmark = pytest.mark.filterwarnings("ignore::refimpl.tokens.TruncationWarning")

WITH_HEADS = sorted(set(seeded.CONFIGS) - {"qwen3", "gemma3_text", "t5", "jina_bert"})
OTHER_SETTINGS = [
    ("modernbert", {"classifier_bias": True, "classifier_activation": "silu"}),
    ("modernbert", {"norm_bias": True, "decoder_bias": False}),
    ("modernbert", {"classifier_pooling": "mean"}),
    ("roberta", {"hidden_act": "relu"}),
    ("mpnet", {"hidden_act": "relu"}),
    ("gte", {"hidden_act": "relu"}),
    ("jina_embeddings_v3", {"hidden_act": "relu"}),
    ("nomic_bert", {"hidden_act": "relu"}),
    ("distilbert", {"activation": "relu"}),
]
CASES = [*((kind, {}) for kind in WITH_HEADS), *OTHER_SETTINGS]


def logits(kind, head, folder, **changes):
    """Theirs in float64, and our weights and states of the same text."""
    import torch

    model = seeded.torch_model(kind, f"AutoModelFor{head}", **changes)
    model.save_pretrained(folder)
    ids = seeded.token_ids([20])[0].astype(np.int64)[None]
    with torch.no_grad(), seeded.float64_throughout():
        theirs = model(input_ids=torch.tensor(ids)).logits.numpy()
    weights = BertWeights.load(folder, "float64")
    states = forward(weights, ids, np.ones_like(ids), np.zeros_like(ids)).last_hidden_state
    return theirs, weights, states


@pytest.mark.peer
@pytest.mark.parametrize(("kind", "changes"), CASES)
def test_masked_lm_logits_equal_transformers(kind, changes, tmp_path):
    theirs, weights, states = logits(kind, "MaskedLM", tmp_path, **changes)
    assert np.abs(masked_lm_logits(weights, states) - theirs).max() <= 1e-12  # observed 2.9e-15
    assert theirs.std() > 0.1


@pytest.mark.peer
@pytest.mark.parametrize(("kind", "changes"), CASES)
def test_classifier_logits_equal_transformers(kind, changes, tmp_path):
    theirs, weights, states = logits(kind, "SequenceClassification", tmp_path, num_labels=3, **changes)
    ours = sequence_logits(weights, classifier_input(weights, states[0], np.array([20])))
    assert np.abs(ours - theirs).max() <= 1e-13  # observed 1.8e-15, of ModernBERT's with SiLU; else 9e-16
    assert theirs.std() > 0.01


RERANKERS = [("modernbert", {}), ("modernbert", {"classifier_pooling": "mean"}), ("gte", {}), ("distilbert", {})]


@pytest.mark.peer
@pytest.mark.parametrize(("kind", "changes"), RERANKERS)
def test_rerankers_equal_sentence_transformers(kind, changes, tmp_path):
    """gte-reranker-modernbert-base's and gte-multilingual-reranker-base's form."""
    from sentence_transformers import CrossEncoder

    seeded.torch_model(kind, "AutoModelForSequenceClassification", num_labels=1, **changes).save_pretrained(tmp_path)
    seeded.tokenizer(tmp_path, seeded.family_of(kind))
    query, documents = "a red planet", seeded.TEXTS
    with seeded.float64_throughout():
        peer = CrossEncoder(str(tmp_path), device="cpu", max_length=40, model_kwargs={"attn_implementation": "eager"})
        peer.double()
        theirs = np.array([peer.predict([(query, document)])[0] for document in documents])
    exact = CrossEncoderRerankFunction(tmp_path, dtype="float64").scores(query, documents)
    assert np.abs(exact - theirs).max() <= 1e-12
    assert np.abs(CrossEncoderRerankFunction(tmp_path).scores(query, documents) - theirs).max() <= 1e-6
    assert theirs.std() > 1e-3


@pytest.mark.peer
def test_splade_over_modernbert_equals_transformers(tmp_path):
    import torch
    from transformers import AutoTokenizer

    model = seeded.torch_model("modernbert", "AutoModelForMaskedLM")
    model.save_pretrained(tmp_path)
    seeded.tokenizer(tmp_path)
    splitter = AutoTokenizer.from_pretrained(tmp_path)
    ours = SpladeEmbeddingFunction(str(tmp_path), dtype="float64")(seeded.TEXTS).toarray()
    for row, text in zip(ours, seeded.TEXTS, strict=True):
        ids = torch.tensor([splitter(text, truncation=True, max_length=40)["input_ids"]])
        with torch.no_grad(), seeded.float64_throughout():
            theirs = torch.log1p(torch.relu(model(input_ids=ids).logits)).amax(dim=1)[0].numpy()
        assert np.abs(row - theirs).max() <= 1e-12
    assert 0 < np.count_nonzero(ours) < ours.size


@pytest.mark.peer
def test_a_head_for_another_use_is_refused(tmp_path):
    """ModernBERT's classifier begins as its masked-LM head does, also where the latter has no bias."""
    for bias in (True, False):
        folder = tmp_path / str(bias)
        model = seeded.torch_model("modernbert", "AutoModelForSequenceClassification", num_labels=1, decoder_bias=bias)
        model.save_pretrained(folder)
        seeded.tokenizer(folder)
        with pytest.raises(ValueError, match="has no masked-LM head"):
            SpladeEmbeddingFunction(str(folder))
    seeded.torch_model("modernbert", "AutoModelForMaskedLM").save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="expected a classifier with one label, got no classifier"):
        CrossEncoderRerankFunction(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classifier_pooling": "max"}, "classifier_pooling is 'max', expected 'cls' or 'mean'"),
        ({"classifier_activation": "swoosh"}, "head_act 'swoosh' is not one of"),
    ],
)
def test_unsupported_settings_of_heads_are_refused(tmp_path, changes, message):
    config = {**seeded.published()["modernbert"]["config"], **changes}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(WeightsError, match=message):
        BertConfig.load(tmp_path)
