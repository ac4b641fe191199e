"""Heads on the last hidden state: pooled vectors, masked-LM logits, a classifier's logits."""

import numpy as np
from jaxtyping import Bool, Float, Int

from refimpl.bert.ops import ACTIVATIONS, Hidden, layer_norm, linear, relu
from refimpl.bert.weights import BertWeights
from refimpl.common.types import Array

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
    """A sequence classifier's logits, computed from [CLS].

    BERT: `classifier` on the pooler's output (Devlin et al. 2019, section 4.1). RoBERTa, which has no pooler: tanh of
    `classifier.dense`, then `classifier.out_proj`. DistilBERT: relu of `classifier.dense`. ModernBERT: `classifier` on
    its masked-LM head's first steps, from [CLS] or the mean (`classifier_input`). Raises ValueError when the weights
    have none of these.
    """
    if "classifier.out_proj.weight" in weights:
        dense = np.tanh(linear(hidden_states[:, 0], *weights.affine("classifier.dense")))
        return linear(dense, *weights.affine("classifier.out_proj"))
    if "classifier.weight" in weights and weights.config.model_type == "modernbert":
        return classifier_logits(weights, masked_lm_transform(weights, hidden_states[:, 0]))
    if "classifier.weight" in weights and "classifier.dense.weight" in weights:
        return classifier_logits(weights, relu(linear(hidden_states[:, 0], *weights.affine("classifier.dense"))))
    if "classifier.weight" not in weights or "pooler.dense.weight" not in weights:
        raise ValueError("these weights have no classifier on a pooler, so they score no pairs: load a cross-encoder")
    return classifier_logits(weights, pooler(weights, hidden_states))


def classifier_input(
    weights: BertWeights, hidden_states: Float[Array, "tokens hidden"], lengths: Int[Array, "texts"]
) -> Float[Array, "texts 1 hidden"]:
    """The states from which `sequence_logits` computes, of packed texts: each text's first, or the mean of all."""
    if weights.config.classifier_pooling == "mean":
        return mean_pool_packed(hidden_states, lengths).astype(hidden_states.dtype)[:, None]
    return hidden_states[np.cumsum(lengths) - lengths][:, None]


def has_masked_lm_head(weights: BertWeights) -> bool:
    """Whether the weights have all of a masked-LM head.

    A decoder without a bias has no tensor of its own: there, a classifier has the head's first steps.
    """
    biases = ("cls.predictions.bias", "cls.predictions.decoder.bias")
    has_bias = "decoder" in weights.config.biases
    decodes = any(name in weights for name in biases) if has_bias else "classifier.weight" not in weights
    return decodes and "cls.predictions.transform.dense.weight" in weights


def masked_lm_logits(weights: BertWeights, hidden_states: Float[Array, "*rows hidden"]) -> Float[Array, "*rows vocab"]:
    """Transform, activation, layer norm, then the decoder, which is tied to the word embeddings unless it has its own.

    The result has a column per vocabulary entry: pass tiles of rows, not whole batches.
    """
    return linear(masked_lm_transform(weights, hidden_states), *masked_lm_decoder(weights))


def masked_lm_transform(
    weights: BertWeights, hidden_states: Float[Array, "*rows hidden"]
) -> Float[Array, "*rows embedding"]:
    """Input of the masked-LM decoder: a dense map, the activation, layer norm (`cls.predictions.transform`)."""
    config = weights.config
    transformed = ACTIVATIONS[config.head_act or config.hidden_act](
        linear(hidden_states, *weights.affine("cls.predictions.transform.dense"))
    )
    return layer_norm(transformed, *weights.affine("cls.predictions.transform.LayerNorm"), eps=config.layer_norm_eps)


def masked_lm_decoder(weights: BertWeights) -> tuple[Float[Array, "vocab hidden"], Float[Array, "vocab"]]:
    """The masked-LM head's last map: the word embeddings unless it has its own, and a bias; ValueError without one.

    The bias is 0 in models that have none there (`decoder` in `config.biases`).
    """
    decoder = weights.get("cls.predictions.decoder.weight", weights["embeddings.word_embeddings.weight"])
    bias = weights.get("cls.predictions.bias", weights.get("cls.predictions.decoder.bias"))
    if bias is None and "decoder" in weights.config.biases:
        raise ValueError("these weights have no masked-LM head: cls.predictions.bias is missing")
    return decoder, np.zeros(len(decoder), decoder.dtype) if bias is None else bias


def next_token_logits(
    weights: BertWeights, last_states: Float[Array, "texts hidden"], token_ids: Int[Array, "ids"]
) -> Float[Array, "texts ids"]:
    """Logits of some ids for the token after each text, by the tied head of a decoder such as Qwen3-Reranker.

    `last_states` are the hidden states of each text's last token. Qwen3-Reranker's score of a pair is the softmax over
    the ids of "no" and "yes", at "yes" (Zhang et al. 2025, section 2).
    """
    return last_states @ weights["embeddings.word_embeddings.weight"][token_ids].T
