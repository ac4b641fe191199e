"""Embeddings, attention and layers of the architectures beyond BERT, in the textbook form of `bert/forward.py`.

One layer computes them all: a step that an architecture lacks has no weights, and is skipped.

    x = x + norm(attention(norm(x)))      then norm     (Xiong et al. 2020 compare norms of the input and of the sum)
    x = x + norm(feed_forward(norm(x)))   then norm

`bert/shapes.py` requires exactly the norms and gates of `config.norms` and `config.gated`, so a missing tensor is an
error and not a skipped step.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int

from refimpl.bert.architectures import PROJECTION
from refimpl.bert.architectures.record import (
    AFTER_ATTENTION,
    AFTER_FEED_FORWARD,
    EMBEDDED,
    FINAL,
    HEAD_NORMS,
    POST_ATTENTION,
    POST_FEED_FORWARD,
    PRE_ATTENTION,
    PRE_FEED_FORWARD,
)
from refimpl.bert.ops import ACTIVATIONS, Hidden, layer_norm, linear, merge_heads, rms_norm, softmax, split_heads
from refimpl.bert.positions import position_bias, rotary_angles, rotate
from refimpl.bert.weights import BertWeights
from refimpl.common.types import Array

Record = Callable[[str, Array], Array]
"""Takes an intermediate's name and value, and returns the value."""


def norm(weights: BertWeights, name: str, x: Float[Array, "*rows features"]) -> Float[Array, "*rows features"]:
    """The model's normalisation under `name`; `x` itself where the model has none there."""
    if f"{name}.weight" not in weights:
        return x
    eps = weights.config.layer_norm_eps
    if weights.config.norm == "rms_norm":
        return rms_norm(x, weights[f"{name}.weight"], eps)
    return layer_norm(x, *weights.affine(name), eps=eps)


def project(weights: BertWeights, embedded: Float[Array, "*rows embedding"]) -> Float[Array, "*rows hidden"]:
    """ALBERT's map from the embeddings' width to the hidden size (Lan et al. 2020, section 3.1); else no change."""
    if f"{PROJECTION}.weight" not in weights:
        return embedded
    return linear(embedded, *weights.affine(PROJECTION))


def embed(
    weights: BertWeights, input_ids: Int[Array, "batch seq"], token_type_ids: Int[Array, "batch seq"], record: Record
) -> Hidden:
    """Scaled word embeddings plus token type embeddings, and their norm; positions enter in attention."""
    words = weights["embeddings.word_embeddings.weight"][input_ids]
    word = record("word_embeddings", words * words.dtype.type(weights.config.embedding_scale))
    token_type = record("token_type_embeddings", weights["embeddings.token_type_embeddings.weight"][token_type_ids])
    return record("hidden_states", norm(weights, EMBEDDED, record("sum", word + token_type)))


def attention_biases(weights: BertWeights, padding: Float[Array, "batch 1 1 seq"]) -> dict[int, Array]:
    """The bias of the attention scores by window (`config.window`): padding, positions, range."""
    config, seq = weights.config, padding.shape[-1]
    biases = {}
    for window in {config.window(i) for i in range(config.num_hidden_layers)}:
        by_position = position_bias(weights, config, window, seq)
        biases[window] = padding if by_position is None else padding + by_position
        if config.causal or window:  # a padding query that reads no token reads itself, so that softmax has a term
            biases[window] = np.where(np.eye(seq, dtype=bool) & np.isinf(padding), 0, biases[window])
    return biases


def self_attention(
    layer: BertWeights, hidden_states: Hidden, bias: Array, record: Record
) -> Float[Array, "batch seq context"]:
    """softmax(scale R(Q) R(K)^T + bias) V; head norms, rotation R and shared key heads where the model has them."""
    config, heads = layer.config, {}
    for name, count in (
        ("query", config.num_attention_heads),
        ("key", config.key_value_heads),
        ("value", config.key_value_heads),
    ):
        heads[name] = split_heads(linear(hidden_states, *layer.affine(f"attention.self.{name}")), count)
    for name, head_norm in zip(("query", "key"), HEAD_NORMS, strict=True):
        heads[name] = norm(layer, head_norm, heads[name])
        if config.rope_thetas:
            angles = rotary_angles(config, layer.index, np.arange(hidden_states.shape[1]))
            heads[name] = rotate(heads[name], angles)
    groups = config.num_attention_heads // config.key_value_heads
    query, key, value = (record(name, heads[name]) for name in ("query", "key", "value"))
    key, value = _repeated(key, groups), _repeated(value, groups)
    scale = query.dtype.type(config.score_scale)
    attention_scores = record("attention_scores", query @ key.swapaxes(-1, -2) * scale + bias)
    attention_probs = record("attention_probs", softmax(attention_scores))
    return record("context", merge_heads(attention_probs @ value))


def _repeated(
    heads: Float[Array, "batch key_heads seq head_dim"], groups: int
) -> Float[Array, "batch heads seq head_dim"]:
    """Each key head for `groups` query heads (Ainslie et al. 2023, grouped-query attention)."""
    return np.repeat(heads, groups, axis=1)


def feed_forward(layer: BertWeights, x: Hidden, record: Record) -> Hidden:
    """W2 act(W1 x), or W2 (act(Wg x) * W1 x) with a gate (Shazeer 2020, section 2)."""
    activation = ACTIVATIONS[layer.config.hidden_act]
    intermediate_dense = record("intermediate_dense", linear(x, *layer.affine("intermediate.dense")))
    if layer.config.gated:
        gate = record("gate", activation(linear(x, *layer.affine("gate.dense"))))
        intermediate = record("intermediate", gate * intermediate_dense)
    else:
        intermediate = record("intermediate", activation(intermediate_dense))
    return record("output_dense", linear(intermediate, *layer.affine("output.dense")))


def encoder_layer(layer: BertWeights, hidden_states: Hidden, bias: Array, record: Record) -> Hidden:
    """One layer of any architecture: attention and feed-forward, each with the norms that the model has."""
    context = self_attention(layer, norm(layer, PRE_ATTENTION, hidden_states), bias, record)
    attention_dense = record("attention_dense", linear(context, *layer.affine("attention.output.dense")))
    summed = hidden_states + norm(layer, POST_ATTENTION, attention_dense)
    attention_output = record("attention_output", norm(layer, AFTER_ATTENTION, summed))

    output_dense = feed_forward(layer, norm(layer, PRE_FEED_FORWARD, attention_output), record)
    summed = attention_output + norm(layer, POST_FEED_FORWARD, output_dense)
    return record("hidden_states", norm(layer, AFTER_FEED_FORWARD, summed))


__all__ = ["FINAL", "Record", "attention_biases", "embed", "encoder_layer", "norm", "project", "self_attention"]
