"""Weights as faulty code holds them: rounded, swapped, transposed, left out."""

from collections.abc import Callable
from math import sqrt

import numpy as np

from refimpl.bert.config import BertConfig

Array = np.ndarray
Tensors = dict[str, Array]
"""By published name; a change replaces what it changes."""


FEWEST_ROWS = 8  # smaller matrices, such as the token types' two rows, are not worth a quantiser's while


def _kept(tensor: Array) -> bool:
    return tensor.ndim < 2 or len(tensor) < FEWEST_ROWS


def _float16(tensor: Array) -> Array:
    with np.errstate(over="ignore"):
        return tensor.astype(np.float16).astype(tensor.dtype)


def _bfloat16(tensor: Array) -> Array:
    """To the nearest of the numbers with eight significant bits, ties to even."""
    bits = np.ascontiguousarray(tensor, dtype=np.float32).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
    return rounded.view(np.float32).astype(tensor.dtype)


def _symmetric(tensor: Array, largest: Array) -> Array:
    scale = np.where(largest == 0, 1.0, largest / 127.0).astype(tensor.dtype)
    return np.round(tensor / scale) * scale


def _int8(tensor: Array) -> Array:
    """Symmetric, 255 steps over the tensor's largest magnitude."""
    return tensor if _kept(tensor) else _symmetric(tensor, np.abs(tensor).max(keepdims=True))


def _int8_by_row(tensor: Array) -> Array:
    return tensor if _kept(tensor) else _symmetric(tensor, np.abs(tensor).max(axis=1, keepdims=True))


def _uint8(tensor: Array) -> Array:
    """Asymmetric, 256 steps from the least to the greatest, zero among them."""
    if _kept(tensor):
        return tensor
    least, greatest = min(float(tensor.min()), 0.0), max(float(tensor.max()), 0.0)
    scale = (greatest - least) / 255.0 or 1.0
    zero = round(-least / scale)
    return ((np.clip(np.round(tensor / scale) + zero, 0, 255) - zero) * scale).astype(tensor.dtype)


def _q8_0(tensor: Array) -> Array:
    """Blocks of 32 along a row, each with a float16 scale, as ggml's Q8_0."""
    if _kept(tensor) or tensor.shape[1] % 32:
        return tensor
    blocks = tensor.reshape(-1, 32)
    scale = np.abs(blocks).max(axis=1, keepdims=True) / 127.0
    codes = np.round(blocks / np.where(scale == 0, 1.0, scale))
    return (codes * _float16(scale)).reshape(tensor.shape)


PRECISIONS: dict[str, Callable[[Array], Array]] = {
    "float16": _float16,
    "bfloat16": _bfloat16,
    "int8": _int8,
    "int8 by row": _int8_by_row,
    "uint8": _uint8,
    "q8_0": _q8_0,
}


def _swapped(first: str, second: str) -> Callable[[Tensors, BertConfig], Tensors]:
    def change(tensors: Tensors, config: BertConfig) -> Tensors:
        pairs = [(name, name.replace(first, second)) for name in tensors if first in name]
        return {new: tensors[old] for pair in pairs for new, old in (pair, pair[::-1])}

    return change


def _transposed(ending: str) -> Callable[[Tensors, BertConfig], Tensors]:
    def change(tensors: Tensors, config: BertConfig) -> Tensors:
        return {name: tensor.T for name, tensor in tensors.items() if name.endswith(ending)}

    return change


def _zeroed(part: str) -> Callable[[Tensors, BertConfig], Tensors]:
    def change(tensors: Tensors, config: BertConfig) -> Tensors:
        return {name: np.zeros_like(tensor) for name, tensor in tensors.items() if part in name}

    return change


def _scaled_query(factor: Callable[[BertConfig], float]) -> Callable[[Tensors, BertConfig], Tensors]:
    """Another divisor of the attention scores is another length of the queries."""

    def change(tensors: Tensors, config: BertConfig) -> Tensors:
        return {name: tensor * factor(config) for name, tensor in tensors.items() if "attention.self.query" in name}

    return change


def _head_dim(config: BertConfig) -> int:
    return config.hidden_size // config.num_attention_heads


def _interleaved(tensors: Tensors, config: BertConfig) -> Tensors:
    """Features dealt to the heads in turn, `reshape(head_dim, heads)`, and put back the right way."""
    order = np.arange(config.hidden_size).reshape(_head_dim(config), config.num_attention_heads).T.ravel()
    return {name: tensor[order] for name, tensor in tensors.items() if "attention.self." in name}


def _unbiased_variance(tensors: Tensors, config: BertConfig) -> Tensors:
    """A norm divided by the square root of n / (n - 1) more; what that does to eps is far below any tolerance."""
    factor = sqrt((config.hidden_size - 1) / config.hidden_size)
    return {name: tensor * factor for name, tensor in tensors.items() if name.endswith("LayerNorm.weight")}


def _layers_reversed(tensors: Tensors, config: BertConfig) -> Tensors:
    changed = {}
    for name, tensor in tensors.items():
        if name.startswith("encoder.layer."):
            _, _, number, rest = name.split(".", 3)
            changed[f"encoder.layer.{config.num_hidden_layers - 1 - int(number)}.{rest}"] = tensor
    return changed


REWIRINGS: dict[str, Callable[[Tensors, BertConfig], Tensors]] = {
    "query and key swapped": _swapped("attention.self.query", "attention.self.key"),
    "key and value swapped": _swapped("attention.self.key", "attention.self.value"),
    "attention dense transposed": _transposed("attention.output.dense.weight"),
    "query transposed": _transposed("attention.self.query.weight"),
    "key transposed": _transposed("attention.self.key.weight"),
    "value transposed": _transposed("attention.self.value.weight"),
    "query, key and value transposed": lambda tensors, config: {
        name: tensor.T for name, tensor in tensors.items() if "attention.self." in name and tensor.ndim == 2
    },
    "no position embeddings": _zeroed("position_embeddings"),
    "no token type embeddings": _zeroed("token_type_embeddings"),
    "no query, key and value biases": lambda tensors, config: {
        name: np.zeros_like(tensor)
        for name, tensor in tensors.items()
        if "attention.self." in name and name.endswith(".bias")
    },
    "no biases": lambda tensors, config: {
        name: np.zeros_like(tensor) for name, tensor in tensors.items() if name.endswith(".bias")
    },
    "layer norms without weight and bias": lambda tensors, config: {
        name: np.full_like(tensor, name.endswith("weight")) for name, tensor in tensors.items() if "LayerNorm" in name
    },
    "scores not scaled": _scaled_query(lambda config: sqrt(_head_dim(config))),
    "scores scaled by hidden size": _scaled_query(lambda config: 1 / sqrt(config.num_attention_heads)),
    "scores scaled twice": _scaled_query(lambda config: 1 / sqrt(_head_dim(config))),
    "heads interleaved": _interleaved,
    "unbiased variance": _unbiased_variance,
    "layers reversed": _layers_reversed,
}
