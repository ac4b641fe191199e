"""One encoder layer with any of its steps varied, by default the paper's: `bert.forward.encoder_layer`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import sqrt

import numpy as np

from refimpl.bert.blocks import Record
from refimpl.bert.config import BertConfig
from refimpl.bert.ops import (
    ACTIVATIONS,
    Heads,
    Hidden,
    layer_norm,
    linear,
    merge_heads,
    softmax,
    split_heads,
)
from refimpl.bert.weights import BertWeights
from refimpl.common.types import Array

FEED_FORWARD = frozenset({"output_join", "output_norm", "activation"})  # fields of the second sublayer
ATTENTION_NORM, OUTPUT_NORM = "attention.output.LayerNorm", "output.LayerNorm"

Norm = Callable[[Array, Array, Array, float], Array]
"""Takes x, weight, bias and eps."""
Map = Callable[[Hidden], Hidden]
Join = Callable[[Hidden, Map, Map], Hidden]
"""Takes the input x, the sublayer and the normalisation; returns the output: norm(x + sublayer(x)) in the paper."""
Replace = Callable[[BertWeights], Mapping[str, Array]]
"""Takes a layer's weights; returns the tensors that it replaces, by their names in the layer."""


def post_norm(x: Hidden, sublayer: Map, norm: Map) -> Hidden:
    """norm(x + sublayer(x)) (Vaswani et al. 2017, section 3.1)."""
    return norm(x + sublayer(x))


def own_tensors(layer: BertWeights) -> Mapping[str, Array]:
    """No replaced tensor."""
    return {}


def inverse_root(config: BertConfig, heads: int) -> float:
    """1 / sqrt(head_dim)."""
    return 1 / sqrt(config.hidden_size // heads)


def masked_softmax(scores: Array, bias: Array) -> Array:
    """Softmax over the keys, the bias added to the scores."""
    return softmax(scores + bias)


@dataclass(frozen=True)
class VariedLayer:
    """The steps of a layer; calling it computes the layer, with the signature of `encoder_layer`."""

    tensors: Replace = own_tensors
    linear: Callable[[Array, Array, Array], Array] = linear
    attention_join: Join = post_norm
    output_join: Join = post_norm
    attention_norm: Norm = layer_norm
    output_norm: Norm = layer_norm
    activation: Callable[[Array], Array] | None = None
    heads: int = 0
    """0 for the model's number."""
    scale: Callable[[BertConfig, int], float] = inverse_root
    split: Callable[[Hidden, int], Heads] = split_heads
    split_key: Callable[[Hidden, int], Heads] | None = None
    """None for that of queries and values."""
    probabilities: Callable[[Array, Array], Array] = masked_softmax
    """Takes scores `(batch, heads, seq, seq)` and the bias."""
    merge: Callable[[Heads], Hidden] = merge_heads

    def __call__(self, layer: BertWeights, hidden_states: Hidden, bias: Array, record: Record) -> Hidden:
        """The layer's output, with its intermediates recorded under the names of `encoder_layer`."""
        return self.feed_forward(layer, self.attention(layer, hidden_states, bias, record), record)

    def varies(self, layer: BertWeights) -> tuple[bool, bool]:
        """Whether the attention sublayer deviates, and whether the feed forward does."""
        replaced = [name.startswith("attention.") for name in self.tensors(layer)]
        varied = {name for name in vars(self) if getattr(self, name) != getattr(PAPER, name)} - {"tensors"}
        return bool(varied - FEED_FORWARD) or any(replaced), bool(varied & FEED_FORWARD) or not all(replaced)

    def attention(self, layer: BertWeights, hidden_states: Hidden, bias: Array, record: Record) -> Hidden:
        """The first sublayer, in the paper the norm of x plus its attention."""
        layer = layer.replaced(self.tensors(layer))

        def attend(x: Hidden) -> Hidden:
            context = self._context(layer, x, bias, record)
            return record("attention_dense", self.linear(context, *layer.affine("attention.output.dense")))

        def norm(x: Hidden) -> Hidden:
            return self.attention_norm(x, *layer.affine(ATTENTION_NORM), layer.config.layer_norm_eps)

        return record("attention_output", self.attention_join(hidden_states, attend, norm))

    def feed_forward(self, layer: BertWeights, attention_output: Hidden, record: Record) -> Hidden:
        """The second sublayer, in the paper the norm of x plus its feed forward."""
        layer = layer.replaced(self.tensors(layer))
        activation = self.activation or ACTIVATIONS[layer.config.hidden_act]

        def feed(x: Hidden) -> Hidden:
            intermediate_dense = record("intermediate_dense", self.linear(x, *layer.affine("intermediate.dense")))
            intermediate = record("intermediate", np.asarray(activation(intermediate_dense)))
            return record("output_dense", self.linear(intermediate, *layer.affine("output.dense")))

        def norm(x: Hidden) -> Hidden:
            return self.output_norm(x, *layer.affine(OUTPUT_NORM), layer.config.layer_norm_eps)

        return record("hidden_states", self.output_join(attention_output, feed, norm))

    def _context(self, layer: BertWeights, x: Hidden, bias: Array, record: Record) -> Hidden:
        heads = self.heads or layer.config.num_attention_heads
        splits = {"query": self.split, "key": self.split_key or self.split, "value": self.split}
        query, key, value = (
            record(name, split(self.linear(x, *layer.affine(f"attention.self.{name}")), heads))
            for name, split in splits.items()
        )
        scores = record(
            "attention_scores", query @ key.swapaxes(-1, -2) * x.dtype.type(self.scale(layer.config, heads))
        )
        probabilities = record("attention_probs", self.probabilities(scores, bias))
        return record("context", self.merge(probabilities @ value))


PAPER = VariedLayer()
