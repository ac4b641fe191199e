"""Architectures with rotary positions or ALiBi that else keep BERT's form: ModernBERT, NomicBERT, GTE, Jina.

ModernBERT (Warner et al. 2024), NomicBERT (Nussbaum et al. 2024), mGTE (Zhang et al. 2024), JinaBERT (Günther et al.
2023), jina-embeddings-v3 (Sturua et al. 2024). `bert/blocks.py` computes them.
"""

from typing import Any

from refimpl.bert.architectures.bert_family import GELU_HEAD, LM_HEAD
from refimpl.bert.architectures.record import (
    AFTER_ATTENTION,
    AFTER_FEED_FORWARD,
    BIASES,
    EMBEDDED,
    FINAL,
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
    integer,
    layer_types,
    layers_of,
    rope_theta,
    same_theta,
)

_WITHOUT_UP = tuple(site for site in BIASES if site != "up")
QKV = ("attention.self.query", "attention.self.key", "attention.self.value")


def _modernbert(published: Published) -> dict[str, Any]:
    every = integer(published, "global_attn_every_n_layers", 3)
    types = layer_types(published, lambda i: i % every == 0)
    full = {**published, "rope_theta": published.get("global_rope_theta", 160_000.0)}
    local = {**published, "rope_theta": published.get("local_rope_theta", 10_000.0)}
    thetas = {
        "full_attention": rope_theta(full, "full_attention"),
        "sliding_attention": rope_theta(local, "sliding_attention"),
    }
    window = integer(published, "local_attention", 128) // 2
    biased = {"attention": "attention_bias", "up": "mlp_bias", "down": "mlp_bias", "norm": "norm_bias"}
    biased["head"] = "classifier_bias"
    pooling = published.get("classifier_pooling", "cls")
    if pooling not in ("cls", "mean"):
        raise ValueError(f"classifier_pooling is {pooling!r}, expected 'cls' or 'mean'")
    return {
        "rope_thetas": tuple(thetas[kind] for kind in types),
        "windows": tuple(0 if kind == "full_attention" else window for kind in types),
        "biases": (
            *(site for site, key in biased.items() if published.get(key, False)),
            *(("decoder",) if published.get("decoder_bias", True) else ()),
        ),
        "head_act": published.get("classifier_activation", "gelu"),
        "classifier_pooling": pooling,
    }


MODERNBERT = Architecture(
    prefixes=("model.",),
    tensors={
        "embeddings.tok_embeddings": "embeddings.word_embeddings",
        "embeddings.norm": EMBEDDED,
        "layers": "encoder.layer",
        "attn.Wqkv": "attention.self.qkv",
        "attn.Wo": "attention.output.dense",
        "attn_norm": PRE_ATTENTION,
        "mlp_norm": PRE_FEED_FORWARD,
        "mlp.Wi": "intermediate.gated",
        "mlp.Wo": "output.dense",
        "final_norm": FINAL,
        "head.dense": "cls.predictions.transform.dense",
        "head.norm": "cls.predictions.transform.LayerNorm",
        "decoder": "cls.predictions.decoder",
    },
    fused={"attention.self.qkv": QKV, "intermediate.gated": ("gate.dense", "intermediate.dense")},
    settings={"hidden_act": "hidden_activation", "layer_norm_eps": "norm_eps"},
    fixed={
        **NO_TABLE,
        **NO_SEGMENTS,
        "gated": True,
        "norms": (EMBEDDED, *PRE_NORM),
        "absent": (f"encoder.layer.0.{PRE_ATTENTION}",),
    },
    derive=_modernbert,
    derived_keys=ROPE_KEYS
    | {"global_attn_every_n_layers", "layer_types", "global_rope_theta", "local_rope_theta", "local_attention"}
    | {"attention_bias", "mlp_bias", "norm_bias"}
    | {"classifier_bias", "classifier_pooling", "classifier_activation", "decoder_bias"},
    irrelevant=words(
        "initializer_cutoff_factor sparse_prediction sparse_pred_ignore_index deterministic_flash_attn "
        "embedding_dropout mlp_dropout reference_compile repad_logits_with_grad cls_token_id sep_token_id"
    ),
)


def _nomic(published: Published) -> dict[str, Any]:
    original = "n_embd" in published
    theta = published.get("rotary_emb_base", 10_000) if original else None
    key = "n_layer" if original else "num_hidden_layers"
    return {
        **same_theta({"rope_theta": theta, **published} if original else published, 1000.0, key),
        "hidden_act": {"swiglu": "silu", "geglu": "gelu"}.get(str(published.get("activation_function")), "")
        if original
        else published.get("hidden_act", "silu"),
        "head_size": integer(published, "head_dim", 0) if published.get("head_dim") else 0,
    }


_AFTER = {"post_attention_layernorm": AFTER_ATTENTION, "post_mlp_layernorm": AFTER_FEED_FORWARD}
_NOMIC_TENSORS = {
    "emb_ln": EMBEDDED,
    "encoder.layers": "encoder.layer",
    "attn.Wqkv": "attention.self.qkv",
    "attn.out_proj": "attention.output.dense",
    "mlp.fc11": "intermediate.dense",
    "mlp.fc12": "gate.dense",
    "mlp.fc2": "output.dense",
    "norm1": AFTER_ATTENTION,
    "norm2": AFTER_FEED_FORWARD,
    "cls.predictions.transform.layer_norm": "cls.predictions.transform.LayerNorm",
}
NOMIC = Architecture(
    prefixes=("nomic_bert.", "bert.", "model."),
    tensors={**_NOMIC_TENSORS, "layers": "encoder.layer", **SELF_ATTENTION, **GATED, **_AFTER},
    fused={"attention.self.qkv": QKV},
    fixed={**NO_TABLE, "gated": True, "biases": ("norm", "head", "decoder")},
    derive=_nomic,
    derived_keys=ROPE_KEYS | {"hidden_act", "head_dim"},
)
NOMIC_ORIGINAL = Architecture(
    prefixes=NOMIC.prefixes,
    tensors=NOMIC.tensors,
    fused=NOMIC.fused,
    settings={
        "hidden_size": "n_embd",
        "num_hidden_layers": "n_layer",
        "num_attention_heads": "n_head",
        "intermediate_size": "n_inner",
        "max_position_embeddings": "n_positions",
        "layer_norm_eps": "layer_norm_epsilon",
    },
    fixed=NOMIC.fixed,
    derive=_nomic,
    derived_keys=frozenset({"activation_function", "rotary_emb_base"}),
    only={
        "rotary_emb_fraction": (1, 1.0),
        "rotary_emb_interleaved": (False,),
        "rotary_emb_scale_base": (None,),
        "rotary_scaling_factor": (None,),
        "prenorm": (False,),
        "parallel_block": (False,),
        "parallel_block_tied_norm": (False,),
        "causal": (False,),
        "use_rms_norm": (False, None),
        "qkv_proj_bias": (False,),
        "mlp_fc1_bias": (False,),
        "mlp_fc2_bias": (False,),
        "scale_attn_weights": (True,),
        "scale_attn_by_inverse_layer_idx": (False,),
    },
    irrelevant=words(
        "attn_pdrop embd_pdrop resid_pdrop fused_bias_fc fused_dropout_add_ln last_layer_subset "
        "max_trained_positions pad_vocab_size_multiple reorder_and_upcast_attn summary_activation "
        "summary_first_dropout summary_proj_to_labels summary_type summary_use_proj use_flash_attn "
        "use_xentropy dense_seq_output n_ctx"
    ),
)


def _gte(published: Published) -> dict[str, Any]:
    tables: dict[str, Any] = {} if published.get("type_vocab_size") else dict(NO_SEGMENTS)
    tables |= GELU_HEAD if published.get("model_type") == "gte" else {}
    scaling = published.get("rope_scaling") or {}
    layers, heads = layers_of(published), integer(published, "num_attention_heads", None)
    if scaling.get("type", scaling.get("rope_type")) != "ntk":
        return same_theta(published, default=160_000.0) | tables
    factor, mixed = scaling.get("factor"), scaling.get("mixed_b")
    if mixed is not None or not isinstance(factor, int | float) or factor < 1:
        raise ValueError(f"rope_scaling is {scaling}, expected type ntk with a factor of at least 1, without mixed_b")
    theta = rope_theta({**published, "rope_scaling": None})
    head_dim = integer(published, "hidden_size", None) // heads
    return {"rope_thetas": (theta * factor,) * layers, "rope_divisor": factor ** (2 / head_dim)} | tables


GTE = Architecture(
    prefixes=("new.", "gte.", "model."),
    tensors={
        "attention.qkv_proj": "attention.self.qkv",
        "attention.o_proj": "attention.output.dense",
        "attn_ln": AFTER_ATTENTION,
        "mlp_ln": AFTER_FEED_FORWARD,
        "mlp.up_gate_proj": "intermediate.gated",
        **SELF_ATTENTION,
        **GATED,
        **_AFTER,
        **LM_HEAD,
        "lm_head.norm": "cls.predictions.transform.LayerNorm",
        "layers": "encoder.layer",
    },
    fused={"attention.self.qkv": QKV, "intermediate.gated": ("intermediate.dense", "gate.dense")},
    fixed={**NO_TABLE, "gated": True, "biases": _WITHOUT_UP},
    derive=_gte,
    derived_keys=ROPE_KEYS | {"type_vocab_size"},
    only={
        "position_embedding_type": ("rope",),
        "layer_norm_type": ("layer_norm",),
        "logn_attention_scale": (False,),
        "pack_qkv": (True,),
    },
    irrelevant=frozenset({"logn_attention_clip1", "unpad_inputs", "use_memory_efficient_attention"}),
    default_pad=1,
)


def _jina_v3(published: Published) -> dict[str, Any]:
    return same_theta({"rope_theta": published.get("rotary_emb_base"), **published}, default=20_000.0)


JINA_V3 = Architecture(
    prefixes=("roberta.", "model."),
    tensors={
        **_NOMIC_TENSORS,
        "mixer.Wqkv": "attention.self.qkv",
        "mixer.out_proj": "attention.output.dense",
        "mlp.fc1": "intermediate.dense",
        "mlp.fc2": "output.dense",
        **SELF_ATTENTION,
        **_AFTER,
        **LM_HEAD,
        "layers": "encoder.layer",
    },
    fused={"attention.self.qkv": QKV},
    fixed={**NO_TABLE, **GELU_HEAD},
    derive=_jina_v3,
    derived_keys=ROPE_KEYS | {"rotary_emb_base"},
    only={"position_embedding_type": ("rotary",), "load_trained_adapters": (True, False)},
    irrelevant=words(
        "lora_adaptations lora_alpha lora_dropout_p lora_main_params_trainable lora_prompts lora_rank "
        "matryoshka_dimensions truncate_dim use_flash_attn use_reentrant emb_pooler task_instructions"
    ),
    default_pad=1,
)


def _jina_v2(published: Published) -> dict[str, Any]:
    gate = published.get("feed_forward_type")
    if gate not in ("geglu", "reglu"):
        raise ValueError(f"feed_forward_type is {gate!r}, expected 'geglu' or 'reglu'")
    return {"hidden_act": {"geglu": "gelu", "reglu": "relu"}[gate]}


JINA_V2 = Architecture(
    prefixes=("bert.", "model."),
    tensors={
        "mlp.gated_layers": "intermediate.gated",
        "mlp.wo": "output.dense",
        "mlp.layernorm": AFTER_FEED_FORWARD,
    },
    fused={"intermediate.gated": ("gate.dense", "intermediate.dense")},
    fixed={**NO_TABLE, "gated": True, "alibi": True, "biases": _WITHOUT_UP},
    derive=_jina_v2,
    derived_keys=frozenset({"feed_forward_type"}),
    only={"position_embedding_type": ("alibi",)},
    irrelevant=frozenset({"attn_implementation", "emb_pooler", "model_max_length", "hidden_act"}),
)

MODERN: dict[str, Architecture] = {
    "modernbert": MODERNBERT,
    "nomic_bert": NOMIC,
    "nomic_bert_original": NOMIC_ORIGINAL,
    "gte": GTE,
    "new": GTE,
    "jina_bert": JINA_V2,
    "jina_embeddings_v3": JINA_V3,
}
"""By config.json's `model_type`, or the name that `architecture_name` gives the folder."""
