"""From hidden states to a sentence vector, with each known deviation, and the hypotheses about them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from math import log10

import numpy as np

from refimpl.bert import heads
from refimpl.bert.heads import cls_pool, l2_normalize, max_pool, mean_pool
from refimpl.bert.weights import BertWeights
from refimpl.common.types import Array
from refimpl.diagnosis import tensors
from refimpl.diagnosis.encoder import EncoderVariant, States, identity
from refimpl.diagnosis.encoder_hypotheses import padded
from refimpl.diagnosis.hypotheses import Hypothesis, NotApplicable, change

Pool = Callable[[Array, Array, BertWeights], Array]
"""Takes hidden states `(texts, seq, hidden)`, the mask `(texts, seq)` and the weights; returns `(texts, hidden)`."""


def without_weights(pool: Callable[[Array, Array], Array]) -> Pool:
    """A pooling that has no weights, with the signature of one that has."""
    return lambda states, mask, weights: pool(states, mask)


def pooler(states: Array, mask: Array, weights: BertWeights) -> Array:
    """BERT's pooler; NotApplicable without its weights."""
    if "pooler.dense.weight" not in weights:
        raise NotApplicable("the weights have no pooler")
    return heads.pooler(weights, states)


MEAN = without_weights(mean_pool)


@dataclass(frozen=True)
class EmbeddingVariant(EncoderVariant):
    """Everything that determines a sentence vector; the defaults are the reference."""

    pool: Pool = MEAN
    pooling_masked: bool = True
    normalize: Callable[[Array], Array] = l2_normalize
    store: Callable[[Array], Array] = identity


def pooled(variant: EmbeddingVariant, weights: BertWeights, states: States) -> Array:
    """The vectors `(texts, hidden)`; NotApplicable without the weights for them."""
    return variant.store(scaled(variant, weights, states.hidden_states, states.mask))


def scaled(variant: EmbeddingVariant, weights: BertWeights, hidden_states: Array, mask: Array) -> Array:
    """The vectors `(texts, hidden)` before they are stored, of states `(texts, seq, hidden)`."""
    mask = mask if variant.pooling_masked else np.ones_like(mask)
    mask = mask | (~mask.any(axis=1, keepdims=True) & (np.arange(mask.shape[1]) == 0))
    return variant.normalize(variant.pool(hidden_states, mask, weights))


def words_only(mask: Array) -> Array:
    """The mask `(texts, seq)` without the first and the last token; of a text that has no others, unchanged."""
    position, last = np.arange(mask.shape[1]), mask.sum(axis=1, keepdims=True) - 1
    words = mask & (position > 0) & (position < last)
    return np.where(words.any(axis=1, keepdims=True), words, mask)


def mean_of_words(states: Array, mask: Array) -> Array:
    """Mean over tokens other than [CLS] and [SEP]."""
    return mean_pool(states, words_only(mask))


def last_token(states: Array, mask: Array) -> Array:
    """The last token's hidden state."""
    return states[np.arange(len(states)), np.maximum(mask.sum(axis=1) - 1, 0)]


def sum_pool(states: Array, mask: Array) -> Array:
    """Sum over tokens."""
    return np.sum(states * mask[:, :, None], axis=1)


def sum_over_root(states: Array, mask: Array) -> Array:
    """Sum over tokens, divided by the root of their number."""
    return sum_pool(states, mask) / np.sqrt(mask.sum(axis=1, keepdims=True))


def mean_of_unit_tokens(states: Array, mask: Array) -> Array:
    """Mean over tokens of unit length."""
    return mean_pool(l2_normalize(states), mask)


def _divided_by(norm: Callable[[Array], Array]) -> Callable[[Array], Array]:
    return lambda x: x / norm(x)[:, None]


embedding = partial(change, EmbeddingVariant)


@cache
def multiples_of(per_unit: float) -> Hypothesis:
    """The hypothesis that vectors are rounded to multiples of 1 / `per_unit`: to decimals, if it is a power of 10."""
    store = embedding(store=lambda x: np.round(x * per_unit) / per_unit)
    digits = round(log10(per_unit))
    if per_unit == 10**digits:
        return Hypothesis(f"{digits} decimals", "the final vectors are printed with few decimals", store)
    step = f"1/{per_unit:.0f}" if per_unit == round(per_unit) else f"{1 / per_unit:.6g}"
    name = "int8 vectors" if per_unit == 127 else f"steps of {step}"
    return Hypothesis(name, f"the final vectors are rounded to multiples of {step}", store)


@cache
def multiples_by_vector(levels: int) -> Hypothesis:
    """The hypothesis that each vector is rounded to multiples of its largest magnitude over `levels`."""

    def store(x: Array) -> Array:
        scale = np.abs(x).max(axis=-1, keepdims=True) / levels
        return np.asarray(np.round(x / np.where(scale, scale, 1.0)) * scale)

    explanation = f"each final vector is rounded to multiples of its largest magnitude over {levels}"
    return Hypothesis(f"{levels} levels per vector", explanation, embedding(store=store))


POOLING = (
    Hypothesis(
        "CLS pooling",
        "the first token's hidden state is taken, not the mean of all",
        embedding(pool=without_weights(cls_pool)),
    ),
    Hypothesis(
        "max pooling", "the maximum over tokens is taken, not their mean", embedding(pool=without_weights(max_pool))
    ),
    Hypothesis(
        "last token pooling",
        "the last token's hidden state is taken, as for decoders",
        embedding(pool=without_weights(last_token)),
    ),
    Hypothesis(
        "mean without special tokens",
        "[CLS] and [SEP] are left out of the mean",
        embedding(pool=without_weights(mean_of_words)),
    ),
    Hypothesis(
        "pooler applied",
        "BERT's pooler (tanh of an affine map of [CLS]) is taken: pooler_output",
        embedding(pool=pooler),
    ),
    Hypothesis(
        "sum pooling", "the sum over tokens is taken, not their mean", embedding(pool=without_weights(sum_pool))
    ),
    Hypothesis(
        "sum over root of length",
        "the sum is divided by sqrt(length): mean_sqrt_len_tokens",
        embedding(pool=without_weights(sum_over_root)),
    ),
    Hypothesis(
        "tokens normalised before pooling",
        "each token's vector is scaled to unit length first",
        embedding(pool=without_weights(mean_of_unit_tokens)),
    ),
    *padded("padding pooled", "the mean has no mask", EmbeddingVariant, pooling_masked=False),
    *padded(
        "padding attended to and pooled",
        "neither attention nor the mean has a mask",
        EmbeddingVariant,
        attention_masked=False,
        pooling_masked=False,
    ),
)
NORM = (
    Hypothesis("no normalisation", "vectors are not scaled to unit length", embedding(normalize=identity)),
    Hypothesis(
        "L1 normalisation",
        "vectors are divided by the sum of magnitudes",
        embedding(normalize=_divided_by(lambda x: np.abs(x).sum(axis=1))),
    ),
    Hypothesis(
        "normalised by the largest entry",
        "vectors are divided by their largest magnitude",
        embedding(normalize=_divided_by(lambda x: np.abs(x).max(axis=1))),
    ),
    Hypothesis(
        "normalised by the squared length",
        "the root is missing: vectors are divided by the sum of squares",
        embedding(normalize=_divided_by(lambda x: np.sum(x * x, axis=1))),
    ),
)
STORAGE = (
    Hypothesis("float16 vectors", "the final vectors are rounded to float16", embedding(store=tensors.float16)),
    Hypothesis("bfloat16 vectors", "the final vectors are rounded to bfloat16", embedding(store=tensors.bfloat16)),
    Hypothesis("bfloat16 vectors, cut", "the final vectors are cut to bfloat16", embedding(store=tensors.bfloat16_cut)),
    multiples_of(127.0),
    *(multiples_of(10.0**digits) for digits in (3, 4, 5, 6)),
)
HEAD = (*POOLING, *NORM, *STORAGE)
