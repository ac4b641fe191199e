"""Weights as in faulty implementations: rounded, swapped, transposed, left out."""

import re
from collections.abc import Callable
from math import sqrt

import numpy as np

from refimpl.bert.config import BertConfig
from refimpl.common.types import Array
from refimpl.diagnosis.hypotheses import NotApplicable

Tensors = dict[str, Array]
"""By published name."""
Rewiring = Callable[[Tensors, BertConfig], Tensors]
"""Takes all tensors; returns those that it replaces."""
Rounding = Callable[[Array], Array]

BLOCK = 32  # values with one scale in ggml
FEWEST_ROWS = 8  # smaller matrices, such as the token types' two rows, are not quantised in practice


def _not_quantised(tensor: Array) -> bool:
    return tensor.ndim < 2 or len(tensor) < FEWEST_ROWS


def float16(tensor: Array) -> Array:
    """Rounded to float16; infinite beyond its range."""
    with np.errstate(over="ignore"):
        return tensor.astype(np.float16).astype(tensor.dtype)


def bfloat16(tensor: Array) -> Array:
    """Rounded to eight significant bits, ties to even."""
    bits = np.ascontiguousarray(tensor, dtype=np.float32).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
    return rounded.view(np.float32).astype(tensor.dtype)


def bfloat16_cut(tensor: Array) -> Array:
    """Cut to eight significant bits, toward 0."""
    bits = np.ascontiguousarray(tensor, dtype=np.float32).view(np.uint32) & np.uint32(0xFFFF0000)
    return bits.view(np.float32).astype(tensor.dtype)


def rolled(step: int, tensor: Array, config: BertConfig) -> Array:
    """The rows moved down by `step`, around the end."""
    return np.roll(tensor, step, axis=0)


def _symmetric(tensor: Array, largest: Array) -> Array:
    scale = np.where(largest == 0, 1.0, largest / 127.0).astype(tensor.dtype)
    return np.round(tensor / scale) * scale


def int8(tensor: Array) -> Array:
    """Symmetric, one scale per tensor: 255 steps over the largest magnitude."""
    return tensor if _not_quantised(tensor) else _symmetric(tensor, np.abs(tensor).max(keepdims=True))


def int8_by_row(tensor: Array) -> Array:
    """The same per row."""
    return tensor if _not_quantised(tensor) else _symmetric(tensor, np.abs(tensor).max(axis=1, keepdims=True))


def uint8(tensor: Array) -> Array:
    """Asymmetric, 256 steps from the minimum to the maximum, zero among them."""
    if _not_quantised(tensor):
        return tensor
    least, greatest = min(float(tensor.min()), 0.0), max(float(tensor.max()), 0.0)
    scale = (greatest - least) / 255.0 or 1.0
    zero = round(-least / scale)
    return ((np.clip(np.round(tensor / scale) + zero, 0, 255) - zero) * scale).astype(tensor.dtype)


def q8_0(tensor: Array) -> Array:
    """Blocks of 32 along a row, each with a float16 scale, as ggml's Q8_0."""
    return tensor if _not_quantised(tensor) else int8_blocks(tensor)


def int8_blocks(tensor: Array) -> Array:
    """The same for a tensor of any shape; unchanged where its last axis is no multiple of 32."""
    if tensor.shape[-1] % BLOCK:
        return tensor
    blocks = tensor.reshape(-1, BLOCK)
    scale = np.abs(blocks).max(axis=1, keepdims=True) / 127.0
    codes = np.round(blocks / np.where(scale == 0, 1.0, scale))
    return (codes * float16(scale)).reshape(tensor.shape)


def q4_0(tensor: Array) -> Array:
    """Blocks of 32 along a row with codes -8 to 7 and a float16 scale, as ggml's Q4_0: its largest value is code -8."""
    if _not_quantised(tensor) or tensor.shape[-1] % BLOCK:
        return tensor
    blocks = tensor.reshape(-1, BLOCK)
    largest = np.take_along_axis(blocks, np.abs(blocks).argmax(axis=1)[:, None], axis=1)
    scale = largest / -8.0
    codes = np.clip(np.floor(blocks / np.where(scale == 0, 1.0, scale) + 8.5), 0, 15) - 8
    return (codes * float16(scale)).reshape(tensor.shape)


def q4_1(tensor: Array) -> Array:
    """Blocks of 32 along a row with codes 0 to 15, a float16 scale and a float16 minimum, as ggml's Q4_1."""
    if _not_quantised(tensor) or tensor.shape[-1] % BLOCK:
        return tensor
    blocks = tensor.reshape(-1, BLOCK)
    least = blocks.min(axis=1, keepdims=True)
    scale = (blocks.max(axis=1, keepdims=True) - least) / 15.0
    codes = np.minimum(np.floor((blocks - least) / np.where(scale == 0, 1.0, scale) + 0.5), 15)
    return (codes * float16(scale) + float16(least)).reshape(tensor.shape)


def float8(tensor: Array) -> Array:
    """Float8 E4M3: four significant bits, exponents from -6, the largest 448 (Micikevicius et al. 2022)."""
    if _not_quantised(tensor):
        return tensor
    exponent = np.maximum(np.frexp(tensor)[1] - 1, -6)
    step = np.exp2(exponent - 3.0).astype(tensor.dtype)
    return np.clip(np.round(tensor / step) * step, -448, 448).astype(tensor.dtype)


def swap(first: str, second: str) -> Rewiring:
    """Tensors with `first` in their name and those with `second` instead are exchanged."""

    def apply(tensors: Tensors, config: BertConfig) -> Tensors:
        pairs = [(name, name.replace(first, second)) for name in tensors if first in name]
        return {new: tensors[old] for pair in pairs for new, old in (pair, pair[::-1])}

    return apply


def map_tensors(pattern: str, compute: Callable[[Array, BertConfig], Array]) -> Rewiring:
    """`compute` of each tensor that has a match of the regular expression `pattern` in its name."""
    matching = re.compile(pattern)

    def apply(tensors: Tensors, config: BertConfig) -> Tensors:
        return {name: compute(tensor, config) for name, tensor in tensors.items() if matching.search(name)}

    return apply


def transpose(pattern: str) -> Rewiring:
    """X W for x W^T."""
    return map_tensors(pattern, lambda tensor, config: tensor.T)


def fill(pattern: str, value: float) -> Rewiring:
    """All entries equal to `value`."""
    return map_tensors(pattern, lambda tensor, config: np.full_like(tensor, value))


def scale_query(factor: Callable[[BertConfig], float]) -> Rewiring:
    """Attention scores times `factor`, which another divisor amounts to; applied to the query projection."""
    return map_tensors(r"attention\.self\.query", lambda tensor, config: tensor * factor(config))


def head_dim(config: BertConfig) -> int:
    """Features per attention head."""
    return config.hidden_size // config.num_attention_heads


query_bias_unscaled: Rewiring = map_tensors(
    r"attention\.self\.query\.bias$", lambda bias, config: bias * sqrt(head_dim(config))
)
"""Biases that lack the factor 1 / sqrt(head_dim), which the weights of the queries have in the place of the scores."""


def _interleave(tensor: Array, config: BertConfig) -> Array:
    order = np.arange(config.hidden_size).reshape(head_dim(config), config.num_attention_heads).T.ravel()
    return tensor[order]


interleave_heads: Rewiring = map_tensors(r"attention\.self\.", _interleave)
"""Features split as `reshape(head_dim, heads)`, and merged the right way."""

PROJECTIONS = ("query", "key", "value")


def fused(by_head: bool) -> Rewiring:
    """Q, K and V as rows of one matrix that is split otherwise than it was joined.

    `by_head`: joined one after the other and split into (heads, 3, head_dim), as GPT-NeoX's; else the other way round.
    """

    def apply(tensors: Tensors, config: BertConfig) -> Tensors:
        order = np.arange(3 * config.hidden_size)
        split = order.reshape(config.num_attention_heads, 3, head_dim(config)).transpose(1, 0, 2).ravel()
        taken = split if by_head else np.argsort(split)
        changed: Tensors = {}
        for name in (name for name in tensors if ".self.query." in name):
            names = [name.replace("query", each) for each in PROJECTIONS]
            joined = np.concatenate([tensors[each] for each in names])
            if len(joined) != len(taken):
                raise NotApplicable("query, key and value are not as wide as the hidden states")
            joined = joined[taken]
            changed |= dict(zip(names, np.split(joined, 3), strict=True))
        return changed

    return apply


unbiased_variance: Rewiring = map_tensors(
    r"LayerNorm\.weight$",
    lambda tensor, config: tensor * sqrt((config.hidden_size - 1) / config.hidden_size),
)
"""Layer norm divided by sqrt(n / (n - 1)) more; the effect on eps is far below any tolerance."""


def reverse_layers(tensors: Tensors, config: BertConfig) -> Tensors:
    """The last layer's weights in the first layer, and so on; NotApplicable where layers share weights (ALBERT)."""
    if config.num_hidden_groups:
        raise NotApplicable("the layers share their weights")
    changed = {}
    for name, tensor in tensors.items():
        if name.startswith("encoder.layer."):
            _, _, number, rest = name.split(".", 3)
            changed[f"encoder.layer.{config.num_hidden_layers - 1 - int(number)}.{rest}"] = tensor
    return changed
