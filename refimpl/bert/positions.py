"""Positions in attention, all by the distance of key and query: tables, ALiBi, windows, causality, rotation.

A bias is a number per distance and head, added to the attention scores; -inf excludes the key. The rotary embedding
(Su et al. 2021) rotates queries and keys by angles in proportion to their positions, so that their product depends on
the distance alone.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int

from refimpl.bert.architectures import POSITION_BUCKETS, RELATIVE_TABLE
from refimpl.bert.config import BertConfig
from refimpl.common.types import Array

NEAR = 8  # smaller distances have a bucket each


def position_bias(
    weights: Mapping[str, Array], config: BertConfig, window: int, seq: int
) -> Float[Array, "heads seq seq"] | None:
    """Sum of the model's position biases by query and key; None where it has none.

    `window` is the largest distance that attends, 0 for no limit. The leading axis is 1 where all heads agree. The
    result is a view of `2 seq - 1` numbers per head: the bias is constant along a diagonal.
    """
    distances = np.arange(1 - seq, seq)  # of the key from the query
    by_distance = np.zeros((1, len(distances)), dtype=np.float64)
    if RELATIVE_TABLE in weights:
        by_distance = by_distance + weights[RELATIVE_TABLE][position_buckets(distances)].T
    if config.alibi:
        by_distance = by_distance - alibi_slopes(config.num_attention_heads)[:, None] * np.abs(distances)
    if window:
        by_distance = np.where(np.abs(distances) <= window, by_distance, -np.inf)
    if config.causal:
        by_distance = np.where(distances <= 0, by_distance, -np.inf)
    if not by_distance.any():
        return None
    windows = np.lib.stride_tricks.sliding_window_view(by_distance.astype(_dtype(weights)), seq, axis=-1)
    return windows[:, ::-1]


def _dtype(weights: Mapping[str, Array]) -> np.dtype:
    return weights["embeddings.word_embeddings.weight"].dtype


def position_buckets(distances: Int[Array, "distances"]) -> Int[Array, "distances"]:
    """T5's bucket of each key position less query position (Raffel et al. 2020, section 2.1), 32 in all.

    16 for each direction: one for each distance below 8, then two for each doubling, all from 91 on in the last.
    floor(8 + 8 log(d / 8) / log(16)) is computed in integers, 2 log2(d / 8) being log2(d^2 / 64).
    """
    away = np.abs(distances)
    doublings = np.frexp(np.maximum(away * away // (NEAR * NEAR), 1))[1] - 1
    bucket = np.where(away < NEAR, away, np.minimum(NEAR + doublings, POSITION_BUCKETS // 2 - 1))
    return bucket + np.where(distances > 0, POSITION_BUCKETS // 2, 0)


def alibi_slopes(heads: int) -> Float[Array, "heads"]:
    """ALiBi's slope per head (Press et al. 2022, section 3): 2^(-8 i / n) for a power of two n, i from 1.

    For other numbers of heads those of the next lower power, then every second one of the next higher.
    """
    lower = 1 << (heads.bit_length() - 1)
    slopes = [2.0 ** (-8.0 * (i + 1) / lower) for i in range(lower)]
    slopes += [2.0 ** (-4.0 * (2 * i + 1) / lower) for i in range(heads - lower)]
    return np.array(slopes)


def rotary_angles(config: BertConfig, layer: int, positions: Int[Array, "*tokens"]) -> Float[Array, "*tokens half"]:
    """The angle of each position and pair of features: position * theta^(-2 i / head_dim) (Su et al. 2021, eq. 15)."""
    exponents = np.arange(0, config.head_dim, 2) / config.head_dim
    inverse_frequencies = config.rope_thetas[layer] ** -exponents / config.rope_divisor
    return positions[..., None] * inverse_frequencies


def rotate(x: Float[Array, "*rows head_dim"], angles: Float[Array, "*angles half"]) -> Float[Array, "*rows head_dim"]:
    """Rotate feature i with feature i + head_dim / 2 by their angle (Su et al. 2021, eq. 34), paired as in GPT-NeoX."""
    cos, sin = np.cos(angles).astype(x.dtype), np.sin(angles).astype(x.dtype)
    first, second = np.split(x, 2, axis=-1)
    return np.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)
