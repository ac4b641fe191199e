"""The textbook forward's arithmetic arranged for throughput, in float32: same result within 1e-6 on unit vectors.

Deviations from `bert/forward.py` and their reasons (`docs/performance.md` lists what each gains):

- No padding. The tokens of many texts form one matrix; only attention depends on where a text ends, and processes
  texts of equal length together.
- Tokens are columns. Products are `W @ x`, with W as published, which BLAS computes faster than `x @ W^T`. A norm's
  mean over a column adds whole rows of tokens, at the end in float64; a softmax over keys processes rows of queries.
- A few tokens, as in a query, are stored column by column (Fortran order) and multiplied by some rows of W at a time:
  on processors with AVX-512 OpenBLAS then reads W in place, without a copy.
- Shorter sums. OpenBLAS's kernels for AVX-512 add up to 384 products into one register before they store it, twice as
  many as its other kernels, and each addition rounds. There a product is a sum of products over `RUN` features each:
  the error of MiniLM's vectors falls by a quarter, below torch's, for 3 % of the time.
- Tiles. A few hundred tokens, always whole texts (`bert/encoder.py`), pass all layers before the next tile
  starts, so that a tile's intermediates stay in the processor's second-level cache.
- Fewer passes. Query, key and value are one matrix product; 1 / sqrt(head_dim) is folded into the query's weights. A
  key's bias adds the same to every score of a query, and softmax is invariant to it; attention probabilities sum to 1,
  so a value's bias is added to the next bias. softmax divides after the value product, on head_dim rows, not seq.
- softmax without subtracting the maximum, which only keeps exp within float32's range: it is subtracted where the
  sums show that the range was exceeded.
- GELU as `x / (1 + exp(x Q(x^2)))`, numpy's exp being vectorised where scipy's erf is not: several times as fast;
  its normal distribution is within 2e-7 of the exact one everywhere (`tests/bert/test_packed.py` measures it).
- Attention over a window, or causal, multiplies some queries at a time with the keys that one of them reaches.
- Rotary angles and their cosines are computed in float64, once per tile, and rounded to float32.
- Element-wise work in place, on blocks that stay in the cache from the first pass to the last.
"""

from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from refimpl.bert.architectures.record import EMBEDDED, FINAL
from refimpl.bert.blocks import norm, project
from refimpl.bert.packed_attention import AttentionPart, attention, attention_parts, equal_length_groups
from refimpl.bert.packed_layer import Buffers, Columns, PackedLayer, pack_layer, pack_norm
from refimpl.bert.packed_ops import (
    Rotation,
    activate,
    add_and_norm,
    few_tokens,
    normalize,
    normed,
    product,
    rotate_columns,
    rotation,
)
from refimpl.bert.positions import position_bias
from refimpl.bert.weights import BertWeights
from refimpl.common.types import Array
from refimpl.tokens import Tokens

Packed = Float[Array, "tokens hidden"]


class PackedForward:
    """The last hidden states of a tile; shares the arrays of `weights`, except those with a scale folded in."""

    def __init__(self, weights: BertWeights) -> None:
        if weights.dtype != np.float32:
            raise ValueError(
                f"the packed forward computes in float32, got {weights.dtype}: use bert.forward for float64"
            )
        self.weights = weights
        config = weights.config
        stored: dict[str, PackedLayer] = {}
        for i in range(config.num_hidden_layers):
            if (name := config.stored_layer(i)) not in stored:
                stored[name] = pack_layer(weights.layer(i))
        self.layers = [stored[config.stored_layer(i)] for i in range(config.num_hidden_layers)]
        self.final_norm = pack_norm(weights, FINAL)

    def __call__(self, tile: Tokens) -> Packed:
        """Last hidden states of a tile's tokens, text after text."""
        config = self.weights.config
        embedded = self._embed(tile)
        order: Literal["C", "F"] = "C" if len(embedded) > few_tokens() else "F"
        x = np.asarray(embedded.T, order=order)
        buffers = Buffers.empty(config, len(embedded), order)
        parts = self._attention_parts(buffers, tile.lengths)
        positions = np.arange(len(embedded)) - np.repeat(tile.starts, tile.lengths)
        rotations = {theta: rotation(config, i, positions) for i, theta in enumerate(config.rope_thetas)}
        for i, layer in enumerate(self.layers):
            rotated = rotations[config.rope_thetas[i]] if config.rope_thetas else None
            self._project_heads(layer, normed(x, layer.pre_attention, buffers.normed), buffers, rotated)
            attention(parts[config.window(i)])
            product(layer.attention_dense[0], buffers.context, out=buffers.dense)
            add_and_norm(x, buffers.dense, layer.attention_dense[1], layer.post_attention, layer.after_attention)
            self._feed_forward(layer, normed(x, layer.pre_feed_forward, buffers.normed), buffers)
            add_and_norm(x, buffers.dense, layer.output[1], layer.post_feed_forward, layer.after_feed_forward)
        return np.ascontiguousarray(normed(x, self.final_norm, buffers.normed).T)

    def _embed(self, tile: Tokens) -> Packed:
        weights, config = self.weights, self.weights.config
        summed: Array = weights["embeddings.word_embeddings.weight"][tile.input_ids]
        if config.embedding_scale != 1.0:
            summed *= np.float32(config.embedding_scale)
        if config.has_segments:
            summed += weights["embeddings.token_type_embeddings.weight"][tile.token_type_ids]
        if config.has_positions:
            position_ids = np.arange(len(tile.input_ids)) - np.repeat(tile.starts, tile.lengths)
            summed += weights["embeddings.position_embeddings.weight"][position_ids + config.first_position]
        return project(weights, norm(weights, EMBEDDED, summed))

    def _attention_parts(self, buffers: Buffers, lengths: Int[Array, "texts"]) -> dict[int, list[AttentionPart]]:
        """The parts of attention by window (`config.window`)."""
        config, longest = self.weights.config, int(lengths.max(initial=1))
        windows = {config.window(i) for i in range(config.num_hidden_layers)}
        groups = equal_length_groups(lengths)
        return {
            window: attention_parts(
                buffers, groups, config, window, position_bias(self.weights, config, window, longest)
            )
            for window in windows
        }

    def _project_heads(self, layer: PackedLayer, x: Columns, buffers: Buffers, rotated: Rotation | None) -> None:
        """Queries, keys and values, with biases, head norms and rotation."""
        qkv, config = buffers.qkv, self.weights.config
        product(layer.qkv, x, out=qkv)
        if layer.qkv_bias is not None:
            qkv[: len(layer.qkv_bias)] += layer.qkv_bias
        queries = config.num_attention_heads * config.head_dim
        keys = queries + config.key_value_heads * config.head_dim
        for rows, head_norm in ((slice(0, queries), layer.query_norm), (slice(queries, keys), layer.key_norm)):
            if head_norm is not None:
                heads = qkv[rows].reshape(-1, config.head_dim, qkv.shape[1])
                for head in heads:
                    normalize(head, head_norm, np.empty_like(head))
        if rotated is not None:
            rotate_columns(qkv[:keys], config.head_dim, rotated)

    def _feed_forward(self, layer: PackedLayer, x: Columns, buffers: Buffers) -> None:
        """`buffers.dense` = W2 act(W1 x), or W2 (act(Wg x) * W1 x), without the last bias."""
        act = self.weights.config.hidden_act
        product(layer.intermediate[0], x, out=buffers.intermediate)
        if layer.gate is None or buffers.gate is None:
            activate(buffers.intermediate, layer.intermediate[1], act)
        else:
            product(layer.gate[0], x, out=buffers.gate)
            activate(buffers.gate, layer.gate[1], act)
            if layer.intermediate[1] is not None:
                np.add(buffers.intermediate, layer.intermediate[1], out=buffers.intermediate)
            np.multiply(buffers.intermediate, buffers.gate, out=buffers.intermediate)
        product(layer.output[0], buffers.intermediate, out=buffers.dense)
