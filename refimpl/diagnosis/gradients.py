"""The gradient of a function of the last hidden states by the word embeddings, for one text of the paper's BERT.

Reverse-mode differentiation, layer by layer (Rumelhart et al. 1986), of `refimpl.bert.forward`.
"""

from collections.abc import Callable, Mapping

import numpy as np

from refimpl.bert.forward import forward
from refimpl.bert.ops import ACTIVATIONS, merge_heads, split_heads
from refimpl.bert.weights import BertWeights
from refimpl.common.types import Array

STEP = 1e-3  # of the central difference that differentiates an activation


def word_gradient(weights: BertWeights, input_ids: Array, of_states: Callable[[Array], Array]) -> tuple[Array, Array]:
    """The last hidden states `(seq, hidden)` of `input_ids` `(seq,)`, and a gradient `(seq, hidden)`.

    `of_states` takes the last hidden states and returns the gradient by them, of the same shape. The result is the
    gradient by each position's word embedding. Every token is attended to, with token type 0.
    """
    ids = np.asarray(input_ids)[None]
    result = forward(weights, ids, np.ones_like(ids), np.zeros_like(ids), trace=True)
    gradient = of_states(result.last_hidden_state[0])[None]
    for number in reversed(range(weights.config.num_hidden_layers)):
        before = f"layer.{number - 1}." if number else "embeddings."
        kept = {name.removeprefix(f"layer.{number}."): value for name, value in result.trace.items()}
        gradient = _through_layer(weights.layer(number), result.trace[f"{before}hidden_states"], kept, gradient)
    gradient = _through_norm(weights, "embeddings.LayerNorm", result.trace["embeddings.sum"], gradient)
    return result.last_hidden_state[0], gradient[0]


def _through_layer(layer: BertWeights, x: Array, kept: Mapping[str, Array], gradient: Array) -> Array:
    """The gradient by the layer's input `x` `(1, seq, hidden)`, from that by its output."""
    attended = kept["attention_output"]
    gradient = _through_norm(layer, "output.LayerNorm", attended + kept["output_dense"], gradient)
    wide = (gradient @ layer["output.dense.weight"]) * _slope(layer.config.hidden_act, kept["intermediate_dense"])
    gradient = gradient + wide @ layer["intermediate.dense.weight"]
    gradient = _through_norm(layer, "attention.output.LayerNorm", x + kept["attention_dense"], gradient)
    return gradient + _through_attention(layer, kept, gradient @ layer["attention.output.dense.weight"])


def _through_attention(layer: BertWeights, kept: Mapping[str, Array], gradient: Array) -> Array:
    """The gradient by the input of self-attention, from that by its context `(1, seq, hidden)`."""
    query, key, value, probs = (kept[name] for name in ("query", "key", "value", "attention_probs"))
    context = split_heads(gradient, layer.config.num_attention_heads)
    by_probs = context @ value.swapaxes(-1, -2)
    scores = probs * (by_probs - np.sum(by_probs * probs, axis=-1, keepdims=True)) / np.sqrt(query.shape[-1])
    heads = {"query": scores @ key, "key": scores.swapaxes(-1, -2) @ query, "value": probs.swapaxes(-1, -2) @ context}
    every = [merge_heads(each) @ layer[f"attention.self.{name}.weight"] for name, each in heads.items()]
    return np.asarray(sum(every[1:], every[0]))


def _through_norm(weights: BertWeights, name: str, x: Array, gradient: Array) -> Array:
    """The gradient by the input `x` of a layer normalisation, from that by its output."""
    centred = x - x.mean(axis=-1, keepdims=True)
    deviation = np.sqrt(np.mean(centred * centred, axis=-1, keepdims=True) + weights.config.layer_norm_eps)
    unit, gradient = centred / deviation, gradient * weights[f"{name}.weight"]
    along = unit * np.mean(gradient * unit, axis=-1, keepdims=True)
    return np.asarray((gradient - gradient.mean(axis=-1, keepdims=True) - along) / deviation)


def _slope(activation: str, x: Array) -> Array:
    function, x = ACTIVATIONS[activation], x.astype(np.float64)
    return (function(x + STEP) - function(x - STEP)) / (2 * STEP)
