"""Steps of a layer as in faulty implementations: normalisations, sublayers, heads, probabilities, activations."""

from collections.abc import Callable
from math import log, sqrt

import numpy as np
from scipy.special import expit

from refimpl.bert.config import BertConfig
from refimpl.bert.ops import ACTIVATIONS, Heads, Hidden, merge_heads, softmax, split_heads
from refimpl.common.types import Array
from refimpl.diagnosis.structure.layer import Map, Norm


def unnormalised(x: Array, weight: Array, bias: Array, eps: float) -> Array:
    """`x` itself."""
    return x


def plain(x: Array, weight: Array, bias: Array, eps: float) -> Array:
    """Without weight and bias."""
    return standardised(x, eps)


def standardised(x: Array, eps: float, axis: int | tuple[int, ...] = -1, ddof: int = 0) -> Array:
    """`x` less its mean, divided by the root of its variance plus `eps`."""
    variance = x.var(axis=axis, keepdims=True, ddof=min(ddof, x.shape[-1] - 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((x - x.mean(axis=axis, keepdims=True)) / np.sqrt(variance + eps))


def over(axis: int | tuple[int, ...], ddof: int = 0) -> Norm:
    """Layer norm over other axes, or with another variance."""
    return lambda x, weight, bias, eps: standardised(x, eps, axis, ddof) * weight + bias


def with_eps(value: float) -> Norm:
    """Layer norm with another eps."""
    return lambda x, weight, bias, eps: standardised(x, value) * weight + bias


def eps_outside(value: float) -> Norm:
    """Layer norm with eps added to the standard deviation."""

    def norm(x: Array, weight: Array, bias: Array, eps: float) -> Array:
        centred = x - x.mean(axis=-1, keepdims=True)
        return np.asarray(centred / (x.std(axis=-1, keepdims=True) + value) * weight + bias)

    return norm


def root_mean_square(x: Array, weight: Array, bias: Array, eps: float) -> Array:
    """Without centring (Zhang and Sennrich 2019)."""
    return np.asarray(x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps) * weight + bias)


def uncentred(x: Array, weight: Array, bias: Array, eps: float) -> Array:
    """Divided by the standard deviation, but not centred."""
    return np.asarray(x / np.sqrt(x.var(axis=-1, keepdims=True) + eps) * weight + bias)


def centred_only(x: Array, weight: Array, bias: Array, eps: float) -> Array:
    """Centred, but not divided."""
    return np.asarray((x - x.mean(axis=-1, keepdims=True)) * weight + bias)


def variance_for_root(x: Array, weight: Array, bias: Array, eps: float) -> Array:
    """Divided by the variance, not by its root."""
    return np.asarray((x - x.mean(axis=-1, keepdims=True)) / (x.var(axis=-1, keepdims=True) + eps) * weight + bias)


def bias_first(x: Array, weight: Array, bias: Array, eps: float) -> Array:
    """(standardised + bias) * weight."""
    return (standardised(x, eps) + bias) * weight


NORMS: dict[str, tuple[str, Norm]] = {
    "left out": ("the sum is not normalised", unnormalised),
    "without weight and bias": ("the sum is standardised only", plain),
    "over the tokens": ("mean and variance are those of a feature over the tokens", over(-2)),
    "over tokens and features": ("mean and variance are those of the whole text", over((-2, -1))),
    "with unbiased variance": ("the variance is divided by n - 1", over(-1, 1)),
    "as RMS norm": ("the mean is not subtracted, as in RMS norm", root_mean_square),
    "without centring": ("the mean is not subtracted", uncentred),
    "without division": ("the mean is subtracted, but nothing divided", centred_only),
    "divided by the variance": ("the root of the variance is missing", variance_for_root),
    "with the bias added first": ("(x + bias) * weight for x * weight + bias", bias_first),
    **{
        f"with eps {value}": (f"eps is {value}; the model's is in its config.json", with_eps(float(value)))
        for value in ("0.1", "1e-2", "1e-3", "1e-4", "1e-5", "1e-6", "1e-7", "1e-8")
    },
    **{
        f"with eps {value} outside the root": ("eps is added to the standard deviation", eps_outside(float(value)))
        for value in ("1e-3", "1e-5", "1e-6")
    },
}


def normalised_input(x: Hidden, sublayer: Map, norm: Map) -> Hidden:
    """Pre-norm, x + sublayer(norm(x)), as in GPT-2 (Xiong et al. 2020)."""
    return x + sublayer(norm(x))


def normalised_output(x: Hidden, sublayer: Map, norm: Map) -> Hidden:
    """X + norm(sublayer(x)), as in Swin v2 (Liu et al. 2022)."""
    return x + norm(sublayer(x))


def normalised_residual(x: Hidden, sublayer: Map, norm: Map) -> Hidden:
    """norm(x) + sublayer(norm(x)): the residual is taken after the norm."""
    normed = norm(x)
    return normed + sublayer(normed)


def no_residual(x: Hidden, sublayer: Map, norm: Map) -> Hidden:
    """norm(sublayer(x))."""
    return norm(sublayer(x))


def doubled_residual(x: Hidden, sublayer: Map, norm: Map) -> Hidden:
    """norm(2 x + sublayer(x))."""
    return norm(2 * x + sublayer(x))


def subtracted_residual(x: Hidden, sublayer: Map, norm: Map) -> Hidden:
    """norm(sublayer(x) - x)."""
    return norm(sublayer(x) - x)


def doubled_sublayer(x: Hidden, sublayer: Map, norm: Map) -> Hidden:
    """norm(x + 2 sublayer(x))."""
    return norm(x + 2 * sublayer(x))


def skipped(x: Hidden, sublayer: Map, norm: Map) -> Hidden:
    """norm(x)."""
    return norm(x)


def skipped_with_norm(x: Hidden, sublayer: Map, norm: Map) -> Hidden:
    """`x` itself."""
    return x


def twice_normalised(x: Hidden, sublayer: Map, norm: Map) -> Hidden:
    """norm(norm(x + sublayer(x)))."""
    return norm(norm(x + sublayer(x)))


JOINS = {
    "normalised before, not after": ("pre-norm: x + f(norm(x))", normalised_input),
    "normalised before the residual is added": ("x + norm(f(x))", normalised_output),
    "normalised before, residual included": ("norm(x) + f(norm(x))", normalised_residual),
    "normalised twice": ("norm(norm(x + f(x)))", twice_normalised),
    "without residual": ("its input is not added to its output", no_residual),
    "with a doubled residual": ("its input is added twice", doubled_residual),
    "with a subtracted residual": ("its input is subtracted from its output", subtracted_residual),
    "doubled": ("its output is added twice", doubled_sublayer),
    "left out": ("its output is not added; the sum is normalised", skipped),
    "left out with its norm": ("the state before is taken", skipped_with_norm),
}


def interleaved_split(x: Hidden, heads: int) -> Heads:
    """Heads of every n-th feature: reshape(head_dim, heads)."""
    batch, seq, hidden = x.shape
    return x.reshape(batch, seq, hidden // heads, heads).transpose(0, 3, 1, 2)


def untransposed_split(x: Hidden, heads: int) -> Heads:
    """Reshaped to `(batch, heads, seq, head_dim)`, not transposed."""
    batch, seq, hidden = x.shape
    return x.reshape(batch, heads, seq, hidden // heads)


def reversed_split(x: Hidden, heads: int) -> Heads:
    """Heads in reverse order."""
    return split_heads(x, heads)[:, ::-1]


def rolled_split(x: Hidden, heads: int) -> Heads:
    """Each head in the place of the one before."""
    return np.roll(split_heads(x, heads), -1, axis=1)


def interleaved_merge(x: Heads) -> Hidden:
    """The inverse of `interleaved_split`."""
    batch, heads, seq, head_dim = x.shape
    return x.transpose(0, 2, 3, 1).reshape(batch, seq, heads * head_dim)


def untransposed_merge(x: Heads) -> Hidden:
    """Reshaped to `(batch, seq, hidden)`, not transposed."""
    batch, heads, seq, head_dim = x.shape
    return x.reshape(batch, seq, heads * head_dim)


def reversed_merge(x: Heads) -> Hidden:
    """Heads in reverse order."""
    return merge_heads(x[:, ::-1])


def rolled_merge(x: Heads) -> Hidden:
    """Each head in the place of the one before."""
    return merge_heads(np.roll(x, -1, axis=1))


HEADS: dict[str, tuple[str, dict[str, Callable[..., Array]]]] = {
    "split interleaved": ("features split as (head_dim, heads)", {"split": interleaved_split}),
    "merged interleaved": ("features merged as (head_dim, heads)", {"merge": interleaved_merge}),
    "split and merged interleaved": (
        "heads take every n-th feature",
        {"split": interleaved_split, "merge": interleaved_merge},
    ),
    "split without transpose": (
        "reshaped to (heads, seq, head_dim) without a transpose",
        {"split": untransposed_split},
    ),
    "merged without transpose": (
        "the context is reshaped to (seq, hidden) without a transpose",
        {"merge": untransposed_merge},
    ),
    "split and merged without transpose": (
        "reshaped to (heads, seq, head_dim) and back, without a transpose",
        {"split": untransposed_split, "merge": untransposed_merge},
    ),
    "merged in reverse order": ("the last head's context comes first", {"merge": reversed_merge}),
    "merged in rolled order": ("the second head's context comes first", {"merge": rolled_merge}),
    "of the keys in reverse order": ("the first query head reads the last key head", {"split_key": reversed_split}),
    "of the keys in rolled order": ("the first query head reads the second key head", {"split_key": rolled_split}),
}

SCALES: dict[str, tuple[str, Callable[[BertConfig, int], float]]] = {
    "1": ("scores are not divided", lambda config, heads: 1.0),
    "1 / head_dim": (
        "scores are divided by head_dim, not by its root",
        lambda config, heads: heads / config.hidden_size,
    ),
    "1 / sqrt(hidden_size)": (
        "scores are divided by the root of the hidden size",
        lambda config, heads: 1 / sqrt(config.hidden_size),
    ),
    "1 / hidden_size": ("scores are divided by the hidden size", lambda config, heads: 1 / config.hidden_size),
    "1 / sqrt(heads)": ("scores are divided by the root of the number of heads", lambda config, heads: 1 / sqrt(heads)),
    "1 / heads": ("scores are divided by the number of heads", lambda config, heads: 1 / heads),
    "sqrt(head_dim)": (
        "scores are multiplied by the root of head_dim",
        lambda config, heads: sqrt(config.hidden_size / heads),
    ),
    "1 / 8": ("scores are divided by 8, the root of BERT base's head_dim", lambda config, heads: 1 / 8),
}


def _restricted(allowed: Callable[[Array, Array], Array]) -> Callable[[Array, Array], Array]:
    """Softmax over the keys j that `allowed(i, j)` has for query i."""

    def probabilities(scores: Array, bias: Array) -> Array:
        position = np.arange(scores.shape[-1])
        blocked = np.where(allowed(position[:, None], position), 0.0, -np.inf).astype(scores.dtype)
        with np.errstate(invalid="ignore"):  # a query without a key
            return softmax(scores + bias + blocked)

    return probabilities


def softmax_over(axis: int) -> Callable[[Array, Array], Array]:
    """Softmax over another axis, padding at 0."""

    def probabilities(scores: Array, bias: Array) -> Array:
        return np.moveaxis(softmax(np.moveaxis(scores, axis, -1)), -1, axis) * np.exp(bias)

    return probabilities


def softmax_of_one_more(scores: Array, bias: Array) -> Array:
    """exp(x) / (1 + sum(exp(x))) (Miller 2023)."""
    zeros = np.zeros_like(scores[..., :1])
    return softmax(np.concatenate([scores + bias, zeros], axis=-1))[..., :-1]


PROBABILITIES: dict[str, tuple[str, Callable[[Array, Array], Array]]] = {
    "causal": ("each token attends to itself and earlier ones", _restricted(lambda i, j: j <= i)),
    "to later tokens only": ("each token attends to itself and later ones", _restricted(lambda i, j: j >= i)),
    "to other tokens only": ("no token attends to itself", _restricted(lambda i, j: j != i)),
    "to itself only": ("each token attends to itself alone", _restricted(lambda i, j: j == i)),
    "to the first token only": ("each token attends to the first alone", _restricted(lambda i, j: j == 0 * i)),
    "uniform": ("every token has the same weight", lambda scores, bias: softmax(0 * scores + bias)),
    "over the queries": ("softmax is over the queries, not the keys", softmax_over(-2)),
    "over the heads": ("softmax is over the heads, not the keys", softmax_over(1)),
    "without softmax": ("scores are used as weights", lambda scores, bias: scores * np.exp(bias)),
    "by sigmoid": ("sigmoid for softmax", lambda scores, bias: expit(scores) * np.exp(bias)),
    "by softmax twice": ("softmax is applied twice", lambda scores, bias: softmax(softmax(scores + bias) + bias)),
    "by softmax to base 2": ("2^x for e^x", lambda scores, bias: softmax(scores * scores.dtype.type(log(2)) + bias)),
    "by softmax with one more term": ("1 is added to the sum of exponentials", softmax_of_one_more),
    "with query and key swapped": (
        "scores are transposed: K Q^T",
        lambda scores, bias: softmax(scores.swapaxes(-1, -2) + bias),
    ),
    "with negated scores": ("scores have the other sign", lambda scores, bias: softmax(bias - scores)),
}


def identity(x: Array) -> Array:
    """`x` unchanged."""
    return x


def _erf_7_1_25(x: Array) -> Array:
    """Three terms, with an error of up to 2.5e-5 (Abramowitz and Stegun 1964)."""
    t = 1 / (1 + 0.47047 * np.abs(x))
    return np.asarray(np.sign(x) * (1 - t * (0.3480242 + t * (-0.0958798 + t * 0.7478556)) * np.exp(-x * x)))


OTHER_ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "no activation": identity,
    "tanh": np.tanh,
    "sigmoid": expit,
    "leaky ReLU": lambda x: np.maximum(x, 0.01 * x),
    "ReLU6": lambda x: np.clip(x, 0, 6),
    "ELU": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "softplus": lambda x: np.logaddexp(x, 0),
    "Mish": lambda x: x * np.tanh(np.logaddexp(x, 0)),
    "hard swish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "GELU with the erf of Abramowitz and Stegun 7.1.25": lambda x: 0.5 * x * (1 + _erf_7_1_25(x / sqrt(2))),
    "squared ReLU": lambda x: np.maximum(x, 0) ** 2,
    "the normal distribution's cdf": lambda x: ACTIVATIONS["gelu"](x) / np.where(x == 0, 1, x) + 0.5 * (x == 0),
}
"""Beside those of config.json; by name as printed."""


def activations(model: str) -> dict[str, Callable[[Array], Array]]:
    """Every activation but the model's, by name, and the model's applied twice."""
    own = ACTIVATIONS[model]
    published: dict[str, Callable[[Array], Array]] = {}
    for name, function in ACTIVATIONS.items():
        if function is not own and function not in published.values():
            published[name] = function
    return {**published, **OTHER_ACTIVATIONS, f"{model} applied twice": lambda x: own(own(x))}
