"""Architectures with RMSNorm of each block's input: Qwen3, Gemma 3 and EmbeddingGemma, and the encoder of T5.

Qwen3 (Yang et al. 2025) and Gemma 3 (Gemma Team 2025; EmbeddingGemma: Vera et al. 2025) are decoders with grouped
query heads (Ainslie et al. 2023), gated feed-forward (Shazeer 2020) and rotary positions; T5 (Raffel et al. 2020) adds
a bias by relative position. `bert/blocks.py` computes them.
"""

from typing import Any

from refimpl.bert.architectures.record import (
    FINAL,
    HEAD_NORMS,
    POST_ATTENTION,
    POST_FEED_FORWARD,
    PRE_ATTENTION,
    PRE_FEED_FORWARD,
    PRE_NORM,
    Architecture,
    Published,
    words,
)
from refimpl.bert.architectures.settings import (
    GATED,
    NO_SEGMENTS,
    NO_TABLE,
    ROPE_KEYS,
    SELF_ATTENTION,
    UNLIMITED,
    integer,
    layer_types,
    rope_theta,
    same_theta,
)


def _qwen3(published: Published) -> dict[str, Any]:
    types = layer_types(published, lambda i: True)
    if published.get("use_sliding_window") or "sliding_attention" in types:
        raise ValueError("use_sliding_window is set, expected full attention in every layer")
    heads = integer(published, "num_attention_heads", None)
    key_heads = published.get("num_key_value_heads")
    return {
        **same_theta(published, default=10_000.0),
        "num_key_value_heads": heads if key_heads is None else integer(published, "num_key_value_heads", None),
        "head_size": integer(published, "head_dim", 128),
        "biases": ("attention",) if published.get("attention_bias") else (),
    }


_DECODER = {"embed_tokens": "embeddings.word_embeddings", "layers": "encoder.layer", "norm": FINAL}
_DECODER_HEAD_NORMS = {"self_attn.q_norm": HEAD_NORMS[0], "self_attn.k_norm": HEAD_NORMS[1]}
_DECODER_FIXED = {**NO_TABLE, **NO_SEGMENTS, "gated": True, "norm": "rms_norm"}
_DECODER_KEYS = frozenset({"num_key_value_heads", "head_dim", "attention_bias", "layer_types"})

QWEN3 = Architecture(
    prefixes=("model.",),
    tensors={
        **_DECODER,
        **SELF_ATTENTION,
        **_DECODER_HEAD_NORMS,
        **GATED,
        "input_layernorm": PRE_ATTENTION,
        "post_attention_layernorm": PRE_FEED_FORWARD,
    },
    settings={"layer_norm_eps": "rms_norm_eps"},
    fixed={**_DECODER_FIXED, "norms": (*PRE_NORM, *HEAD_NORMS), "causal": True},
    derive=_qwen3,
    derived_keys=ROPE_KEYS | _DECODER_KEYS | {"use_sliding_window"},
    irrelevant=frozenset({"sliding_window", "max_window_layers"}),  # without use_sliding_window
)


def _gemma3(published: Published) -> dict[str, Any]:
    pattern = published.get("sliding_window_pattern", published.get("_sliding_window_pattern", 6))
    types = layer_types(published, lambda i: (i + 1) % pattern == 0)
    full = {**published, "rope_theta": published.get("rope_theta", 1_000_000.0)}
    local = {**published, "rope_scaling": None, "rope_theta": published.get("rope_local_base_freq", 10_000.0)}
    thetas = {
        "full_attention": rope_theta(full, "full_attention"),
        "sliding_attention": rope_theta(local, "sliding_attention"),
    }
    sliding = integer(published, "sliding_window", 4096)
    both_ways = bool(published.get("use_bidirectional_attention"))
    window = sliding // 2 if both_ways else sliding - 1
    return {
        "rope_thetas": tuple(thetas[kind] for kind in types),
        "windows": tuple(0 if kind == "full_attention" else window for kind in types),
        "causal": not both_ways,
        "num_key_value_heads": integer(published, "num_key_value_heads", 4),
        "head_size": integer(published, "head_dim", 256),
        "attention_scale": integer(published, "query_pre_attn_scalar", 256) ** -0.5,
        "embedding_scale": integer(published, "hidden_size", None) ** 0.5,
        "biases": ("attention",) if published.get("attention_bias") else (),
    }


GEMMA3 = Architecture(
    prefixes=("model.",),
    tensors={
        **_DECODER,
        **SELF_ATTENTION,
        **_DECODER_HEAD_NORMS,
        **GATED,
        "input_layernorm": PRE_ATTENTION,
        "post_attention_layernorm": POST_ATTENTION,
        "pre_feedforward_layernorm": PRE_FEED_FORWARD,
        "post_feedforward_layernorm": POST_FEED_FORWARD,
    },
    settings={"hidden_act": "hidden_activation", "layer_norm_eps": "rms_norm_eps"},
    fixed={**_DECODER_FIXED, "norms": (*PRE_NORM, POST_ATTENTION, POST_FEED_FORWARD, *HEAD_NORMS)},
    derive=_gemma3,
    derived_keys=ROPE_KEYS
    | _DECODER_KEYS
    | {"sliding_window", "sliding_window_pattern", "_sliding_window_pattern", "rope_local_base_freq"}
    | {"use_bidirectional_attention", "query_pre_attn_scalar"},
    only={"attn_logit_softcapping": (None,)},
    irrelevant=frozenset({"final_logit_softcapping"}),  # of a head that is not computed
    unit_offset_norms=True,
)


def _t5(published: Published) -> dict[str, Any]:
    gate, _, activation = str(published.get("feed_forward_proj", "relu")).rpartition("-")
    if gate not in ("", "gated"):
        raise ValueError(f"feed_forward_proj is {published['feed_forward_proj']!r}, expected gated-ACTIVATION")
    gelu = gate and activation == "gelu"
    return {
        "head_size": integer(published, "d_kv", 64),
        "hidden_act": "gelu_new" if gelu else activation,
        "gated": bool(gate),
    }


T5 = Architecture(
    prefixes=(),
    tensors={
        "encoder.embed_tokens": "embeddings.word_embeddings",
        "shared": "embeddings.word_embeddings",
        "block.0.layer.0.SelfAttention.relative_attention_bias": "relative_attention_bias",
        "encoder.block": "encoder.layer",
        "layer.0.SelfAttention.q": "attention.self.query",
        "layer.0.SelfAttention.k": "attention.self.key",
        "layer.0.SelfAttention.v": "attention.self.value",
        "layer.0.SelfAttention.o": "attention.output.dense",
        "layer.0.layer_norm": PRE_ATTENTION,
        "layer.1.DenseReluDense.wi_0": "gate.dense",
        "layer.1.DenseReluDense.wi_1": "intermediate.dense",
        "layer.1.DenseReluDense.wi": "intermediate.dense",
        "layer.1.DenseReluDense.wo": "output.dense",
        "layer.1.layer_norm": PRE_FEED_FORWARD,
        "encoder.final_layer_norm": FINAL,
    },
    unused=("decoder.", "lm_head."),  # a whole T5, as published by Raffel et al., has them
    settings={
        "hidden_size": "d_model",
        "num_hidden_layers": "num_layers",
        "num_attention_heads": "num_heads",
        "intermediate_size": "d_ff",
        "layer_norm_eps": "layer_norm_epsilon",
    },
    more=("relative_attention_num_buckets",),
    fixed={
        **NO_TABLE,
        **NO_SEGMENTS,
        "norm": "rms_norm",
        "norms": PRE_NORM,
        "biases": (),
        "attention_scale": 1.0,
        "max_position_embeddings": UNLIMITED,
    },
    derive=_t5,
    derived_keys=frozenset({"feed_forward_proj", "d_kv"}),
    only={"relative_attention_max_distance": (128,), "is_encoder_decoder": (True, False, None)},
    irrelevant=words(
        "dense_act_fn is_gated_act num_decoder_layers n_positions dropout_rate "
        "initializer_factor scale_decoder_outputs decoder_start_token_id output_past use_cache "
        "classifier_dropout"
    ),
)

DECODERS: dict[str, Architecture] = {"qwen3": QWEN3, "gemma3_text": GEMMA3, "t5": T5}
"""By config.json's `model_type`."""
