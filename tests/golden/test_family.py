"""Architectures, poolings, BGE-M3 and SPLADE against their golden vectors, without torch."""

from dataclasses import replace

import numpy as np
import pytest
import seeded
from family_walk import compared, encoders, heads
from scipy.special import expit

from refimpl import golden
from refimpl.bert import blocks, positions
from refimpl.bert import heads as module
from refimpl.bert.architectures import ARCHITECTURES
from refimpl.bert.blocks import feed_forward
from refimpl.bert.config import BertConfig
from refimpl.bert.pooling import POOLINGS
from refimpl.bert.positions import alibi_slopes, position_buckets, rotate
from refimpl.bert.weights import BertWeights
from refimpl.dense.modules import LEGACY_MODES
from refimpl.hybrid import kinds
from refimpl.reranker import qwen3

pytestmark = pytest.mark.filterwarnings("ignore::refimpl.tokens.TruncationWarning")


def test_every_golden_vector_matches(tmp_path):
    comparisons = list(compared(tmp_path, encoders, heads))
    assert len(comparisons) == 54
    assert all(comparison.matches for comparison in comparisons), "\n".join(map(str, comparisons))


def test_rows_agree_with_their_manifest():
    vectors = golden.vectors("family")
    assert len({vector.name for vector in vectors}) == len(vectors) == 54
    kinds = {vector.tensor.partition("/")[2] for vector in vectors if vector.stage == "last_hidden_state"}
    assert kinds == {*seeded.CONFIGS, "jina_embeddings_v3-lora"}
    for vector in vectors:
        assert np.isfinite(golden.array(vector)).all()
        assert vector.source["package"] in {"transformers", "sentence-transformers", "torch"}
        assert vector.observed_max is not None
        assert vector.observed_max <= vector.tolerance / 3


def test_splade_weights_of_ten_texts_are_sparse():
    nonzero = golden.array(next(v for v in golden.vectors("family") if v.tensor == "nonzero"))
    assert len(nonzero) == len(seeded.SPLADE_TEXTS) == 10
    assert 0 < nonzero.min() < nonzero.max() < 400  # of 30,522 columns


@pytest.mark.peer
def test_the_seeded_weights_are_torchs_too(tmp_path):
    """The folder written without torch and the one that transformers saves are one model."""
    for kind in seeded.CONFIGS:
        plain = BertWeights.load(seeded.model_folder(tmp_path / f"{kind}-plain", kind))
        saved = BertWeights.load(seeded.torch_folder(tmp_path / kind, kind))
        assert plain.config == saved.config
        assert set(plain) == set(saved)
        for name in plain:
            np.testing.assert_array_equal(plain[name], saved[name], err_msg=f"{kind} {name}")


SENTENCES = {
    f"sentence_vectors/{name}" for name in ("all", *(mode.removeprefix("pooling_mode_") for mode in LEGACY_MODES))
}
SPLADE = {"top_terms", "top_weights", "nonzero"}
BGE_M3 = {"dense", "sparse", "colbert_vecs"}
WEIGHTED = POOLINGS["weightedmean"]


def settings(**changes):
    """The fault of another setting in every configuration that has one."""
    load = BertConfig.load.__func__

    def changed(cls, folder):
        config = load(cls, folder)
        return replace(config, **{name: value for name, value in changes.items() if getattr(config, name)})

    return (BertConfig, "load", classmethod(changed))


def states(*kinds):
    return {f"last_hidden_state/{kind}" for kind in kinds}


def exchanged(layer):
    """A layer whose gate and first map are each other's."""
    names = {"gate.dense": "intermediate.dense", "intermediate.dense": "gate.dense"}
    if not layer.config.gated:
        return layer
    tensors = {
        f"{names.get(name.rpartition('.')[0], name.rpartition('.')[0])}.{name.rpartition('.')[2]}": tensor
        for name, tensor in layer.items()
    }
    return BertWeights(layer.config, tensors)


JINA_V3 = ("jina_embeddings_v3", "jina_embeddings_v3-lora")
ROTARY = ("modernbert", "qwen3", "gemma3_text", "nomic_bert", "gte", *JINA_V3)
GATED = ("modernbert", "qwen3", "gemma3_text", "nomic_bert", "gte", "jina_bert")
FAULTS = {
    "rotation of neighbours": (
        (
            blocks,
            "rotate",
            lambda x, angles: rotate(x.reshape(*x.shape[:-1], -1, 2).swapaxes(-1, -2).reshape(x.shape), angles),
        ),
        states(*ROTARY),
    ),
    "rotation the other way": ((blocks, "rotate", lambda x, angles: rotate(x, -angles)), states(*ROTARY)),
    "one base": (
        settings(rope_thetas=(10_000.0,) * 4),
        states("modernbert", "gemma3_text", "nomic_bert", "gte", *JINA_V3),
    ),
    "one key head": (
        (
            blocks,
            "_repeated",
            lambda heads, n: heads if n == 1 else np.repeat(heads[:, :1], n * heads.shape[1], axis=1),
        ),
        states("qwen3", "gemma3_text"),
    ),
    "both ways": (settings(causal=False), states("qwen3")),
    "no windows": (settings(windows=(0,) * 4), states("modernbert", "gemma3_text")),
    "windows wider by one": (settings(windows=(0, 5, 5, 0)), states("modernbert", "gemma3_text")),
    "scores not scaled": (settings(attention_scale=1.0), states("gemma3_text")),
    "T5's scores scaled": (settings(attention_scale=12**-0.5), states("t5", "gemma3_text")),
    "words not scaled": (settings(embedding_scale=1.0), states("gemma3_text")),
    "gate and map exchanged": (
        (blocks, "feed_forward", lambda layer, x, record: feed_forward(exchanged(layer), x, record)),
        states(*GATED),
    ),
    "layer norms": (settings(norm="layer_norm"), states("qwen3", "gemma3_text", "t5")),
    "another slope": ((positions, "alibi_slopes", lambda heads: alibi_slopes(8)[:heads]), states("jina_bert")),
    "no ALiBi": (settings(alibi=False), states("jina_bert")),
    "norm weights without the offset": (
        (ARCHITECTURES, "gemma3_text", replace(ARCHITECTURES["gemma3_text"], unit_offset_norms=False)),
        states("gemma3_text"),
    ),
    "another activation": (
        settings(hidden_act="relu"),
        states(*(set(seeded.CONFIGS) - {"t5"}), JINA_V3[1]) | SENTENCES | BGE_M3 | SPLADE,
    ),
    "another adapter": ((seeded, "TASK", "separation"), states("jina_embeddings_v3-lora")),
    "adapters not scaled": (
        (seeded, "LORA", {**seeded.LORA, "lora_alpha": 4}),
        states("jina_embeddings_v3-lora"),
    ),
    "T5's table of another direction": (
        (positions, "position_buckets", lambda d: position_buckets(-d)),
        states("t5", "mpnet"),
    ),
    "positions from 0": (
        (ARCHITECTURES, "xlm-roberta", replace(ARCHITECTURES["xlm-roberta"], first_position=lambda pad: 0)),
        {"last_hidden_state/xlm-roberta", "dense", "sparse", "colbert_vecs"},
    ),
    "no relative positions": (
        (blocks, "position_bias", lambda *_: None),
        states("mpnet", "t5", "qwen3", "modernbert", "gemma3_text", "jina_bert"),
    ),
    "the first group for every layer": (
        (BertConfig, "stored_layer", lambda self, i: f"0.{i % 2}" if self.num_hidden_groups else str(i)),
        {"last_hidden_state/albert"},
    ),
    "weights from 0": (
        (POOLINGS, "weightedmean", lambda s, p, n: WEIGHTED(s, p - 1, n)),
        {"sentence_vectors/weightedmean_tokens", "sentence_vectors/all"},
    ),
    "the token before the last pooled": (
        (POOLINGS, "lasttoken", lambda s, p, n: s[np.cumsum(n) - 2].astype(float)),
        {"sentence_vectors/lasttoken", "sentence_vectors/all"},
    ),
    "special tokens weighted": ((kinds, "UNWEIGHTED", ()), {"sparse"}),
    "no unit length": ((kinds, "l2_normalize", lambda x: x), {"dense", "colbert_vecs"}),
}


@pytest.mark.filterwarnings("ignore:.*:RuntimeWarning")
@pytest.mark.parametrize("fault", FAULTS)
def test_golden_vectors_catch_the_fault(fault, tmp_path, monkeypatch):
    (where, name, wrong), expected = FAULTS[fault]
    patch = monkeypatch.setitem if isinstance(where, dict) else monkeypatch.setattr
    patch(where, name, wrong)
    failed = {
        comparison.name.partition(":")[2] for comparison in compared(tmp_path, encoders) if not comparison.matches
    }
    assert failed == expected


TASKS = {f"task_vectors/{task}" for task in seeded.JINA_PROMPTS}
PROMPTS = dict(zip(seeded.JINA_PROMPTS, reversed(seeded.JINA_PROMPTS.values()), strict=True))


def of_heads(head, *without):
    return {f"{head}/{kind}" for kind in seeded.HEADED if kind not in without}


HEAD_FAULTS = {
    "another activation of heads": (
        settings(head_act="relu"),
        {"SequenceClassification/modernbert", "MaskedLM/modernbert"}
        | of_heads("MaskedLM", "bert", "distilbert", "albert", "nomic_bert"),  # which use the encoder's
    ),
    "no layer norm in masked-LM heads": (
        (module, "layer_norm", lambda x, *_, **__: x),
        of_heads("MaskedLM") | {"SequenceClassification/modernbert"},
    ),
    "no biases": (
        (BertWeights, "affine", lambda self, name: (self[f"{name}.weight"], np.zeros(len(self[f"{name}.weight"])))),
        of_heads("MaskedLM", "modernbert") | of_heads("SequenceClassification") | TASKS,
    ),
    "no for yes": ((qwen3, "expit", lambda x: expit(-x)), {"qwen3_reranker"}),
    "no instruction": ((qwen3, "PREFIX", "<|im_start|>"), {"qwen3_reranker"}),
    "no thought": ((qwen3, "SUFFIX", "<|im_end|>"), {"qwen3_reranker"}),
    "prompts exchanged": ((seeded, "JINA_PROMPTS", PROMPTS), TASKS),
    "adapters not scaled": ((seeded, "LORA", {**seeded.LORA, "lora_alpha": 4}), TASKS),
}


@pytest.mark.filterwarnings("ignore:.*:RuntimeWarning")
@pytest.mark.parametrize("fault", HEAD_FAULTS)
def test_golden_vectors_of_heads_catch_the_fault(fault, tmp_path, monkeypatch):
    (where, name, wrong), expected = HEAD_FAULTS[fault]
    monkeypatch.setattr(where, name, wrong)
    failed = {comparison.name.partition(":")[2] for comparison in compared(tmp_path, heads) if not comparison.matches}
    assert failed == expected
