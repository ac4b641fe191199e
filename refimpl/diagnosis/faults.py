"""A fault in some of an encoder's layers: what computes them, or the embeddings, in place of the paper's steps."""

from collections.abc import Sequence
from dataclasses import dataclass

from refimpl.bert.blocks import Record
from refimpl.bert.forward import Block, Embed, encoder_layer
from refimpl.bert.ops import Hidden
from refimpl.bert.weights import BertWeights
from refimpl.common.types import Array
from refimpl.diagnosis.hypotheses import NotApplicable


@dataclass(frozen=True)
class Fault:
    """Layers and embeddings that deviate.

    Parameters
    ----------
    layers
        Their numbers; None for every layer.
    block
        What computes these layers.
    embedding
        What computes the embeddings; None for the paper's.
    """

    layers: frozenset[int] | None = frozenset()
    block: Block = encoder_layer
    embedding: Embed | None = None

    def affects(self, layer: int) -> bool:
        """Whether the layer of this number deviates."""
        return self.layers is None or layer in self.layers

    @property
    def first_layer(self) -> int:
        """The first layer that deviates; -1 for the embeddings."""
        if self.embedding is not None:
            return -1
        return 0 if self.layers is None else min(self.layers)


def faulty_block(block: Block, faults: Sequence[Fault]) -> Block:
    """`block`, or in a layer with a fault the fault's; NotApplicable where two faults affect one layer."""
    if not faults:
        return block

    def apply(layer: BertWeights, hidden_states: Hidden, bias: Array, record: Record) -> Hidden:
        found = [fault.block for fault in faults if fault.affects(layer.index)]
        if len(found) > 1 or (found and block is not encoder_layer):
            raise NotApplicable(f"two deviations affect layer {layer.index}")
        return (found[0] if found else block)(layer, hidden_states, bias, record)

    return apply


def faulty_embedding(faults: Sequence[Fault]) -> Embed | None:
    """What computes the embeddings; None for the architecture's own; NotApplicable where two faults affect them."""
    found = [fault.embedding for fault in faults if fault.embedding is not None]
    if len(found) > 1:
        raise NotApplicable("two deviations affect the embeddings")
    return found[0] if found else None
