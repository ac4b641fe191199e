"""BERT's encoder in the paper's order: embed, then N times attend, add and norm, feed forward, add and norm.

Devlin et al. 2019 on top of Vaswani et al. 2017, post-norm. Read it from the bottom up: `forward` calls
`encoder_layer`, which calls `self_attention`. Out of scope: dropout (this is inference), caches, files, texts,
and speed (see `bert/packed.py`).

Every intermediate has a name of the field; `forward(..., trace=True)` returns them all. Names are
`embeddings.*`, then `layer.0.query` ... `layer.5.hidden_states`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import sqrt

import numpy as np
from jaxtyping import Bool, Int

from refimpl.bert import blocks
from refimpl.bert.blocks import Record
from refimpl.bert.config import BertConfig
from refimpl.bert.ops import (
    ACTIVATIONS,
    Hidden,
    attention_bias,
    layer_norm,
    linear,
    merge_heads,
    softmax,
    split_heads,
)
from refimpl.bert.weights import BertWeights
from refimpl.common.types import Array

Ids = Int[Array, "batch seq"]
Block = Callable[[BertWeights, Hidden, Array, Record], Hidden]
"""Takes a layer's weights, its input, the attention bias and a `record`; returns the layer's output."""
Embed = Callable[[BertWeights, Ids, Ids, Record], Hidden]
"""Takes the weights, input_ids, token_type_ids and a `record`; returns the first layer's input."""


@dataclass(frozen=True)
class Forward:
    """What a forward pass returns: the last hidden state and, when it was traced, every intermediate by name."""

    last_hidden_state: Hidden
    trace: dict[str, Array] = field(default_factory=dict)


def embed(weights: BertWeights, input_ids: Ids, token_type_ids: Ids, record: Record) -> Hidden:
    """Sum of word, position and token type (segment) embeddings, then layer norm (Devlin et al. 2019, figure 2)."""
    first = weights.config.first_position
    positions = slice(first, first + input_ids.shape[1])
    word = record("word_embeddings", weights["embeddings.word_embeddings.weight"][input_ids])
    position = record("position_embeddings", weights["embeddings.position_embeddings.weight"][None, positions])
    token_type = record("token_type_embeddings", weights["embeddings.token_type_embeddings.weight"][token_type_ids])
    summed = record("sum", word + token_type + position)
    embedded = layer_norm(summed, *weights.affine("embeddings.LayerNorm"), eps=weights.config.layer_norm_eps)
    return record("hidden_states", blocks.project(weights, embedded))


def self_attention(layer: BertWeights, hidden_states: Hidden, bias: Array, record: Record) -> Hidden:
    """softmax(Q K^T / sqrt(head_dim) + bias) V, head by head (Vaswani et al. 2017, eq. 1 and section 3.2.2)."""
    heads = layer.config.num_attention_heads
    query, key, value = (
        record(name, split_heads(linear(hidden_states, *layer.affine(f"attention.self.{name}")), heads))
        for name in ("query", "key", "value")
    )
    attention_scores = record("attention_scores", query @ key.swapaxes(-1, -2) / sqrt(query.shape[-1]) + bias)
    attention_probs = record("attention_probs", softmax(attention_scores))
    return record("context", merge_heads(attention_probs @ value))


def encoder_layer(layer: BertWeights, hidden_states: Hidden, bias: Array, record: Record) -> Hidden:
    """One post-norm block: x = norm(x + attention(x)), x = norm(x + feed_forward(x)) (Vaswani et al. 2017, 3.1)."""
    eps = layer.config.layer_norm_eps
    context = self_attention(layer, hidden_states, bias, record)
    attention_dense = record("attention_dense", linear(context, *layer.affine("attention.output.dense")))
    attention_norm = layer.affine("attention.output.LayerNorm")
    attention_output = record("attention_output", layer_norm(hidden_states + attention_dense, *attention_norm, eps=eps))

    activation = ACTIVATIONS[layer.config.hidden_act]
    intermediate_dense = record("intermediate_dense", linear(attention_output, *layer.affine("intermediate.dense")))
    intermediate = record("intermediate", activation(intermediate_dense))
    output_dense = record("output_dense", linear(intermediate, *layer.affine("output.dense")))
    return record(
        "hidden_states", layer_norm(attention_output + output_dense, *layer.affine("output.LayerNorm"), eps=eps)
    )


def forward(
    weights: BertWeights,
    input_ids: Ids,
    attention_mask: Bool[Array, "batch seq"] | Ids,
    token_type_ids: Ids,
    *,
    trace: bool = False,
    block: Block | None = None,
    embedding: Embed | None = None,
) -> Forward:
    """Hidden states of a padded batch, in the dtype of `weights`; True or 1 in the mask is a token.

    `trace=True` also keeps every intermediate: about 12 arrays per layer, so pass few texts.
    `block` computes a layer and `embedding` the first one's input, by default as the architecture does; diagnosis
    passes variants (`refimpl/diagnosis/faults.py`).
    Raises ValueError for a sequence longer than the position table or an id outside the vocabulary.
    """
    config = weights.config
    check_ids(config, input_ids, token_type_ids, longest=input_ids.shape[1])
    kept: dict[str, Array] = {}
    paper = config.is_bert  # or another architecture's embeddings and layer
    embedding = embedding or (embed if paper else blocks.embed)
    hidden_states = embedding(weights, input_ids, token_type_ids, _recorder(kept, "embeddings.", trace))
    biases = blocks.attention_biases(weights, attention_bias(attention_mask.astype(bool), hidden_states.dtype))
    layer = block or (encoder_layer if paper else blocks.encoder_layer)
    for i in range(config.num_hidden_layers):
        record = _recorder(kept, f"layer.{i}.", trace)
        hidden_states = layer(weights.layer(i), hidden_states, biases[config.window(i)], record)
    return Forward(blocks.norm(weights, blocks.FINAL, hidden_states), kept)


def check_ids(config: BertConfig, input_ids: Array, token_type_ids: Array, longest: int) -> None:
    """Raise ValueError for ids outside the embedding tables or too long a sequence; numpy would wrap negative ids."""
    if longest > config.longest_text:
        raise ValueError(f"{longest} tokens exceed the model's {config.longest_text} positions: truncate")
    for name, ids, size in (
        ("input_ids", input_ids, config.vocab_size),
        ("token_type_ids", token_type_ids, config.type_vocab_size),
    ):
        if ids.size and (ids.min() < 0 or ids.max() >= size):
            raise ValueError(f"{name} must lie in [0, {size}), got {ids.min()} to {ids.max()}")


def _recorder(kept: dict[str, Array], prefix: str, trace: bool) -> Record:
    def record(name: str, value: Array) -> Array:
        if trace:
            kept[prefix + name] = np.asarray(value)
        return value

    return record
