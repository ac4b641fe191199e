"""Encoder layers as in faulty implementations, with the signature of `bert.forward.encoder_layer`."""

from collections.abc import Callable

import numpy as np

from refimpl.bert.blocks import Record
from refimpl.bert.forward import Block, encoder_layer, self_attention
from refimpl.bert.ops import ACTIVATIONS, Hidden, layer_norm, linear
from refimpl.bert.weights import BertWeights
from refimpl.common.types import Array


def pre_norm(layer: BertWeights, hidden_states: Hidden, bias: Array, record: Record) -> Hidden:
    """Pre-norm: x = x + attention(norm(x)), x = x + feed_forward(norm(x)), as in GPT-2 (Xiong et al. 2020)."""
    eps = layer.config.layer_norm_eps
    normed = layer_norm(hidden_states, *layer.affine("attention.output.LayerNorm"), eps=eps)
    context = self_attention(layer, normed, bias, record)
    attention_dense = record("attention_dense", linear(context, *layer.affine("attention.output.dense")))
    attention_output = record("attention_output", hidden_states + attention_dense)
    normed = layer_norm(attention_output, *layer.affine("output.LayerNorm"), eps=eps)
    return record("hidden_states", attention_output + _feed_forward(layer, normed, record))


def no_residual(layer: BertWeights, hidden_states: Hidden, bias: Array, record: Record) -> Hidden:
    """Post-norm without residual connections: x = norm(attention(x)), x = norm(feed_forward(x))."""
    eps = layer.config.layer_norm_eps
    context = self_attention(layer, hidden_states, bias, record)
    attention_dense = record("attention_dense", linear(context, *layer.affine("attention.output.dense")))
    normed = layer_norm(attention_dense, *layer.affine("attention.output.LayerNorm"), eps=eps)
    output_dense = _feed_forward(layer, record("attention_output", normed), record)
    return record("hidden_states", layer_norm(output_dense, *layer.affine("output.LayerNorm"), eps=eps))


def _attention_without(hides: Callable[[Array], Array]) -> Block:
    """Attention without the keys `(batch, query, key)` that `hides` names, of the mask of real tokens `(batch, seq)`.

    A query without any key has all of them.
    """

    def block(layer: BertWeights, hidden_states: Hidden, bias: Array, record: Record) -> Hidden:
        hidden = hides(np.isfinite(bias).any(axis=(1, 2)))[:, None]
        without = np.where(hidden, -np.inf, bias).astype(bias.dtype)
        nothing = np.isinf(without).all(axis=-1, keepdims=True)
        return encoder_layer(layer, hidden_states, np.where(nothing, bias, without), record)

    return block


def _apart(real: Array) -> Array:
    """How many tokens a key is after a query, `(1, query, key)`."""
    position = np.arange(real.shape[1])
    return (position - position[:, None])[None]


def within(distance: int) -> Block:
    """Local attention: each token attends to those at most `distance` away."""
    return _attention_without(lambda real: np.abs(_apart(real)) > distance)


def _first(real: Array) -> Array:
    return (np.arange(real.shape[1]) == 0)[None, None]


def _last(real: Array) -> Array:
    return (np.arange(real.shape[1]) == real.sum(axis=1, keepdims=True) - 1)[:, None]


causal = _attention_without(lambda real: _apart(real) > 0)
anti_causal = _attention_without(lambda real: _apart(real) < 0)
without_itself = _attention_without(lambda real: _apart(real) == 0)
without_first, without_last = _attention_without(_first), _attention_without(_last)
without_special = _attention_without(lambda real: _first(real) | _last(real))


def _feed_forward(layer: BertWeights, x: Hidden, record: Record) -> Hidden:
    intermediate_dense = record("intermediate_dense", linear(x, *layer.affine("intermediate.dense")))
    intermediate = record("intermediate", ACTIVATIONS[layer.config.hidden_act](intermediate_dense))
    return record("output_dense", linear(intermediate, *layer.affine("output.dense")))
