"""The models that are BERT with small changes, each change stated here once: names, settings, and two steps more.

RoBERTa (Liu et al. 2019) and XLM-RoBERTa count positions from pad_token_id + 1. DistilBERT (Sanh et al. 2019) has no
segments. MPNet (Song et al. 2020) has no segments either and adds to the attention scores a bias by relative position.
ALBERT (Lan et al. 2020) looks its tokens up in narrow tables, projects them to the hidden size, and walks through
shared layers. Everything else is `bert/forward.py`, under BERT's names for tensors and settings.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from refimpl.bert.ops import Array, linear

POSITION_BUCKETS = 32
NEAR = 8  # distances below have a bucket each
RELATIVE_TABLE = "encoder.relative_attention_bias.weight"
PROJECTION = "embeddings.projection"


@dataclass(frozen=True)
class Architecture:
    """What a published model calls BERT's tensors and settings, and what it adds to them or leaves out."""

    prefixes: tuple[str, ...]
    tensors: Mapping[str, str] = field(default_factory=dict)
    """Its dotted pieces of a tensor's name, and BERT's."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """BERT's settings, and its keys in config.json for them."""
    more: tuple[str, ...] = ()
    """Settings that BERT has not."""
    fixed: Mapping[str, Any] = field(default_factory=dict)
    """Settings that its config.json does not state."""
    default_pad: int = 0
    first_position: Callable[[int], int] = lambda pad_token_id: 0
    """Row of the position table that a text's first token takes, by the model's pad_token_id."""

    def canonical(self, name: str) -> str:
        """BERT's name for a tensor that this architecture calls `name`, in any of the spellings in use."""
        for prefix in self.prefixes:
            name = name.removeprefix(prefix)
        for old, new in ((".gamma", ".weight"), (".beta", ".bias")):  # TensorFlow's
            if name.endswith(old):
                name = name.removesuffix(old) + new
        dotted = f".{name}."
        for theirs, ours in self.tensors.items():
            dotted = dotted.replace(f".{theirs}.", f".{ours}." if ours else ".")
        return dotted[1:-1]


_LM_HEAD = {
    "lm_head.dense": "cls.predictions.transform.dense",
    "lm_head.layer_norm": "cls.predictions.transform.LayerNorm",
    "lm_head.decoder": "cls.predictions.decoder",
    "lm_head.bias": "cls.predictions.bias",
}
_NO_SEGMENTS = {"type_vocab_size": 2, "has_segments": False}

BERT = Architecture(prefixes=("bert.", "model."))
ROBERTA = Architecture(
    prefixes=("roberta.", "model."),
    tensors=_LM_HEAD,
    default_pad=1,
    first_position=lambda pad_token_id: pad_token_id + 1,
)
DISTILBERT = Architecture(
    prefixes=("distilbert.", "model."),
    tensors={
        "transformer.layer": "encoder.layer",
        "attention.q_lin": "attention.self.query",
        "attention.k_lin": "attention.self.key",
        "attention.v_lin": "attention.self.value",
        "attention.out_lin": "attention.output.dense",
        "sa_layer_norm": "attention.output.LayerNorm",
        "ffn.lin1": "intermediate.dense",
        "ffn.lin2": "output.dense",
        "output_layer_norm": "output.LayerNorm",
        "vocab_transform": "cls.predictions.transform.dense",
        "vocab_layer_norm": "cls.predictions.transform.LayerNorm",
        "vocab_projector": "cls.predictions.decoder",
    },
    settings={
        "hidden_size": "dim",
        "num_hidden_layers": "n_layers",
        "num_attention_heads": "n_heads",
        "intermediate_size": "hidden_dim",
        "hidden_act": "activation",
    },
    fixed={**_NO_SEGMENTS, "layer_norm_eps": 1e-12},
)
MPNET = Architecture(
    prefixes=("mpnet.", "model."),
    tensors={
        "attention.attn.q": "attention.self.query",
        "attention.attn.k": "attention.self.key",
        "attention.attn.v": "attention.self.value",
        "attention.attn.o": "attention.output.dense",
        "attention.LayerNorm": "attention.output.LayerNorm",
        **_LM_HEAD,
    },
    more=("relative_attention_num_buckets",),
    fixed=_NO_SEGMENTS,
    default_pad=1,
    first_position=lambda pad_token_id: 2,  # whatever the padding is
)
ALBERT = Architecture(
    prefixes=("albert.", "model."),
    tensors={
        "encoder.embedding_hidden_mapping_in": PROJECTION,
        "encoder.albert_layer_groups": "encoder.layer",
        "albert_layers": "",
        "attention.query": "attention.self.query",
        "attention.key": "attention.self.key",
        "attention.value": "attention.self.value",
        "attention.dense": "attention.output.dense",
        "attention.LayerNorm": "attention.output.LayerNorm",
        "ffn": "intermediate.dense",
        "ffn_output": "output.dense",
        "full_layer_layer_norm": "output.LayerNorm",
        "pooler": "pooler.dense",
        "predictions.dense": "cls.predictions.transform.dense",
        "predictions.LayerNorm": "cls.predictions.transform.LayerNorm",
        "predictions.decoder": "cls.predictions.decoder",
        "predictions.bias": "cls.predictions.bias",
        "sop_classifier.classifier": "cls.seq_relationship",
    },
    more=("embedding_size", "num_hidden_groups", "inner_group_num"),
)

ARCHITECTURES: dict[str, Architecture] = {
    "bert": BERT,
    "roberta": ROBERTA,
    "xlm-roberta": ROBERTA,
    "camembert": ROBERTA,
    "distilbert": DISTILBERT,
    "mpnet": MPNET,
    "albert": ALBERT,
}
"""By config.json's `model_type`."""


def project(weights: Mapping[str, Array], embedded: Float[Array, "*rows embedding"]) -> Float[Array, "*rows hidden"]:
    """ALBERT's map from the embeddings' width to the hidden size (Lan et al. 2020, section 3.1); else no change."""
    if f"{PROJECTION}.weight" not in weights:
        return embedded
    return linear(embedded, weights[f"{PROJECTION}.weight"], weights[f"{PROJECTION}.bias"])


def relative_position_bias(weights: Mapping[str, Array], seq: int) -> Float[Array, "heads seq seq"] | None:
    """What MPNet adds to each head's attention scores, by key position less query position; None without a table.

    A view of `2 seq - 1` numbers a head: along a diagonal the bias is the same.
    """
    if RELATIVE_TABLE not in weights:
        return None
    by_distance = weights[RELATIVE_TABLE][position_buckets(np.arange(1 - seq, seq))].T
    windows = np.lib.stride_tricks.sliding_window_view(by_distance, seq, axis=-1)
    return windows[:, ::-1]


def position_buckets(distances: Int[Array, "distances"]) -> Int[Array, "distances"]:
    """T5's bucket of each key position less query position (Raffel et al. 2020, section 2.1), 32 in all.

    16 for each direction: one for each distance below 8, then two for each doubling, all from 91 on in the last.
    floor(8 + 8 log(d / 8) / log(16)) is counted in integers, 2 log2(d / 8) being log2(d^2 / 64).
    """
    away = np.abs(distances)
    doublings = np.frexp(np.maximum(away * away // (NEAR * NEAR), 1))[1] - 1
    bucket = np.where(away < NEAR, away, np.minimum(NEAR + doublings, POSITION_BUCKETS // 2 - 1))
    return bucket + np.where(distances > 0, POSITION_BUCKETS // 2, 0)
