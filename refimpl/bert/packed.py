"""The textbook forward's arithmetic arranged for throughput, in float32: same result within 1e-6 on unit vectors.

Where and why it departs from `bert/forward.py`, each trick once (`docs/performance.md` has what each gains):

- No padding. The tokens of many texts lie in one matrix; only attention needs to know where a text ends, and takes
  texts of one length together.
- Tokens are columns. Products stand as `W @ x`, with W as published: BLAS is quicker so than with `x @ W^T`. A norm's
  mean, down the columns, adds whole rows of tokens; a softmax over keys handles whole rows of queries.
- A few tokens, as in a query, stand one column after the other in memory, where else rows do, and meet some rows of W
  at a time: on processors with AVX-512 OpenBLAS then reads W where it lies, and does not copy it.
- Tiles. A few hundred tokens, always whole texts (`bert/encoder.py`), walk through all layers before the next tile
  starts, so that a tile's intermediates stay in the processor's second-level cache.
- Fewer passes. Query, key and value are one matrix product; 1 / sqrt(head_dim) is folded into the query's weights. A
  key's bias adds the same to every score of a query, which softmax does not see; a value's bias comes out of softmax
  whole, so the next bias takes it up. softmax divides after the value product, where there are head_dim rows, not seq.
- softmax without its maximum: that only keeps exp within float32's range, so it is taken off where the sums show that
  the range was left, and nowhere else.
- GELU as `x / (1 + exp(x Q(x^2)))`, numpy's exp being vectorised where scipy's erf is not: several times as fast, and
  the normal distribution that it stands for is nowhere 2e-7 off (`tests/bert/test_packed.py` measures it).
- Element-wise work in place, on blocks that stay in the cache from the first pass to the last.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import gcd, sqrt
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from threadpoolctl import threadpool_info

from refimpl.bert.architectures import project, relative_position_bias
from refimpl.bert.ops import ACTIVATIONS, Array, layer_norm
from refimpl.bert.weights import BertWeights
from refimpl.tokens import Tokens

BLOCK = 1 << 16  # numbers that element-wise work takes at a time
MOST_SCORES = 1 << 17  # attention scores that exist at a time: of some heads, or of some queries of one
LEAST_QUERIES = 64  # of a head at a time, however long the text
FEW_TOKENS = 20  # up to here small products are quicker, where OpenBLAS has kernels that make no copy:
WITHOUT_COPY = frozenset({"SkylakeX", "Cooperlake", "SapphireRapids"})  # its names of them, all for AVX-512
SOME_ROWS = 48  # of a weight that a small product takes at most
MOST_DIRECT = 1_000_000  # multiplications that it makes at most
SAFE_SUMS = (1e-30, 1e30)  # of exponentials: beyond, some have left float32's range or its precision

Packed = Float[Array, "tokens hidden"]
Weight = Float[Array, "out in"]
Columns = Float[Array, "hidden tokens"]
Column = Float[Array, "hidden 1"]
Groups = list[tuple[slice, int]]

ERF_OVER_SQRT2 = [7.978849415e-1, 3.633308458e-2, -3.259498079e-5, -5.530619118e-5, 3.964743931e-6]
ERF_OVER_SQRT2 += [-1.322633007e-7, 1.756169668e-9]
"""P of erf(x / sqrt(2)) = tanh(x P(x^2)), lowest power first; minimax on [0, 5.5] (data/regenerate/fit_erf.py)."""
Q = [np.float32(-2.0 * coefficient) for coefficient in ERF_OVER_SQRT2]  # (1 + tanh(z)) / 2 = 1 / (1 + exp(-2 z))


@dataclass(frozen=True)
class PackedLayer:
    """One encoder layer's weights as the packed forward takes them: `(out, in)`, biases shaped like their products."""

    qkv: Array
    query_bias: Array
    attention_dense: tuple[Array, Array]
    attention_norm: tuple[Array, Array]
    intermediate: tuple[Array, Array]
    output: tuple[Array, Array]
    output_norm: tuple[Array, Array]


class AttentionPart(NamedTuple):
    """Some heads of some texts of one length: views, made once a tile, of what every layer writes to the same room."""

    keys: Float[Array, "texts heads length head_dim"]
    value: Float[Array, "texts heads head_dim length"]
    query: Float[Array, "texts heads head_dim asking"]
    bias: Float[Array, "heads length asking"] | None
    context: Float[Array, "texts heads head_dim asking"]


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
        embedded = self._embed(tile)
        order: Literal["C", "F"] = "C" if len(embedded) > few_tokens() else "F"
        x = np.asarray(embedded.T, order=order)
        groups = equal_length_groups(tile.lengths)
        hidden, tokens = x.shape
        qkv, context, dense, intermediate = (
            np.empty((features, tokens), dtype=np.float32, order=order)
            for features in (3 * hidden, hidden, hidden, config.intermediate_size)
        )
        parts = attention_parts(qkv, groups, config.num_attention_heads, self.position_bias, out=context)
        for layer in self.layers:
            product(layer.qkv, x, out=qkv)
            qkv[:hidden] += layer.query_bias
            attention(parts)
            product(layer.attention_dense[0], context, out=dense)
            add_and_norm(x, dense, layer.attention_dense[1], layer.attention_norm, config.layer_norm_eps)
            product(layer.intermediate[0], x, out=intermediate)
            activate(intermediate, layer.intermediate[1], config.hidden_act)
            product(layer.output[0], intermediate, out=dense)
            add_and_norm(x, dense, layer.output[1], layer.output_norm, config.layer_norm_eps)
        return np.ascontiguousarray(x.T)

    def _embed(self, tile: Tokens) -> Packed:
        weights = self.weights
        position_ids = np.arange(len(tile.input_ids)) - np.repeat(tile.starts, tile.lengths)
        position_ids += weights.config.first_position
        summed: Array = weights["embeddings.word_embeddings.weight"][tile.input_ids]
        summed += weights["embeddings.token_type_embeddings.weight"][tile.token_type_ids]
        summed += weights["embeddings.position_embeddings.weight"][position_ids]
        norm = weights.affine("embeddings.LayerNorm")
        return project(weights, layer_norm(summed, *norm, eps=weights.config.layer_norm_eps))


@cache
def few_tokens() -> int:
    """Up to how many tokens BLAS multiplies without copying the weights, by the kernels that it chose."""
    kernels = {library.get("architecture") for library in threadpool_info()}
    return 0 if WITHOUT_COPY.isdisjoint(kernels) else FEW_TOKENS


def product(weight: Weight, x: Float[Array, "in tokens"], out: Float[Array, "out tokens"]) -> None:
    """`out = weight @ x`; where columns are contiguous, in products so small that OpenBLAS makes no copy."""
    if not out.flags.f_contiguous:
        np.matmul(weight, x, out=out)
        return
    rows = gcd(len(weight), SOME_ROWS)
    while rows * x.size > MOST_DIRECT and rows % 2 == 0:
        rows //= 2
    blocks = out.T.reshape(out.shape[1], -1, rows).transpose(1, 2, 0)
    np.matmul(weight.reshape(-1, rows, len(x)), x, out=blocks)


def equal_length_groups(lengths: Int[Array, "texts"]) -> Groups:
    """Runs of neighbouring texts of one length: their columns in the packed matrix, and that length."""
    changes = np.flatnonzero(np.diff(lengths)) + 1
    starts = np.concatenate([[0], changes, [len(lengths)]])
    columns = np.concatenate([[0], np.cumsum(lengths)])[starts]
    bounds = zip(columns[:-1].tolist(), columns[1:].tolist(), lengths[starts[:-1]].tolist(), strict=True)
    return [(slice(a, b), length) for a, b, length in bounds if b > a]


def attention_parts(
    qkv: Float[Array, "hidden_times_3 tokens"],
    groups: Groups,
    heads: int,
    position_bias: Float[Array, "heads longest longest"] | None,
    out: Columns,
) -> list[AttentionPart]:
    """Views of `qkv` and `out` for texts of one length at a time, and of long ones for some heads and queries."""
    head_dim = len(out) // heads
    parts = []
    for columns, length in groups:
        query, key, value = qkv[:, columns].reshape(3, heads, head_dim, -1, length).transpose(0, 3, 1, 2, 4)
        context = out[:, columns].reshape(heads, head_dim, -1, length).transpose(2, 0, 1, 3)
        keys = key.swapaxes(-1, -2)
        for some, asking in heads_and_queries(len(query), heads, length):
            bias = None if position_bias is None else position_bias[some, asking, :length].swapaxes(-1, -2)
            asked = (query[:, some, :, asking], bias, context[:, some, :, asking])
            parts.append(AttentionPart(keys[:, some], value[:, some], *asked))
    return parts


def attention(parts: list[AttentionPart]) -> None:
    """Each part's `context = softmax(Q K^T + position_bias) V`; the query's weights hold the scale already."""
    for keys, value, query, bias, context in parts:
        exponentials, sums = exponentials_and_sums(keys, query, bias)
        np.divide(value @ exponentials, sums, out=context)


def heads_and_queries(texts: int, heads: int, length: int) -> Iterator[tuple[slice, slice]]:
    """Which heads and which queries of `texts` texts to take together, so that about `MOST_SCORES` scores exist."""
    queries = min(length, max(LEAST_QUERIES, MOST_SCORES // (texts * length)))
    some = max(1, MOST_SCORES // (texts * length * queries))
    for head in range(0, heads, some):
        for query in range(0, length, queries):
            yield slice(head, head + some), slice(query, query + queries)


def exponentials_and_sums(keys: Array, query: Array, bias: Array | None) -> tuple[Array, Array]:
    """softmax(keys @ query + bias) in two parts, `(..., keys, queries)` and its divisor `(..., 1, queries)`.

    The scores' maximum is taken off only where the sums are not safe without.
    """
    exponentials = _scores(keys, query, bias)
    with np.errstate(over="ignore"):
        np.exp(exponentials, out=exponentials)
    ones = np.ones((1, keys.shape[-2]), dtype=np.float32)
    sums = ones @ exponentials
    if not SAFE_SUMS[0] < sums.min() <= sums.max() < SAFE_SUMS[1]:
        exponentials = _scores(keys, query, bias)
        exponentials -= exponentials.max(axis=-2, keepdims=True)
        np.exp(exponentials, out=exponentials)
        sums = ones @ exponentials
    return exponentials, sums


def _scores(keys: Array, query: Array, bias: Array | None) -> Array:
    scores = keys @ query
    if bias is not None:
        scores += bias
    return scores


def add_and_norm(x: Columns, residual: Columns, bias: Column, norm: tuple[Column, Column], eps: float) -> None:
    """`x = layer_norm(x + residual + bias)`, in place; `residual` is used up."""
    weight, shift = norm
    x += residual
    x += bias
    x -= column_means(x)
    np.square(x, out=residual)
    x /= np.sqrt(column_means(residual) + np.float32(eps))
    x *= weight
    x += shift


def column_means(x: Columns) -> Float[Array, "tokens"]:
    """The mean of each column, which `np.add.reduce` sums in pairs only where columns are contiguous.

    Else it would add row after row, and round each time: here in two steps, fewer at a time.
    """
    parts = x if x.flags.f_contiguous else np.add.reduce(x.reshape(gcd(len(x), 16), -1, x.shape[1]), axis=0)
    summed: Array = np.add.reduce(parts, axis=0)
    return summed / np.float32(len(x))


def activate(x: Float[Array, "wide tokens"], bias: Column, hidden_act: str) -> None:
    """`x = activation(x + bias)`, in place. GELU takes the quick way."""
    activation = gelu if hidden_act == "gelu" else _in_place(ACTIVATIONS[hidden_act])
    rows = max(1, BLOCK // x.shape[1])
    scratch = [np.empty_like(x[:rows]) for _ in range(2)]
    with np.errstate(over="ignore"):  # exp of what is far below 0 is infinite, and x over it is 0
        for some in (slice(start, start + rows) for start in range(0, len(x), rows)):
            block = x[some]
            block += bias[some]
            activation(block, [each[: len(block)] for each in scratch])


def gelu(x: Array, scratch: Sequence[Array]) -> None:
    """`x = x Phi(x)`, in place; `scratch` is two arrays of room. Phi is within 2e-7 of the normal distribution's."""
    square, exponential = scratch
    np.square(x, out=square)
    np.multiply(square, Q[-1], out=exponential)
    for coefficient in Q[-2:0:-1]:
        exponential += coefficient
        exponential *= square
    exponential += Q[0]
    exponential *= x
    np.exp(exponential, out=exponential)
    exponential += 1.0
    x /= exponential


def _in_place(activation: Callable[[Array], Array]) -> Callable[[Array, Sequence[Array]], None]:
    def run(x: Array, scratch: Sequence[Array]) -> None:
        x[...] = activation(x)

    return run


def _pack_layer(layer: BertWeights) -> PackedLayer:
    head_dim = layer.config.hidden_size // layer.config.num_attention_heads
    scale = np.float32(1.0 / sqrt(head_dim))
    query, key, value = (layer.affine(f"attention.self.{name}") for name in ("query", "key", "value"))
    attention_dense, attention_bias = layer.affine("attention.output.dense")
    intermediate, intermediate_bias = layer.affine("intermediate.dense")
    value_bias = (attention_dense.astype(np.float64) @ value[1] + attention_bias).astype(np.float32)
    attention_norm, output_norm = (layer.affine(f"{name}.LayerNorm") for name in ("attention.output", "output"))
    output, output_bias = layer.affine("output.dense")
    return PackedLayer(
        qkv=np.concatenate([query[0] * scale, key[0], value[0]]),
        query_bias=_column(query[1] * scale),
        attention_dense=(attention_dense, _column(value_bias)),
        attention_norm=(_column(attention_norm[0]), _column(attention_norm[1])),
        intermediate=(intermediate, _column(intermediate_bias)),
        output=(output, _column(output_bias)),
        output_norm=(_column(output_norm[0]), _column(output_norm[1])),
    )


def _column(features: Array) -> Column:
    return features[:, None]
