"""Products and element-wise steps of the packed forward, on arrays of token columns (`bert/packed.py`)."""

from collections.abc import Callable, Sequence
from functools import cache
from math import gcd, pi, sqrt
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from threadpoolctl import threadpool_info

from refimpl.bert.config import BertConfig
from refimpl.bert.ops import ACTIVATIONS
from refimpl.bert.packed_layer import Column, Columns, Norm
from refimpl.bert.positions import rotary_angles
from refimpl.common.types import Array

BLOCK = 1 << 16  # elements per block of element-wise work
FEW_TOKENS = 20  # up to here products without a copy are faster, where OpenBLAS has kernels for them:
WITHOUT_COPY = frozenset({"SkylakeX", "Cooperlake", "SapphireRapids"})  # their names, all for AVX-512
RUN = 192  # features that these kernels sum at a time; 128 would be more accurate, and 3 % slower again
ROWS_PER_RUN = 384  # of a weight, so that a run's product is still in the cache when it is added
SOME_ROWS = 48  # at most, of a weight per product without a copy
MOST_DIRECT = 1_000_000  # multiplications per product without a copy, at most

Weight = Float[Array, "out in"]

ERF_OVER_SQRT2 = [7.978849415e-1, 3.633308458e-2, -3.259498079e-5, -5.530619118e-5, 3.964743931e-6]
ERF_OVER_SQRT2 += [-1.322633007e-7, 1.756169668e-9]
"""P of erf(x / sqrt(2)) = tanh(x P(x^2)), lowest power first; minimax on [0, 5.5] (data/regenerate/fit_erf.py)."""
Q = [np.float32(-2.0 * coefficient) for coefficient in ERF_OVER_SQRT2]  # (1 + tanh(z)) / 2 = 1 / (1 + exp(-2 z))


@cache
def few_tokens() -> int:
    """Up to how many tokens BLAS multiplies without copying the weights, by the kernels that it chose."""
    kernels = {library.get("architecture") for library in threadpool_info()}
    return 0 if WITHOUT_COPY.isdisjoint(kernels) else FEW_TOKENS


def product(weight: Weight, x: Float[Array, "in tokens"], out: Float[Array, "out tokens"]) -> None:
    """`out = weight @ x`, in products so small that OpenBLAS makes no copy where columns are contiguous."""
    if out.flags.f_contiguous:
        _product_without_copy(weight, x, out)
    elif few_tokens() and len(x) > RUN:
        _product_in_runs(weight, x, out)
    else:
        np.matmul(weight, x, out=out)


def _product_without_copy(weight: Weight, x: Float[Array, "in tokens"], out: Float[Array, "out tokens"]) -> None:
    rows = gcd(len(weight), SOME_ROWS)
    while rows * x.size > MOST_DIRECT and rows % 2 == 0:
        rows //= 2
    blocks = out.T.reshape(out.shape[1], -1, rows).transpose(1, 2, 0)
    np.matmul(weight.reshape(-1, rows, len(x)), x, out=blocks)


def _product_in_runs(weight: Weight, x: Float[Array, "in tokens"], out: Float[Array, "out tokens"]) -> None:
    partial = np.empty_like(out[:ROWS_PER_RUN])
    for start in range(0, len(out), ROWS_PER_RUN):
        rows, into = weight[start : start + ROWS_PER_RUN], out[start : start + ROWS_PER_RUN]
        np.matmul(rows[:, :RUN], x[:RUN], out=into)
        for run in range(RUN, len(x), RUN):
            np.matmul(rows[:, run : run + RUN], x[run : run + RUN], out=partial[: len(into)])
            into += partial[: len(into)]


class Rotation(NamedTuple):
    """Cosine and sine of each token's angles, `(head_dim / 2, tokens)`."""

    cos: Array
    sin: Array


def rotation(config: BertConfig, layer: int, positions: Int[Array, "tokens"]) -> Rotation:
    """The rotary embedding of a layer, its angles in float64."""
    angles = rotary_angles(config, layer, positions).T
    return Rotation(np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32))


def rotate_columns(x: Columns, head_dim: int, rotated: Rotation) -> None:
    """Rotate feature i of every head with feature i + head_dim / 2, in place."""
    cos, sin = rotated
    scratch = [np.empty_like(cos) for _ in range(2)]
    for head in range(0, len(x), head_dim):
        first, second = x[head : head + head_dim // 2], x[head + head_dim // 2 : head + head_dim]
        np.multiply(first, sin, out=scratch[0])
        np.multiply(second, sin, out=scratch[1])
        first *= cos
        first -= scratch[1]
        second *= cos
        second += scratch[0]


def add_and_norm(x: Columns, residual: Columns, bias: Column | None, branch: Norm | None, after: Norm | None) -> None:
    """`x = after(x + branch(residual + bias))`, in place; `residual` is overwritten."""
    if branch is None:
        x += residual
        if bias is not None:
            x += bias
    else:
        if bias is not None:
            residual += bias
        normalize(residual, branch, np.empty_like(residual))
        x += residual
    if after is not None:
        normalize(x, after, residual)


def normed(x: Columns, by: Norm | None, out: Columns | None) -> Columns:
    """The norm of `x`, in `out` if it is an array; `x` itself without a norm."""
    if by is None:
        return x
    if out is None:
        out = np.empty_like(x)
    np.copyto(out, x)
    normalize(out, by, np.empty_like(out))
    return out


def normalize(x: Columns, by: Norm, scratch: Columns) -> None:
    """`x` normalised down its columns, in place; `scratch` is overwritten."""
    if by.centred:
        x -= column_means(x).astype(np.float32)
    np.square(x, out=scratch)
    x /= np.sqrt(column_means(scratch) + by.eps).astype(np.float32)
    x *= by.weight
    if by.shift is not None:
        x += by.shift


def column_means(x: Columns) -> Float[Array, "tokens"]:
    """The mean of each column, float64: sums of at most eight numbers in float32, of those in float64.

    An error here moves a whole token, unlike one of a single feature. Summing all in float64 takes twice as long.
    """
    parts = x if x.flags.f_contiguous else np.add.reduce(x.reshape(gcd(len(x), 8), -1, x.shape[1]), axis=0)
    summed: Array = np.add.reduce(parts, axis=0, dtype=np.float64)
    return summed / len(x)


def activate(x: Float[Array, "wide tokens"], bias: Column | None, hidden_act: str) -> None:
    """`x = activation(x + bias)`, in place, by `IN_PLACE` where it has the activation."""
    activation = IN_PLACE.get(hidden_act) or _in_place(ACTIVATIONS[hidden_act])
    rows = max(1, BLOCK // x.shape[1])
    scratch = [np.empty_like(x[:rows]) for _ in range(2)]
    with np.errstate(over="ignore"):  # exp overflows to infinity for x far below 0, and x / infinity is 0
        for some in (slice(start, start + rows) for start in range(0, len(x), rows)):
            block = x[some]
            if bias is not None:
                block += bias[some]
            activation(block, [each[: len(block)] for each in scratch])


def gelu(x: Array, scratch: Sequence[Array]) -> None:
    """`x = x Phi(x)`, in place; `scratch` is two arrays of its shape. Phi is within 2e-7 of the exact one."""
    square, exponential = scratch
    np.square(x, out=square)
    np.multiply(square, Q[-1], out=exponential)
    for coefficient in Q[-2:0:-1]:
        exponential += coefficient
        exponential *= square
    exponential += Q[0]
    exponential *= x
    _divide(x, exponential)


def silu(x: Array, scratch: Sequence[Array]) -> None:
    """`x = x sigmoid(x)`, in place."""
    exponential = scratch[0]
    np.negative(x, out=exponential)
    _divide(x, exponential)


def gelu_new(x: Array, scratch: Sequence[Array]) -> None:
    """`x = x (1 + tanh(z)) / 2`, in place, as x / (1 + exp(-2 z)), z = sqrt(2 / pi) (x + 0.044715 x^3)."""
    exponential = scratch[0]
    np.square(x, out=exponential)
    exponential *= np.float32(-2.0 * 0.044715 * sqrt(2.0 / pi))
    exponential -= np.float32(2.0 * sqrt(2.0 / pi))
    exponential *= x
    _divide(x, exponential)


def _divide(x: Array, exponent: Array) -> None:
    """`x /= 1 + exp(exponent)`; the exponent is overwritten."""
    np.exp(exponent, out=exponent)
    exponent += 1.0
    x /= exponent


IN_PLACE = {
    "gelu": gelu,
    "gelu_new": gelu_new,
    "gelu_pytorch_tanh": gelu_new,
    "silu": silu,
    "swish": silu,
}
"""Activations in place by numpy's vectorised exp, several times as fast as scipy's erf and expit and numpy's tanh."""


def _in_place(activation: Callable[[Array], Array]) -> Callable[[Array, Sequence[Array]], None]:
    def run(x: Array, scratch: Sequence[Array]) -> None:
        x[...] = activation(x)

    return run
