"""Attention of the packed forward: views of a tile's buffers, and softmax over them (`bert/packed.py`)."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from refimpl.bert.config import BertConfig
from refimpl.bert.packed_layer import Buffers
from refimpl.common.types import Array

MOST_SCORES = 1 << 17  # attention scores in memory at a time: of some heads, or of some queries of one head
LEAST_QUERIES = 64  # of a head at a time, however long the text
SAFE_SUMS = (1e-30, 1e30)  # of exponentials: beyond, some have left float32's range or its precision

Groups = list[tuple[slice, int]]


class AttentionPart(NamedTuple):
    """Some heads of some texts of one length: views, created once per tile, of buffers that every layer writes to."""

    keys: Float[Array, "texts heads 1 keys head_dim"]
    value: Float[Array, "texts heads 1 head_dim keys"]
    query: Float[Array, "texts heads group head_dim queries"]
    bias: Float[Array, "heads group keys queries"] | None
    context: Float[Array, "texts heads group head_dim queries"]


def equal_length_groups(lengths: Int[Array, "texts"]) -> Groups:
    """Runs of neighbouring texts of one length: their columns in the packed matrix, and that length."""
    changes = np.flatnonzero(np.diff(lengths)) + 1
    starts = np.concatenate([[0], changes, [len(lengths)]])
    columns = np.concatenate([[0], np.cumsum(lengths)])[starts]
    bounds = zip(columns[:-1].tolist(), columns[1:].tolist(), lengths[starts[:-1]].tolist(), strict=True)
    return [(slice(a, b), length) for a, b, length in bounds if b > a]


def attention_parts(
    buffers: Buffers,
    groups: Groups,
    config: BertConfig,
    window: int,
    position_bias: Float[Array, "heads longest longest"] | None,
) -> list[AttentionPart]:
    """Views of the buffers for texts of equal length, and of long texts for some heads and queries.

    Where the range of attention is limited, only the keys that some of the queries reach are part of it.
    """
    heads, shared, head_dim = config.num_attention_heads, config.key_value_heads, config.head_dim
    bounds = np.cumsum([heads, shared, shared]) * head_dim
    parts = []
    for columns, length in groups:
        query, key, value = (
            rows[:, columns].reshape(shared, -1, head_dim, rows[0, columns].size // length, length)
            for rows in np.split(buffers.qkv, bounds[:2])
        )
        context = buffers.context[:, columns].reshape(shared, -1, head_dim, query.shape[3], length)
        query, key, value, context = (array.transpose(3, 0, 1, 2, 4) for array in (query, key, value, context))
        bias = _bias_of_heads(position_bias, shared, heads, length)
        reach = window if window and window < length else 0
        for some, queries in heads_and_queries(len(query) * heads // shared, shared, length, reach):
            first = max(0, queries.start - reach) if reach else 0
            last = min(length, queries.stop + reach) if reach else length
            reached = slice(first, min(last, queries.stop) if config.causal else last)
            part = None if bias is None else bias[some, :, queries, reached].swapaxes(-1, -2)
            key_part = key[:, some, :, :, reached].swapaxes(-1, -2)
            of_queries = (query[:, some, :, :, queries], part, context[:, some, :, :, queries])
            parts.append(AttentionPart(key_part, value[:, some, :, :, reached], *of_queries))
    return parts


def _bias_of_heads(bias: Array | None, shared: int, heads: int, length: int) -> Array | None:
    """`(key heads, query heads of each, length, length)`, a view."""
    if bias is None:
        return None
    each = np.broadcast_to(bias[:, :length, :length], (heads, length, length))
    return np.lib.stride_tricks.as_strided(
        each,
        (shared, heads // shared, length, length),
        (each.strides[0] * (heads // shared), *each.strides),
        writeable=False,
    )


def attention(parts: list[AttentionPart]) -> None:
    """Each part's `context = softmax(Q K^T + position_bias) V`; the query's weights include the scale."""
    for keys, value, query, bias, context in parts:
        exponentials, sums = exponentials_and_sums(keys, query, bias)
        np.divide(value @ exponentials, sums, out=context)


def heads_and_queries(texts: int, heads: int, length: int, reach: int = 0) -> Iterator[tuple[slice, slice]]:
    """Slices of heads and queries of `texts` texts, each of about `MOST_SCORES` scores.

    With a largest distance `reach`, at most as many queries as that, so that they share most of their keys.
    """
    queries = min(length, max(LEAST_QUERIES, MOST_SCORES // (texts * length)))
    if reach:
        queries = min(queries, max(LEAST_QUERIES, reach))
    some = max(1, MOST_SCORES // (texts * length * queries))
    for head in range(0, heads, some):
        for query in range(0, length, queries):
            yield slice(head, head + some), slice(query, min(length, query + queries))


def exponentials_and_sums(keys: Array, query: Array, bias: Array | None) -> tuple[Array, Array]:
    """softmax(keys @ query + bias) in two parts, `(..., keys, queries)` and its divisor `(..., 1, queries)`.

    The scores' maximum is subtracted only where the sums lie outside `SAFE_SUMS`.
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
