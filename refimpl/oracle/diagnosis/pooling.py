"""From hidden states to a sentence vector, as faulty code has it, and the knobs for it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from refimpl.bert.heads import cls_pool, l2_normalize, max_pool, mean_pool, pooler
from refimpl.bert.weights import BertWeights
from refimpl.oracle.diagnosis.encoder import LONGEST, EncoderVariant, States
from refimpl.oracle.diagnosis.knobs import Knob
from refimpl.oracle.diagnosis.tensors import PRECISIONS

Array = np.ndarray


@dataclass(frozen=True)
class EmbeddingVariant(EncoderVariant):
    """What decides a sentence vector; the defaults are the reference."""

    pooling: str = "mean"
    pooling_masked: bool = True
    norm: str = "L2"
    stored_as: str = ""


def pooled(variant: EmbeddingVariant, weights: BertWeights, states: States) -> Array:
    """The vectors `(texts, hidden)` that `variant` makes of hidden states; KeyError without the weights for it."""
    mask = states.mask if variant.pooling_masked else np.ones_like(states.mask)
    mask = mask | (~mask.any(axis=1, keepdims=True) & (np.arange(mask.shape[1]) == 0))
    if variant.pooling == "pooler":
        vectors = pooler(weights, states.hidden_states)
    else:
        vectors = POOLINGS[variant.pooling](states.hidden_states, mask)
    return STORED[variant.stored_as](NORMS[variant.norm](vectors))


def _mean_of_words(states: Array, mask: Array) -> Array:
    """[CLS] and [SEP] left out; of a text that has nothing else, everything."""
    place, last = np.arange(mask.shape[1]), mask.sum(axis=1, keepdims=True) - 1
    words = mask & (place > 0) & (place < last)
    return mean_pool(states, np.where(words.any(axis=1, keepdims=True), words, mask))


def _last_token(states: Array, mask: Array) -> Array:
    return states[np.arange(len(states)), np.maximum(mask.sum(axis=1) - 1, 0)]


def _sum(states: Array, mask: Array) -> Array:
    return np.sum(states * mask[:, :, None], axis=1)


def _sum_over_root(states: Array, mask: Array) -> Array:
    return _sum(states, mask) / np.sqrt(mask.sum(axis=1, keepdims=True))


def _to_decimals(x: Array, digits: int) -> Array:
    return np.asarray(np.round(x, digits))


POOLINGS: dict[str, Callable[[Array, Array], Array]] = {
    "mean": mean_pool,
    "CLS": cls_pool,
    "max": max_pool,
    "words": _mean_of_words,
    "last": _last_token,
    "sum": _sum,
    "sum over root": _sum_over_root,
    "unit tokens": lambda states, mask: mean_pool(l2_normalize(states), mask),
}
NORMS: dict[str, Callable[[Array], Array]] = {
    "L2": l2_normalize,
    "none": lambda x: x,
    "L1": lambda x: x / np.abs(x).sum(axis=1, keepdims=True),
    "max": lambda x: x / np.abs(x).max(axis=1, keepdims=True),
    "squared": lambda x: x / np.sum(x * x, axis=1, keepdims=True),
}
STORED: dict[str, Callable[[Array], Array]] = {
    "": lambda x: x,
    "float16": PRECISIONS["float16"],
    "bfloat16": PRECISIONS["bfloat16"],
    "int8": lambda x: np.round(x * 127.0) / 127.0,
    **{f"{digits} decimals": partial(_to_decimals, digits=digits) for digits in (3, 4, 5, 6)},
}

POOLING = (
    Knob("CLS pooling", "the first token's hidden state is taken, not the mean of all", {"pooling": "CLS"}),
    Knob("max pooling", "the maximum over tokens is taken, not their mean", {"pooling": "max"}),
    Knob("last token pooling", "the last token's hidden state is taken, as for decoders", {"pooling": "last"}),
    Knob("mean without special tokens", "[CLS] and [SEP] are left out of the mean", {"pooling": "words"}),
    Knob(
        "pooler applied",
        "BERT's pooler (tanh of an affine map of [CLS]) is taken: pooler_output",
        {"pooling": "pooler"},
    ),
    Knob("sum pooling", "the sum over tokens is taken, not their mean", {"pooling": "sum"}),
    Knob(
        "sum over root of length",
        "the sum is divided by sqrt(length): mean_sqrt_len_tokens",
        {"pooling": "sum over root"},
    ),
    Knob(
        "tokens normalised before pooling",
        "each token's vector is brought to unit length first",
        {"pooling": "unit tokens"},
    ),
    *(
        Knob(f"padding pooled, {name}", f"the mean has no mask; {name}", {"pooling_masked": False, "padded_to": to})
        for name, to in (
            ("padded to the longest", LONGEST),
            ("padded to 128", 128),
            ("padded to 256", 256),
            ("padded to 512", 512),
        )
    ),
)
NORM = (
    Knob("no normalisation", "vectors are not brought to unit length", {"norm": "none"}),
    Knob("L1 normalisation", "vectors are divided by the sum of magnitudes", {"norm": "L1"}),
    Knob("normalised by the largest entry", "vectors are divided by their largest magnitude", {"norm": "max"}),
    Knob(
        "normalised by the squared length",
        "the root is missing: vectors are divided by the sum of squares",
        {"norm": "squared"},
    ),
)
STORAGE = (
    Knob("float16 vectors", "the finished vectors are rounded to float16", {"stored_as": "float16"}),
    Knob("bfloat16 vectors", "the finished vectors are rounded to bfloat16", {"stored_as": "bfloat16"}),
    Knob("int8 vectors", "the finished vectors are rounded to 1/127", {"stored_as": "int8"}),
    *(
        Knob(
            f"{digits} decimals",
            "the finished vectors are printed with few decimals",
            {"stored_as": f"{digits} decimals"},
        )
        for digits in (3, 4, 5, 6)
    ),
)
HEAD = (*POOLING, *NORM, *STORAGE)
