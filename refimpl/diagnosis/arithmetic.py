"""Arithmetic in low precision, simulated: float16 and bfloat16 throughout, and activations quantised at every product.

Roundings that fall the other way make two runs of the same arithmetic differ, so that no vector is reproduced exactly.
What is compared is the direction of a vector's error: another arithmetic's is nearly orthogonal to it.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np

from refimpl.bert.forward import embed
from refimpl.bert.ops import ACTIVATIONS, linear
from refimpl.bert.weights import BertWeights
from refimpl.common.types import Array
from refimpl.diagnosis import tensors
from refimpl.diagnosis.encoder import identity
from refimpl.diagnosis.structure.layer import VariedLayer
from refimpl.diagnosis.tensors import Rounding


@dataclass(frozen=True)
class Arithmetic:
    """The roundings of one implementation.

    Parameters
    ----------
    name, explanation
        As printed.
    matrix
        Rounds the matrices of the layers.
    table
        Rounds the embedding tables.
    vector
        Rounds biases and the weights of layer norms.
    operand
        Rounds what is multiplied with a matrix `(tokens, in)`.
    result
        Rounds the result of every operation.
    hidden_act
        The activation; "" for the model's.
    results
        The names of the intermediates that `result` rounds; `()` for all.
    """

    name: str
    explanation: str
    matrix: Rounding = identity
    table: Rounding = identity
    vector: Rounding = identity
    operand: Rounding = identity
    result: Rounding = identity
    hidden_act: str = ""
    results: tuple[str, ...] = ()

    def rounded(self, name: str, value: Array) -> Array:
        """An intermediate of the forward pass."""
        return self.result(value) if not self.results or name in self.results else value


def dynamic(levels: int, axis: int | None = None) -> Rounding:
    """To `levels` + 1 values from minimum to maximum, zero among them, per tensor or row: DynamicQuantizeLinear."""

    def quantise(x: Array) -> Array:
        least = np.minimum(x.min(axis=axis, keepdims=True), 0)
        span = np.maximum(x.max(axis=axis, keepdims=True), 0) - least
        scale = np.where(span == 0, 1, span / x.dtype.type(levels)).astype(x.dtype)
        zero = np.rint(-least / scale)
        return np.asarray((np.clip(np.rint(x / scale) + zero, 0, levels) - zero) * scale, x.dtype)

    return quantise


def symmetric(divisor: float, axis: int | None = None) -> Rounding:
    """To int8 with the scale max |x| / divisor, per tensor, or per row with axis 1."""

    def quantise(tensor: Array) -> Array:
        scale = np.abs(tensor).max(axis=axis, keepdims=True) / tensor.dtype.type(divisor)
        return np.asarray(np.clip(np.rint(tensor / np.where(scale == 0, 1, scale)), -128, 127) * scale, tensor.dtype)

    return quantise


def _throughout(name: str, explanation: str, rounding: Rounding) -> Arithmetic:
    return Arithmetic(name, explanation, rounding, rounding, rounding, result=rounding)


ARITHMETICS = (
    _throughout("float16 arithmetic", "every operation is rounded to float16, as by model.half()", tensors.float16),
    _throughout("bfloat16 arithmetic", "every operation is rounded to bfloat16", tensors.bfloat16),
    Arithmetic(
        "bfloat16 products",
        "the operands of matrix products are rounded to bfloat16, as by autocast",
        matrix=tensors.bfloat16,
        operand=tensors.bfloat16,
    ),
    *(
        Arithmetic(
            f"{name} attention weights",
            f"the probabilities of attention are rounded to {name}, all else is not",
            result=rounding,
            results=("attention_probs",),
        )
        for name, rounding in (("float16", tensors.float16), ("bfloat16", tensors.bfloat16))
    ),
    Arithmetic(
        "tanh GELU of float16",
        "the activation is looked up in a table of float16, as by ggml: tanh GELU, its argument and its value rounded",
        result=tensors.float16,
        hidden_act="gelu_new",
        results=("intermediate_dense", "intermediate"),
    ),
    Arithmetic(
        "dynamic int8, 7-bit activations",
        "torch's quantize_dynamic on x86 (FBGEMM): int8 matrices, activations to 128 values per tensor",
        matrix=symmetric(127.5),
        operand=dynamic(127),
    ),
    Arithmetic(
        "dynamic int8, 8-bit activations",
        "torch's quantize_dynamic with QNNPACK: int8 matrices, activations to 256 values per tensor",
        matrix=symmetric(127.5),
        operand=dynamic(255),
    ),
    *(
        Arithmetic(
            f"dynamic int8 of ONNX Runtime, {matrices}",
            f"onnxruntime's quantize_dynamic: {matrices}, uint8 tables, activations to 256 values per tensor",
            matrix=matrix,
            table=dynamic(255),
            operand=dynamic(255),
        )
        for matrices, matrix in (
            ("int8 matrices", symmetric(127.0)),
            ("uint8 matrices", dynamic(255)),
            ("int8 matrices per channel", symmetric(127.0, axis=1)),
            ("uint8 matrices per channel", dynamic(255, axis=1)),
            ("int8 matrices per channel of reduced range", symmetric(64.0, axis=1)),
        )
    ),
    Arithmetic(
        "Q8_0 of llama.cpp",
        "matrices and what is multiplied with them in blocks of 32 int8 values; tanh GELU",
        matrix=tensors.q8_0,
        operand=tensors.int8_blocks,
        hidden_act="gelu_new",
    ),
    Arithmetic(
        "Q4_0 of llama.cpp",
        "matrices in blocks of 32 values of 4 bits, multiplied with blocks of int8; tanh GELU",
        matrix=tensors.q4_0,
        operand=tensors.int8_blocks,
        hidden_act="gelu_new",
    ),
)


def simulated_states(arithmetic: Arithmetic, weights: BertWeights, input_ids: Array, token_type_ids: Array) -> Array:
    """The last hidden states `(1, seq, hidden)` of one text; `weights` are those of `rounded_weights`."""
    product = partial(_product, arithmetic.operand)
    layer = VariedLayer(linear=product, activation=ACTIVATIONS.get(arithmetic.hidden_act))
    with np.errstate(over="ignore", invalid="ignore"):
        states = embed(weights, input_ids, token_type_ids, arithmetic.rounded)
        bias = np.zeros((1, 1, 1, states.shape[1]), states.dtype)
        for number in range(weights.config.num_hidden_layers):
            states = layer(weights.layer(number), states, bias, arithmetic.rounded)
    return states


def _product(operand: Rounding, x: Array, weight: Array, bias: Array) -> Array:
    return linear(operand(x), weight, bias)


def rounded_weights(arithmetic: Arithmetic, weights: BertWeights) -> BertWeights:
    """The weights as the arithmetic has them, in float32; the word embeddings are rounded with `input_ids`' rows."""

    def rounded(name: str, tensor: Array) -> Array:
        if tensor.ndim < 2:
            return arithmetic.vector(tensor)
        return (arithmetic.table if name.startswith("embeddings.") else arithmetic.matrix)(tensor)

    return BertWeights(weights.config, {name: rounded(name, tensor) for name, tensor in weights.items()})
