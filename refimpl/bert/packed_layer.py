"""A layer's weights and a tile's buffers in the form of the packed forward (`bert/packed.py`)."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from refimpl.bert.architectures.record import (
    AFTER_ATTENTION,
    AFTER_FEED_FORWARD,
    HEAD_NORMS,
    POST_ATTENTION,
    POST_FEED_FORWARD,
    PRE_ATTENTION,
    PRE_FEED_FORWARD,
)
from refimpl.bert.config import BertConfig
from refimpl.bert.weights import BertWeights
from refimpl.common.types import Array

Columns = Float[Array, "hidden tokens"]
Column = Float[Array, "hidden 1"]
Linear = tuple[Array, Array | None]
"""`(out, in)` weights and a bias `(out, 1)`."""


class Norm(NamedTuple):
    """A layer norm, or without `shift` and mean an RMS norm."""

    weight: Column
    shift: Column | None
    eps: np.float32
    centred: bool


@dataclass(frozen=True)
class PackedLayer:
    """One layer's weights in the packed forward's form: `(out, in)`, biases and norms as columns; None: it has none."""

    qkv: Array
    qkv_bias: Column | None
    query_norm: Norm | None
    key_norm: Norm | None
    attention_dense: Linear
    gate: Linear | None
    intermediate: Linear
    output: Linear
    pre_attention: Norm | None
    post_attention: Norm | None
    after_attention: Norm | None
    pre_feed_forward: Norm | None
    post_feed_forward: Norm | None
    after_feed_forward: Norm | None


class Buffers(NamedTuple):
    """Arrays that every layer writes to."""

    qkv: Columns
    context: Columns
    dense: Columns
    intermediate: Columns
    gate: Columns | None
    normed: Columns | None

    @classmethod
    def empty(cls, config: BertConfig, tokens: int, order: Literal["C", "F"]) -> "Buffers":
        """Uninitialised arrays for a tile of `tokens` tokens."""
        hidden, wide = config.hidden_size, config.intermediate_size
        queries, keys = (heads * config.head_dim for heads in (config.num_attention_heads, config.key_value_heads))
        pre_norm = PRE_ATTENTION in config.norms

        def array(rows: int) -> Array:
            return np.empty((rows, tokens), dtype=np.float32, order=order)

        gate, normed = (array(wide) if config.gated else None), (array(hidden) if pre_norm else None)
        return cls(array(queries + 2 * keys), array(queries), array(hidden), array(wide), gate, normed)


def pack_norm(weights: BertWeights, name: str, scale: float = 1.0) -> Norm | None:
    """The norm under `name`, its result times `scale`; None without one."""
    if f"{name}.weight" not in weights:
        return None
    weight, shift = weights[f"{name}.weight"] * np.float32(scale), weights.get(f"{name}.bias")
    centred = weights.config.norm == "layer_norm"
    return Norm(_column(weight), None if shift is None else _column(shift), eps_of(weights.config), centred)


def eps_of(config: BertConfig) -> np.float32:
    """The norms' epsilon."""
    return np.float32(config.layer_norm_eps)


def pack_layer(layer: BertWeights) -> PackedLayer:
    """A layer's weights, with the scale of the scores in the query's norm or weights."""
    attention_dense, attention_bias = _linear(layer, "attention.output.dense")
    value_bias = layer.get("attention.self.value.bias")
    if value_bias is not None:  # attention probabilities sum to 1
        carried = attention_dense.astype(np.float64) @ value_bias
        carried = carried if attention_bias is None else carried + attention_bias[:, 0]
        attention_bias = _column(carried.astype(np.float32))
    qkv, qkv_bias = _heads(layer)
    names = (PRE_ATTENTION, POST_ATTENTION, AFTER_ATTENTION, PRE_FEED_FORWARD, POST_FEED_FORWARD, AFTER_FEED_FORWARD)
    return PackedLayer(
        qkv,
        qkv_bias,
        pack_norm(layer, HEAD_NORMS[0], layer.config.score_scale),
        pack_norm(layer, HEAD_NORMS[1]),
        (attention_dense, attention_bias),
        _linear(layer, "gate.dense") if layer.config.gated else None,
        _linear(layer, "intermediate.dense"),
        _linear(layer, "output.dense"),
        *(pack_norm(layer, name) for name in names),
    )


def _heads(layer: BertWeights) -> tuple[Array, Column | None]:
    """Query, key and value weights in one, and the biases of the first rows: a key's matters only where it rotates."""
    config = layer.config
    scale = np.float32(1.0 if f"{HEAD_NORMS[0]}.weight" in layer else config.score_scale)
    query, key, value = (layer[f"attention.self.{name}.weight"] for name in ("query", "key", "value"))
    biases = [layer.get(f"attention.self.{name}.bias") for name in ("query", "key")]
    qkv = np.concatenate([query if scale == 1 else query * scale, key, value])
    if biases[0] is None or biases[1] is None:
        return qkv, None
    scaled = biases[0] * scale
    keeps_key = bool(config.rope_thetas) or f"{HEAD_NORMS[1]}.weight" in layer
    return qkv, _column(np.concatenate([scaled, biases[1]]) if keeps_key else scaled)


def _linear(layer: BertWeights, name: str) -> Linear:
    bias = layer.get(f"{name}.bias")
    return layer[f"{name}.weight"], None if bias is None else _column(bias)


def _column(features: Array) -> Column:
    return features[:, None]
