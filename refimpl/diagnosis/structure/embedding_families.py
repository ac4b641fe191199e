"""The embeddings varied: tables scaled, left out or misplaced, positions, and the normalisation."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import sqrt

import numpy as np

from refimpl.bert import blocks
from refimpl.bert.blocks import Record
from refimpl.bert.config import BertConfig
from refimpl.bert.ops import Hidden, layer_norm
from refimpl.bert.weights import BertWeights
from refimpl.common.types import Array
from refimpl.diagnosis.encoder import EncoderVariant
from refimpl.diagnosis.faults import Fault
from refimpl.diagnosis.hypotheses import Hypothesis, change
from refimpl.diagnosis.structure import steps
from refimpl.diagnosis.structure.layer import Norm

NORM = "embeddings.LayerNorm"
WORD, POSITION, TYPE = (f"embeddings.{name}_embeddings.weight" for name in ("word", "position", "token_type"))


def in_order(seq: int, first: int) -> Array:
    """The positions of `seq` tokens, from `first`."""
    return np.arange(first, first + seq)


def table(weights: BertWeights, positions: Array) -> Array:
    """The learned position embeddings `(seq, hidden)`."""
    return weights[POSITION][positions]


def sinusoids(weights: BertWeights, positions: Array) -> Array:
    """Sines at even and cosines at odd features (Vaswani et al. 2017, section 3.5)."""
    hidden = weights[POSITION].shape[1]
    angles = positions[:, None] / 10000.0 ** (np.arange(0, hidden, 2) / hidden)
    return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(len(positions), -1).astype(weights.dtype)


@dataclass(frozen=True)
class VariedEmbedding:
    """The steps of the embeddings, by default the paper's: `bert.forward.embed`; calling it computes them."""

    word: float = 1.0
    position: float = 1.0
    token_type: float = 1.0
    """Factors of the three tables."""
    positions: Callable[[int, int], Array] = in_order
    encoded: Callable[[BertWeights, Array], Array] = table
    norm: Norm = layer_norm
    normed: frozenset[str] = frozenset({"word", "position", "token_type"})
    """What is normalised; the others are added after it."""
    scale: float = 1.0
    """Factor of the result."""

    def __call__(self, weights: BertWeights, input_ids: Array, token_type_ids: Array, record: Record) -> Hidden:
        """The embeddings of a batch, with the intermediates recorded under the names of `embed`."""
        positions = self.positions(input_ids.shape[1], weights.config.first_position)
        positions = np.minimum(positions, len(weights[POSITION]) - 1)  # a long text's may be beyond the table
        dtype = weights["embeddings.LayerNorm.weight"].dtype
        parts = {
            "word": record("word_embeddings", weights[WORD][input_ids].astype(dtype) * dtype.type(self.word)),
            "position": record("position_embeddings", self.encoded(weights, positions)[None] * self.position),
            "token_type": record("token_type_embeddings", weights[TYPE][token_type_ids] * self.token_type),
        }
        summed = record("sum", sum(parts[name] for name in parts if name in self.normed) + np.zeros_like(parts["word"]))
        embedded = self.norm(summed, *weights.affine(NORM), weights.config.layer_norm_eps)
        for name in parts.keys() - self.normed:
            embedded = embedded + parts[name]
        return record("hidden_states", blocks.project(weights, embedded * dtype.type(self.scale)))


def embedding_faults(config: BertConfig) -> Iterator[Hypothesis]:
    """Every deviation of the embeddings."""
    root = sqrt(config.hidden_size)
    factors = {"doubled": 2.0, "halved": 0.5, "times sqrt(hidden_size)": root, "over sqrt(hidden_size)": 1 / root}
    fields = {"word": WORD, "position": POSITION, "token_type": TYPE}
    for field, name in fields.items():
        for what, factor in {"left out": 0.0, **factors, "subtracted": -1.0}.items():
            yield _hypothesis(f"{name} {what}", f"the factor is {factor:.3g}, not 1", **{field: factor})
    for what, factor in factors.items():
        yield _hypothesis(f"embeddings {what}", "after their layer norm, as in other architectures", scale=factor)
    for what, (explanation, norm) in steps.NORMS.items():
        yield _hypothesis(f"{NORM} {what}", f"{explanation}, in the embeddings", norm=norm)
    yield from _affine()
    for outside in (("position",), ("token_type",), ("position", "token_type")):
        added = " and ".join(fields[name] for name in outside)
        normed = frozenset(fields.keys() - set(outside))
        yield _hypothesis(f"{added} added after {NORM}", "the sum of all three is normalised in BERT", normed=normed)
    yield from _positions(config)


def _affine() -> Iterator[Hypothesis]:
    neutral: dict[str, Callable[[Array, Array], tuple[Array, Array]]] = {
        "weight left out": lambda weight, bias: (np.ones_like(weight), bias),
        "bias left out": lambda weight, bias: (weight, np.zeros_like(bias)),
        "weight doubled": lambda weight, bias: (2 * weight, bias),
        "bias doubled": lambda weight, bias: (weight, 2 * bias),
        "weight and bias exchanged": lambda weight, bias: (bias, weight),
    }
    for what, affine in neutral.items():
        yield _hypothesis(f"{NORM}.{what}", "in the embeddings' layer norm", norm=_with(affine))


def _with(affine: Callable[[Array, Array], tuple[Array, Array]]) -> Norm:
    return lambda x, weight, bias, eps: layer_norm(x, *affine(weight, bias), eps=eps)


def _positions(config: BertConfig) -> Iterator[Hypothesis]:
    orders: dict[str, Callable[[int, int], Array]] = {
        "positions in reverse order": lambda seq, first: np.arange(first, first + seq)[::-1],
        "position 0 for every token": lambda seq, first: np.full(seq, first),
        "position 1 for every token": lambda seq, first: np.full(seq, first + 1),
        "positions doubled": lambda seq, first: first + 2 * np.arange(seq),
        "positions from 0 after the first token": lambda seq, first: first + np.maximum(np.arange(seq) - 1, 0),
    }
    for name, positions in orders.items():
        yield _hypothesis(name, f"rows of {POSITION} are taken in another order", positions=positions)
    if config.hidden_size % 2:
        return
    yield _hypothesis("sinusoidal positions", f"computed sines and cosines for {POSITION}", encoded=sinusoids)


def _hypothesis(name: str, explanation: str, **fields: object) -> Hypothesis:
    fault = Fault(embedding=VariedEmbedding(**fields))  # type: ignore[arg-type]  # fields of the dataclass
    remedy = "compute the embeddings as BERT does: norm(word + position + token type)"
    return Hypothesis(name, explanation, change(EncoderVariant, faults=(fault,)), remedy=remedy)
