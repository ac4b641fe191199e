"""The activation classes of torch.nn that a Dense module may name, each with its constructor's defaults.

Constants are the defaults of torch.nn's documentation. Every function maps `(rows, features)` in any float dtype.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from refimpl.bert.ops import gelu, relu, sigmoid, silu, softmax
from refimpl.common.types import Array

Activation = Callable[[Array], Array]
SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946
"""Klambauer et al. 2017, section 2: the fixed point of mean 0 and variance 1."""
SLOPE = 0.01
RANDOM_SLOPE = (1 / 8 + 1 / 3) / 2
"""Of RReLU outside training: the mean of its range."""
LAMBDA = 0.5
LINEAR_ABOVE = 20.0
"""Where torch's Softplus returns its input."""


def identity(x: Array) -> Array:
    """The input."""
    return x


def relu6(x: Array) -> Array:
    """min(max(x, 0), 6)."""
    return np.clip(x, 0.0, 6.0)


def softplus(x: Array) -> Array:
    """log(1 + exp(x)); x itself above 20."""
    return np.where(x > LINEAR_ABOVE, x, np.logaddexp(0.0, x))


def mish(x: Array) -> Array:
    """X tanh(log(1 + exp(x))) (Misra 2019)."""
    return x * np.tanh(np.logaddexp(0.0, x))


def elu(x: Array) -> Array:
    """X above 0, else exp(x) - 1 (Clevert et al. 2015); CELU with its default alpha, 1, is the same."""
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0.0)))


def selu(x: Array) -> Array:
    """The scaled ELU."""
    return SELU_SCALE * np.where(x > 0, x, SELU_ALPHA * np.expm1(np.minimum(x, 0.0)))


def leaky_relu(x: Array, slope: float = SLOPE) -> Array:
    """X above 0, else `slope` times x."""
    return np.where(x > 0, x, slope * x)


def hardshrink(x: Array) -> Array:
    """X beyond 0.5 on either side, else 0."""
    return np.where(np.abs(x) > LAMBDA, x, 0.0)


def softshrink(x: Array) -> Array:
    """X moved by 0.5 towards 0, which it does not pass."""
    return np.sign(x) * np.maximum(np.abs(x) - LAMBDA, 0.0)


def log_softmax(x: Array) -> Array:
    """The logarithm of the softmax over features."""
    shifted = x - x.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def glu(x: Array) -> Array:
    """The first half of the features times the sigmoid of the second (Dauphin et al. 2016, section 2)."""
    first, second = np.split(x, 2, axis=-1)
    return first * sigmoid(second)


ACTIVATIONS: dict[str, Activation] = {
    "CELU": elu,
    "ELU": elu,
    "GELU": gelu,
    "GLU": glu,
    "Hardshrink": hardshrink,
    "Hardsigmoid": lambda x: relu6(x + 3.0) / 6.0,
    "Hardswish": lambda x: x * relu6(x + 3.0) / 6.0,
    "Hardtanh": lambda x: np.clip(x, -1.0, 1.0),
    "Identity": identity,
    "LeakyReLU": leaky_relu,
    "LogSigmoid": lambda x: -np.logaddexp(0.0, -x),
    "LogSoftmax": log_softmax,
    "Mish": mish,
    "RReLU": partial(leaky_relu, slope=RANDOM_SLOPE),
    "ReLU": relu,
    "ReLU6": relu6,
    "SELU": selu,
    "SiLU": silu,
    "Sigmoid": sigmoid,
    "Softmax": softmax,
    "Softmin": lambda x: softmax(-x),
    "Softplus": softplus,
    "Softshrink": softshrink,
    "Softsign": lambda x: x / (1.0 + np.abs(x)),
    "Tanh": np.tanh,
    "Tanhshrink": lambda x: x - np.tanh(x),
}
"""Classes by name. Left out: MultiheadAttention, PReLU and Threshold, which have parameters; Softmax2d, for images."""
PACKAGES = ("torch.nn", "torch.nn.modules", "torch.nn.modules.activation")


def torch_activation(name: str) -> Activation | None:
    """The function of a class by its full name, None for any other."""
    package, _, short = name.rpartition(".")
    published = package in PACKAGES or name == "torch.nn.modules.linear.Identity"
    return ACTIVATIONS.get(short) if published and name != "torch.nn.modules.activation.Identity" else None
