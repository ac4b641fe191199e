"""The arithmetic of a transformer, one pure function of arrays per operation, in any float dtype.

Every function returns its input's dtype: float32 stays float32, float64 is the oracle.
"""

from collections.abc import Callable
from math import pi, sqrt

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import erf, expit

from refimpl.common.types import Array

Hidden = Float[Array, "batch seq hidden"]
Heads = Float[Array, "batch heads seq head_dim"]


def linear(
    x: Float[Array, "*rows in_features"],
    weight: Float[Array, "out_features in_features"],
    bias: Float[Array, "out_features"],
) -> Float[Array, "*rows out_features"]:
    """Affine map x W^T + b, with W as published: one row per output feature."""
    rows = x.reshape(-1, x.shape[-1])  # one product of matrices: numpy computes x @ W^T of a stack matrix by matrix
    return (rows @ weight.T + bias).reshape(*x.shape[:-1], len(weight))


def layer_norm(
    x: Float[Array, "*rows features"], weight: Float[Array, "features"], bias: Float[Array, "features"], eps: float
) -> Float[Array, "*rows features"]:
    """Layer normalisation over the last axis, with the biased variance (Ba et al. 2016, eq. 4).

    eps is inside the square root and is the model's: 1e-12 for BERT, not PyTorch's 1e-5.
    """
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = np.mean(centred * centred, axis=-1, keepdims=True)
    return centred / np.sqrt(variance + eps) * weight + bias


def split_heads(x: Hidden, heads: int) -> Heads:
    """`(batch, seq, hidden)` to `(batch, heads, seq, head_dim)`: head h holds features h*head_dim onwards."""
    batch, seq, hidden = x.shape
    return x.reshape(batch, seq, heads, hidden // heads).transpose(0, 2, 1, 3)


def merge_heads(x: Heads) -> Hidden:
    """The inverse of `split_heads`."""
    batch, heads, seq, head_dim = x.shape
    return x.transpose(0, 2, 1, 3).reshape(batch, seq, heads * head_dim)


def rms_norm(x: Float[Array, "*rows features"], weight: Float[Array, "features"], eps: float) -> Array:
    """Root-mean-square normalisation over the last axis (Zhang and Sennrich 2019, eq. 4): no mean, no shift."""
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps) * weight


def softmax(x: Float[Array, "*rows n"]) -> Float[Array, "*rows n"]:
    """Softmax over the last axis, less the maximum, so that exp does not overflow; one entry must be finite."""
    exponentials = np.exp(x - x.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def attention_bias(attention_mask: Bool[Array, "batch seq"], dtype: np.dtype) -> Float[Array, "batch 1 1 seq"]:
    """0 for a real token and -inf for padding, to be added to the attention scores of every head and query.

    exp(-inf) is exactly 0, so padding gets no attention; no row is fully masked, since every text has a token.
    """
    return np.where(attention_mask, 0.0, -np.inf).astype(dtype)[:, None, None, :]


def gelu(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """GELU with erf, x Phi(x) (Hendrycks and Gimpel 2016, section 2), not its tanh approximation."""
    return 0.5 * x * (1.0 + erf(x / sqrt(2.0)))


def gelu_new(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """GELU by its tanh approximation (Hendrycks and Gimpel 2016, section 2), as in GPT-2 and ALBERT."""
    return 0.5 * x * (1.0 + np.tanh(sqrt(2.0 / pi) * (x + 0.044715 * x * x * x)))


def relu(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """max(x, 0) (Nair and Hinton 2010)."""
    return np.maximum(x, 0.0)


def silu(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The sigmoid-weighted x, x sigmoid(x) (Elfwing et al. 2018), also called swish."""
    return x * expit(x)


def quick_gelu(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """GELU by its sigmoid approximation, x sigmoid(1.702 x) (Hendrycks and Gimpel 2016, section 2), as in CLIP."""
    return x * expit(1.702 * x)


def sigmoid(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """1 / (1 + exp(-x)), without overflow."""
    return expit(x)


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "gelu": gelu,
    "gelu_new": gelu_new,
    "gelu_pytorch_tanh": gelu_new,
    "quick_gelu": quick_gelu,
    "relu": relu,
    "silu": silu,
    "swish": silu,
}
"""Published names of `hidden_act` in config.json."""
