"""All structural hypotheses of a model, and those about masks, which need padding."""

from collections.abc import Callable
from functools import lru_cache
from itertools import chain

import numpy as np

from refimpl.bert.config import BertConfig
from refimpl.bert.ops import softmax
from refimpl.common.types import Array
from refimpl.diagnosis.encoder import LONGEST, EncoderVariant
from refimpl.diagnosis.faults import Fault
from refimpl.diagnosis.hypotheses import Hypothesis, change
from refimpl.diagnosis.structure.embedding_families import embedding_faults
from refimpl.diagnosis.structure.layer import VariedLayer
from refimpl.diagnosis.structure.step_families import step_faults
from refimpl.diagnosis.structure.tensor_families import KEY, QUERY, SQUARE, VALUE, layer_faults, tensor_faults

LISTED = frozenset(
    {
        "embeddings.position_embeddings.weight left out",
        "embeddings.token_type_embeddings.weight left out",
        "gelu_new in every layer",
        "quick_gelu in every layer",
        "relu in every layer",
        "silu in every layer",
        "attention scale 1 in every layer",
        "attention scale 1 / head_dim in every layer",
        "attention scale 1 / sqrt(hidden_size) in every layer",
        "attention in every layer causal",
        "heads in every layer split interleaved",
        "attention and feed forward in every layer normalised before, not after",
        "attention and feed forward in every layer without residual",
        *(f"encoder.layer.*.{name}.weight transposed" for name in SQUARE),
        f"encoder.layer.*.{QUERY} and {KEY} exchanged",
        f"encoder.layer.*.{KEY} and {VALUE} exchanged",
    }
)
"""Those that `encoder_hypotheses` has under a name of its own."""


@lru_cache(maxsize=4)
def structural(config: BertConfig) -> tuple[Hypothesis, ...]:
    """Every structural hypothesis, each one fault; none for an architecture other than BERT's."""
    if not _is_textbook(config):
        return ()
    families = (embedding_faults, step_faults, tensor_faults, layer_faults)
    listed = {*LISTED, f"encoder.layer.{config.num_hidden_layers - 1} left out"}
    found = chain.from_iterable(family(config) for family in families)
    return tuple(hypothesis for hypothesis in found if hypothesis.name not in listed)


def _is_textbook(config: BertConfig) -> bool:
    """Whether embeddings and every layer are BERT's, without another model's additions."""
    more = (config.num_hidden_groups, config.embedding_size, config.relative_attention_num_buckets, config.windows)
    heads = config.num_attention_heads
    square = config.head_dim * heads == config.hidden_size and config.key_value_heads == heads
    return config.is_bert and square and not any((*more, config.rope_thetas, config.alibi, config.causal, config.gated))


def fault_of(hypothesis: Hypothesis) -> Fault:
    """The one fault of a structural hypothesis."""
    (fault,) = hypothesis.apply.values["faults"]
    assert isinstance(fault, Fault)
    return fault


def _added(value: float) -> VariedLayer:
    def probabilities(scores: Array, bias: Array) -> Array:
        return softmax(scores + np.where(np.isinf(bias), scores.dtype.type(value), bias))

    return _weighted(probabilities)


def _weighted(probabilities: Callable[[Array, Array], Array]) -> VariedLayer:
    return VariedLayer(probabilities=probabilities)


def _after_softmax(scores: Array, bias: Array) -> Array:
    """Weights of padding set to 0 after softmax, so that a row's sum is below 1."""
    return softmax(scores + np.where(np.isinf(bias), 0, bias)) * ~np.isinf(bias)


def _multiplied(scores: Array, bias: Array) -> Array:
    """Scores of padding multiplied by 0 before softmax."""
    return softmax(np.where(np.isinf(bias), 0, scores + bias))


ATTENTION_MASKS = (
    ("mask of -1", "is added to the scores of padding, not -inf (as with a mask of 1 and 0)", _added(-1.0)),
    ("mask of -10", "is added to the scores of padding, not -inf", _added(-10.0)),
    ("mask after softmax", "sets the weights of padding to 0 without normalising again", _weighted(_after_softmax)),
    ("mask by multiplication", "multiplies the scores of padding by 0 before softmax", _weighted(_multiplied)),
)
"""Masks by which padding counts: name, what it does, and the layer with it."""


def _masks() -> tuple[Hypothesis, ...]:
    lengths = (("padded to the longest", LONGEST, 1), ("padded to 128", 128, 2))
    return tuple(
        Hypothesis(
            f"{name}, {length}",
            f"the attention {name} {explanation}; {length}",
            change(EncoderVariant, padded_to=to, faults=(Fault(None, block),)),
            cost,
            "add -inf, or the least finite number, to the scores of padding",
        )
        for length, to, cost in lengths
        for name, explanation, block in ATTENTION_MASKS
    )


MASKS = _masks()
