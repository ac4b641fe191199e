"""BERT's encoder as the paper has it: embed, then N times attend, add and norm, feed forward, add and norm.

Devlin et al. 2019 on top of Vaswani et al. 2017, post-norm. Read it from the bottom up: `forward` calls
`encoder_layer`, which calls `self_attention`. What it does not do: dropout (this is inference), caches, files, texts,
or anything for speed (`bert/packed.py` is for that).

Every intermediate has a name of the field; `forward(..., trace=True)` returns them all. Names are
`embeddings.*`, then `layer.0.query` ... `layer.5.hidden_states`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import sqrt

import numpy as np
from jaxtyping import Bool, Float, Int

from refimpl.bert.architectures import project, relative_position_bias
from refimpl.bert.config import BertConfig
from refimpl.bert.ops import ACTIVATIONS, Array, attention_bias, layer_norm, linear, softmax
from refimpl.bert.weights import BertWeights

Hidden = Float[Array, "batch seq hidden"]
Heads = Float[Array, "batch heads seq head_dim"]
Ids = Int[Array, "batch seq"]
Note = Callable[[str, Array], Array]
"""Takes an intermediate's name and value, and returns the value."""
Block = Callable[[BertWeights, Hidden, Array, Note], Hidden]
"""Takes a layer's weights, its input, the attention bias and a note; returns the layer's output."""


@dataclass(frozen=True)
class Forward:
    """What a forward pass returns: the last hidden state and, when it was traced, every intermediate by name."""

    last_hidden_state: Hidden
    trace: dict[str, Array] = field(default_factory=dict)


def embed(weights: BertWeights, input_ids: Ids, token_type_ids: Ids, note: Note) -> Hidden:
    """Sum of word, position and token type (segment) embeddings, then layer norm (Devlin et al. 2019, figure 2)."""
    first = weights.config.first_position
    positions = slice(first, first + input_ids.shape[1])
    word = note("word_embeddings", weights["embeddings.word_embeddings.weight"][input_ids])
    position = note("position_embeddings", weights["embeddings.position_embeddings.weight"][None, positions])
    token_type = note("token_type_embeddings", weights["embeddings.token_type_embeddings.weight"][token_type_ids])
    summed = note("sum", word + token_type + position)
    norm = weights.affine("embeddings.LayerNorm")
    embedded = layer_norm(summed, *norm, eps=weights.config.layer_norm_eps)
    return note("hidden_states", project(weights, embedded))


def split_heads(x: Hidden, heads: int) -> Heads:
    """`(batch, seq, hidden)` to `(batch, heads, seq, head_dim)`: head h holds features h*head_dim onwards."""
    batch, seq, hidden = x.shape
    return x.reshape(batch, seq, heads, hidden // heads).transpose(0, 2, 1, 3)


def merge_heads(x: Heads) -> Hidden:
    """`split_heads` undone."""
    batch, heads, seq, head_dim = x.shape
    return x.transpose(0, 2, 1, 3).reshape(batch, seq, heads * head_dim)


def self_attention(layer: BertWeights, hidden_states: Hidden, bias: Array, note: Note) -> Hidden:
    """softmax(Q K^T / sqrt(head_dim) + bias) V, head by head (Vaswani et al. 2017, eq. 1 and section 3.2.2)."""
    heads = layer.config.num_attention_heads
    query, key, value = (
        note(name, split_heads(linear(hidden_states, *layer.affine(f"attention.self.{name}")), heads))
        for name in ("query", "key", "value")
    )
    attention_scores = note("attention_scores", query @ key.swapaxes(-1, -2) / sqrt(query.shape[-1]) + bias)
    attention_probs = note("attention_probs", softmax(attention_scores))
    return note("context", merge_heads(attention_probs @ value))


def encoder_layer(layer: BertWeights, hidden_states: Hidden, bias: Array, note: Note) -> Hidden:
    """One post-norm block: x = norm(x + attention(x)), x = norm(x + feed_forward(x)) (Vaswani et al. 2017, 3.1)."""
    eps = layer.config.layer_norm_eps
    context = self_attention(layer, hidden_states, bias, note)
    attention_dense = note("attention_dense", linear(context, *layer.affine("attention.output.dense")))
    attention_norm = layer.affine("attention.output.LayerNorm")
    attention_output = note("attention_output", layer_norm(hidden_states + attention_dense, *attention_norm, eps=eps))

    activation = ACTIVATIONS[layer.config.hidden_act]
    intermediate_dense = note("intermediate_dense", linear(attention_output, *layer.affine("intermediate.dense")))
    intermediate = note("intermediate", activation(intermediate_dense))
    output_dense = note("output_dense", linear(intermediate, *layer.affine("output.dense")))
    return note(
        "hidden_states", layer_norm(attention_output + output_dense, *layer.affine("output.LayerNorm"), eps=eps)
    )


def forward(
    weights: BertWeights,
    input_ids: Ids,
    attention_mask: Bool[Array, "batch seq"] | Ids,
    token_type_ids: Ids,
    *,
    trace: bool = False,
    block: Block = encoder_layer,
) -> Forward:
    """Hidden states of a padded batch, in the dtype of `weights`; True or 1 in the mask is a token.

    `trace=True` also keeps every intermediate: about 25 arrays a layer's worth of memory, so give it few texts.
    `block` computes a layer; another one than the paper's is for those who look for a fault (`oracle/diagnosis`).
    Raises ValueError for a sequence longer than the position table or an id outside the vocabulary.
    """
    check_ids(weights.config, input_ids, token_type_ids, longest=input_ids.shape[1])
    kept: dict[str, Array] = {}
    hidden_states = embed(weights, input_ids, token_type_ids, _noting(kept, "embeddings.", trace))
    bias = attention_bias(attention_mask.astype(bool), hidden_states.dtype)
    if (by_position := relative_position_bias(weights, input_ids.shape[1])) is not None:
        bias = bias + by_position
    for i in range(weights.config.num_hidden_layers):
        hidden_states = block(weights.layer(i), hidden_states, bias, _noting(kept, f"layer.{i}.", trace))
    return Forward(hidden_states, kept)


def check_ids(config: BertConfig, input_ids: Array, token_type_ids: Array, longest: int) -> None:
    """Raise ValueError for ids or a length that the embedding tables do not hold; numpy would wrap negative ids."""
    if longest > config.longest_text:
        raise ValueError(f"{longest} tokens exceed the model's {config.longest_text} positions: truncate")
    for name, ids, size in (
        ("input_ids", input_ids, config.vocab_size),
        ("token_type_ids", token_type_ids, config.type_vocab_size),
    ):
        if ids.size and (ids.min() < 0 or ids.max() >= size):
            raise ValueError(f"{name} must lie in [0, {size}), got {ids.min()} to {ids.max()}")


def _noting(kept: dict[str, Array], prefix: str, trace: bool) -> Note:
    def note(name: str, value: Array) -> Array:
        if trace:
            kept[prefix + name] = np.asarray(value)
        return value

    return note
