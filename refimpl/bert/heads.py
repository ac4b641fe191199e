"""What is read off the last hidden state: pooled vectors, masked-LM logits, a classifier's logits."""

import numpy as np
from jaxtyping import Bool, Float, Int

from refimpl.bert.forward import Hidden
from refimpl.bert.ops import ACTIVATIONS, Array, layer_norm, linear
from refimpl.bert.weights import BertWeights

Mask = Bool[Array, "batch seq"]
Pooled = Float[Array, "batch hidden"]


def mean_pool(hidden_states: Hidden, attention_mask: Mask) -> Pooled:
    """Mean over real tokens, [CLS] and [SEP] among them, never over padding (Reimers and Gurevych 2019, section 3)."""
    mask = attention_mask[:, :, None]
    return np.sum(hidden_states * mask, axis=1, dtype=hidden_states.dtype) / mask.sum(axis=1).astype(
        hidden_states.dtype
    )


def mean_pool_packed(
    hidden_states: Float[Array, "tokens hidden"], lengths: Int[Array, "texts"]
) -> Float[Array, "texts hidden"]:
    """Mean over each text's tokens in the packed layout; summed and returned in float64."""
    starts = np.cumsum(lengths) - lengths
    return np.add.reduceat(hidden_states, starts, axis=0, dtype=np.float64) / lengths[:, None]


def cls_pool(hidden_states: Hidden, attention_mask: Mask) -> Pooled:
    """The first token, [CLS]."""
    return hidden_states[:, 0]


def max_pool(hidden_states: Hidden, attention_mask: Mask) -> Pooled:
    """Maximum over real tokens, feature by feature."""
    return np.where(attention_mask[:, :, None], hidden_states, -np.inf).max(axis=1).astype(hidden_states.dtype)


def l2_normalize(x: Float[Array, "*rows features"]) -> Float[Array, "*rows features"]:
    """Each row over its Euclidean length; a row shorter than 1e-12 is divided by 1e-12, as torch's `normalize` does."""
    length = np.sqrt(np.sum(x * x, axis=-1, keepdims=True))
    return x / np.maximum(length, 1e-12)


def pooler(weights: BertWeights, hidden_states: Hidden) -> Pooled:
    """Tanh of an affine map of [CLS] (Devlin et al. 2019; `pooler.dense` in the published weights)."""
    return np.tanh(linear(hidden_states[:, 0], *weights.affine("pooler.dense")))


def classifier_logits(weights: BertWeights, pooled: Pooled) -> Float[Array, "batch labels"]:
    """An affine map of the pooled vector (`classifier`)."""
    return linear(pooled, *weights.affine("classifier"))


def sequence_logits(weights: BertWeights, hidden_states: Hidden) -> Float[Array, "batch labels"]:
    """A sequence classifier's logits, read off [CLS].

    BERT: `classifier` on the pooler's output (Devlin et al. 2019, section 4.1). RoBERTa, which has no pooler: tanh of
    `classifier.dense`, then `classifier.out_proj`. Raises ValueError when the weights hold neither.
    """
    if "classifier.out_proj.weight" in weights:
        dense = np.tanh(linear(hidden_states[:, 0], *weights.affine("classifier.dense")))
        return linear(dense, *weights.affine("classifier.out_proj"))
    if "classifier.weight" not in weights or "pooler.dense.weight" not in weights:
        raise ValueError("these weights have no classifier on a pooler, so they score no pairs: take a cross-encoder's")
    return classifier_logits(weights, pooler(weights, hidden_states))


def masked_lm_logits(weights: BertWeights, hidden_states: Float[Array, "*rows hidden"]) -> Float[Array, "*rows vocab"]:
    """Transform, activation, layer norm, then the decoder, which is tied to the word embeddings unless it has its own.

    The result is as wide as the vocabulary: hand in tiles of rows, not whole batches.
    """
    return linear(masked_lm_transform(weights, hidden_states), *masked_lm_decoder(weights))


def masked_lm_transform(
    weights: BertWeights, hidden_states: Float[Array, "*rows hidden"]
) -> Float[Array, "*rows embedding"]:
    """What the masked-LM decoder multiplies: a dense map, the activation, layer norm (`cls.predictions.transform`)."""
    config = weights.config
    transformed = ACTIVATIONS[config.hidden_act](
        linear(hidden_states, *weights.affine("cls.predictions.transform.dense"))
    )
    return layer_norm(transformed, *weights.affine("cls.predictions.transform.LayerNorm"), eps=config.layer_norm_eps)


def masked_lm_decoder(weights: BertWeights) -> tuple[Float[Array, "vocab hidden"], Float[Array, "vocab"]]:
    """The masked-LM head's last map: the word embeddings unless it has its own, and a bias; ValueError without one."""
    decoder = weights.get("cls.predictions.decoder.weight", weights["embeddings.word_embeddings.weight"])
    bias = weights.get("cls.predictions.bias", weights.get("cls.predictions.decoder.bias"))
    if bias is None:
        raise ValueError("these weights have no masked-LM head: cls.predictions.bias is missing")
    return decoder, bias
