"""Encoder layers as in faulty implementations, with the signature of `bert.forward.encoder_layer`."""

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


def causal(layer: BertWeights, hidden_states: Hidden, bias: Array, record: Record) -> Hidden:
    """Causal attention, as in a decoder: each token attends to itself and to earlier tokens."""
    seq = hidden_states.shape[1]
    later = np.where(np.tri(seq, dtype=bool), 0.0, -np.inf).astype(hidden_states.dtype)
    return encoder_layer(layer, hidden_states, bias + later, record)


def within(distance: int) -> Block:
    """Local attention: each token attends to those at most `distance` away."""

    def block(layer: BertWeights, hidden_states: Hidden, bias: Array, record: Record) -> Hidden:
        position = np.arange(hidden_states.shape[1])
        far = np.where(np.abs(position[:, None] - position) > distance, -np.inf, 0.0).astype(bias.dtype)
        nothing = np.isinf(bias + far).all(axis=-1, keepdims=True)  # of padding that is far from every token
        return encoder_layer(layer, hidden_states, np.where(nothing, bias, bias + far), record)

    return block


def _feed_forward(layer: BertWeights, x: Hidden, record: Record) -> Hidden:
    intermediate_dense = record("intermediate_dense", linear(x, *layer.affine("intermediate.dense")))
    intermediate = record("intermediate", ACTIVATIONS[layer.config.hidden_act](intermediate_dense))
    return record("output_dense", linear(intermediate, *layer.affine("output.dense")))
