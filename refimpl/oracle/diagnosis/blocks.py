"""Encoder layers as faulty code has them; each takes what `bert.forward.encoder_layer` takes."""

import numpy as np

from refimpl.bert.forward import Block, Hidden, Note, encoder_layer, self_attention
from refimpl.bert.ops import ACTIVATIONS, Array, layer_norm, linear
from refimpl.bert.weights import BertWeights


def pre_norm(layer: BertWeights, hidden_states: Hidden, bias: Array, note: Note) -> Hidden:
    """Pre-norm: x = x + attention(norm(x)), x = x + feed_forward(norm(x)), as GPT-2 has it (Xiong et al. 2020)."""
    eps = layer.config.layer_norm_eps
    normed = layer_norm(hidden_states, *layer.affine("attention.output.LayerNorm"), eps=eps)
    context = self_attention(layer, normed, bias, note)
    attention_dense = note("attention_dense", linear(context, *layer.affine("attention.output.dense")))
    attention_output = note("attention_output", hidden_states + attention_dense)
    normed = layer_norm(attention_output, *layer.affine("output.LayerNorm"), eps=eps)
    return note("hidden_states", attention_output + _feed_forward(layer, normed, note))


def no_residual(layer: BertWeights, hidden_states: Hidden, bias: Array, note: Note) -> Hidden:
    """Post-norm without the sums: x = norm(attention(x)), x = norm(feed_forward(x))."""
    eps = layer.config.layer_norm_eps
    context = self_attention(layer, hidden_states, bias, note)
    attention_dense = note("attention_dense", linear(context, *layer.affine("attention.output.dense")))
    normed = layer_norm(attention_dense, *layer.affine("attention.output.LayerNorm"), eps=eps)
    output_dense = _feed_forward(layer, note("attention_output", normed), note)
    return note("hidden_states", layer_norm(output_dense, *layer.affine("output.LayerNorm"), eps=eps))


def causal(layer: BertWeights, hidden_states: Hidden, bias: Array, note: Note) -> Hidden:
    """Each token attends to itself and those before it, as a decoder does."""
    seq = hidden_states.shape[1]
    later = np.where(np.tri(seq, dtype=bool), 0.0, -np.inf).astype(hidden_states.dtype)
    return encoder_layer(layer, hidden_states, bias + later, note)


def _feed_forward(layer: BertWeights, x: Hidden, note: Note) -> Hidden:
    intermediate_dense = note("intermediate_dense", linear(x, *layer.affine("intermediate.dense")))
    intermediate = note("intermediate", ACTIVATIONS[layer.config.hidden_act](intermediate_dense))
    return note("output_dense", linear(intermediate, *layer.affine("output.dense")))


BLOCKS: dict[str, Block] = {
    "post-norm": encoder_layer,
    "pre-norm": pre_norm,
    "no residual": no_residual,
    "causal": causal,
}
