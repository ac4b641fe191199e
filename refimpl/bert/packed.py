"""The textbook forward's arithmetic arranged for throughput, in float32: same result within 1e-6 on unit vectors.

Where and why it departs from `bert/forward.py`, each trick once:

- No padding. The tokens of many texts lie in one matrix `(tokens, hidden)`; only attention needs to know where a text
  ends, and takes texts of one length together.
- Tiles. A few hundred tokens, always whole texts (`bert/encoder.py`), walk through all layers before the next tile
  starts, so that a tile's intermediates stay in the processor's second-level cache.
- Fewer products. Query, key and value are one matrix product; 1 / sqrt(head_dim) is folded into the query's weights,
  and GELU's factor 1/2 into the weights that follow it (a power of two, so exact). softmax divides after the value
  product, where there are head_dim columns to divide and not seq.
- erf by `tanh(x P(x^2))`, numpy's tanh being vectorised where scipy's erf is not: about ten times as fast, and at most
  1.5e-7 from erf anywhere (`tests/bert/test_packed.py` measures it).
- Element-wise work in blocks of `BLOCK_ROWS` rows, in place, so that a block is read from memory once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt

import numpy as np
from jaxtyping import Float, Int

from refimpl.bert.architectures import project, relative_position_bias
from refimpl.bert.ops import ACTIVATIONS, Array
from refimpl.bert.weights import BertWeights
from refimpl.tokens import Tokens

BLOCK_ROWS = 48
MOST_SCORES = 1 << 22  # 16 MB: beyond, attention takes some queries of a text at a time

Packed = Float[Array, "tokens hidden"]

ERF_OVER_SQRT2 = np.array(
    [7.978849415e-1, 3.633308458e-2, -3.259498079e-5, -5.530619118e-5, 3.964743931e-6, -1.322633007e-7, 1.756169668e-9],
    dtype=np.float32,
)
"""P of erf(x / sqrt(2)) = tanh(x P(x^2)), lowest power first; minimax on [0, 5.5] (data/regenerate/fit_erf.py)."""


@dataclass(frozen=True)
class PackedLayer:
    """One encoder layer's weights as the packed forward multiplies them; `(out, in)` as published."""

    qkv: tuple[Array, Array]
    attention_dense: tuple[Array, Array]
    attention_norm: tuple[Array, Array]
    intermediate: tuple[Array, Array]
    output: tuple[Array, Array]
    output_norm: tuple[Array, Array]


class PackedForward:
    """The last hidden states of a tile; it shares the arrays of `weights`, less those with a scale folded in."""

    def __init__(self, weights: BertWeights) -> None:
        if weights.dtype != np.float32:
            raise ValueError(
                f"the packed forward computes in float32, got {weights.dtype}: use bert.forward for float64"
            )
        self.weights = weights
        config = weights.config
        stored = {name: _pack_layer(weights.stored_layer(name)) for name in config.stored_layers}
        self.layers = [stored[config.stored_layer(i)] for i in range(config.num_hidden_layers)]
        self.position_bias = relative_position_bias(weights, config.longest_text)

    def __call__(self, tile: Tokens) -> Packed:
        """Last hidden states of a tile's tokens, text after text."""
        config = self.weights.config
        hidden_states = self._embed(tile)
        groups = equal_length_groups(tile.lengths)
        intermediate = np.empty((len(hidden_states), config.intermediate_size), dtype=np.float32)
        for layer in self.layers:
            qkv = hidden_states @ layer.qkv[0].T
            qkv += layer.qkv[1]
            context = attention(qkv, groups, config.num_attention_heads, self.position_bias)
            dense = context @ layer.attention_dense[0].T
            add_and_norm(hidden_states, dense, layer.attention_dense[1], layer.attention_norm, config.layer_norm_eps)
            np.matmul(hidden_states, layer.intermediate[0].T, out=intermediate)
            activate(intermediate, layer.intermediate[1], config.hidden_act)
            dense = intermediate @ layer.output[0].T
            add_and_norm(hidden_states, dense, layer.output[1], layer.output_norm, config.layer_norm_eps)
        return hidden_states

    def _embed(self, tile: Tokens) -> Packed:
        weights = self.weights
        position_ids = np.arange(len(tile.input_ids)) - np.repeat(tile.starts, tile.lengths)
        position_ids += weights.config.first_position
        summed: Array = weights["embeddings.word_embeddings.weight"][tile.input_ids]
        summed += weights["embeddings.token_type_embeddings.weight"][tile.token_type_ids]
        positions = weights["embeddings.position_embeddings.weight"][position_ids]
        no_bias = np.zeros(summed.shape[1], dtype=np.float32)
        norm = weights.affine("embeddings.LayerNorm")
        add_and_norm(summed, positions, no_bias, norm, weights.config.layer_norm_eps)
        return project(weights, summed)


def equal_length_groups(lengths: Int[Array, "texts"]) -> list[tuple[slice, int]]:
    """Runs of neighbouring texts of one length: their rows in the packed matrix, and that length."""
    changes = np.flatnonzero(np.diff(lengths)) + 1
    starts = np.concatenate([[0], changes, [len(lengths)]])
    rows = np.concatenate([[0], np.cumsum(lengths)])[starts]
    return [(slice(a, b), int(lengths[s])) for a, b, s in zip(rows[:-1], rows[1:], starts[:-1], strict=True) if b > a]


def attention(
    qkv: Float[Array, "tokens hidden_times_3"],
    groups: list[tuple[slice, int]],
    heads: int,
    position_bias: Float[Array, "heads longest longest"] | None = None,
) -> Float[Array, "tokens hidden"]:
    """Each head's softmax(Q K^T + position_bias) V, for texts of one length at a time.

    The query's weights hold the scale already. Of long texts some queries at a time: `MOST_SCORES` scores exist.
    """
    hidden = qkv.shape[1] // 3
    context = np.empty((len(qkv), hidden), dtype=np.float32)
    for rows, length in groups:
        by_head = qkv[rows].reshape(-1, length, 3, heads, hidden // heads).transpose(2, 0, 3, 1, 4)
        query, key, value = by_head
        weighted = np.empty(query.shape, dtype=np.float32)
        step = max(1, MOST_SCORES // (len(query) * heads * length))
        for some in (slice(start, start + step) for start in range(0, length, step)):
            scores = query[:, :, some] @ key.swapaxes(-1, -2)
            if position_bias is not None:
                scores += position_bias[:, :length, :length][:, some]
            scores -= scores.max(axis=-1, keepdims=True)
            np.exp(scores, out=scores)
            np.matmul(scores, value, out=weighted[:, :, some])
            weighted[:, :, some] /= scores.sum(axis=-1, keepdims=True)
        context[rows] = weighted.transpose(0, 2, 1, 3).reshape(-1, hidden)
    return context


def add_and_norm(x: Packed, residual: Packed, bias: Array, norm: tuple[Array, Array], eps: float) -> None:
    """`x = layer_norm(x + residual + bias)`, in place, block by block."""
    weight, shift = norm
    for rows in blocks(len(x)):
        block = x[rows]
        block += residual[rows]
        block += bias
        block -= block.mean(axis=1, keepdims=True)
        variance = np.einsum("tf,tf->t", block, block)[:, None] / np.float32(block.shape[1])
        block *= 1.0 / np.sqrt(variance + np.float32(eps))
        block *= weight
        block += shift


def activate(x: Float[Array, "tokens wide"], bias: Array, hidden_act: str) -> None:
    """`x = 2 activation(x + bias)`, in place; the weights that follow are halved. GELU takes the quick way."""
    activation = _twice_gelu if hidden_act == "gelu" else lambda block: 2.0 * ACTIVATIONS[hidden_act](block)
    for rows in blocks(len(x)):
        block = x[rows]
        block += bias
        block[...] = activation(block)


def erf_over_sqrt2(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """erf(x / sqrt(2)) in float32, within 1.5e-7 everywhere."""
    square = x * x
    p = square * ERF_OVER_SQRT2[-1]
    for coefficient in ERF_OVER_SQRT2[-2:0:-1]:
        p += coefficient
        p *= square
    p += ERF_OVER_SQRT2[0]
    p *= x
    return np.tanh(p, out=p)


def _twice_gelu(x: Array) -> Array:
    twice = erf_over_sqrt2(x)
    twice += 1.0
    twice *= x
    return twice


def blocks(rows: int) -> Iterator[slice]:
    """Slices of `BLOCK_ROWS` rows."""
    return (slice(start, start + BLOCK_ROWS) for start in range(0, rows, BLOCK_ROWS))


def _pack_layer(layer: BertWeights) -> PackedLayer:
    head_dim = layer.config.hidden_size // layer.config.num_attention_heads
    scale = np.float32(1.0 / sqrt(head_dim))
    query, key, value = (layer.affine(f"attention.self.{name}") for name in ("query", "key", "value"))
    half_output, output_bias = layer.affine("output.dense")
    return PackedLayer(
        qkv=(
            np.concatenate([query[0] * scale, key[0], value[0]]),
            np.concatenate([query[1] * scale, key[1], value[1]]),
        ),
        attention_dense=layer.affine("attention.output.dense"),
        attention_norm=layer.affine("attention.output.LayerNorm"),
        intermediate=layer.affine("intermediate.dense"),
        output=(half_output * np.float32(0.5), output_bias),
        output_norm=layer.affine("output.LayerNorm"),
    )
