"""One text under thousands of faults: what the reference computes after a fault is computed for all of them at once."""

from collections.abc import Iterable, Sequence

import numpy as np

from refimpl.bert.forward import Block, embed
from refimpl.bert.weights import BertWeights
from refimpl.common.types import Array
from refimpl.diagnosis.faults import Fault
from refimpl.diagnosis.structure.layer import PAPER, VariedLayer

AT_ONCE = 128  # texts per product, so that the intermediates stay in the processor's cache


def last_states(weights: BertWeights, input_ids: Array, token_type_ids: Array, faults: Sequence[Fault]) -> Array:
    """The last hidden states `(faults, seq, hidden)` of one text `(1, seq)` under each fault alone.

    They are not finite where a fault makes them so. The arithmetic is that of the weights' dtype.
    """
    reference = embed(weights, input_ids, token_type_ids, _kept)
    states = np.repeat(reference, len(faults), axis=0)
    with np.errstate(all="ignore"):
        for row, fault in enumerate(faults):
            if fault.embedding is not None:
                states[row] = fault.embedding(weights, input_ids, token_type_ids, _kept)[0]
        for number in range(weights.config.num_hidden_layers):
            reference = _next(weights.layer(number), states, reference, faults)
    return states


def _next(layer: BertWeights, states: Array, reference: Array, faults: Sequence[Fault]) -> Array:
    """Replace `states` by those after the layer; return the reference's. Sublayers without a fault share a product."""
    bias = np.zeros((1, 1, 1, reference.shape[1]), reference.dtype)
    attended = PAPER.attention(layer, reference, bias, _kept)
    fed: dict[VariedLayer, list[int]] = {}
    for block, rows in _by_block(layer.index, faults).items():
        if not isinstance(block, VariedLayer):
            states[rows] = block(layer, states[rows], bias, _kept)
            continue
        attention, output = block.varies(layer)
        first = [row for row in rows if faults[row].first_layer == layer.index]
        computed = rows if attention else [row for row in rows if faults[row].first_layer < layer.index]
        for some in _parts(computed):
            states[some] = block.attention(layer, states[some], bias, _kept)
        if not attention:
            states[first] = attended
        fed.setdefault(block if output else PAPER, []).extend(rows)
    for block, rows in fed.items():
        for some in _parts(rows):
            states[some] = block.feed_forward(layer, states[some], _kept)
    reference = PAPER.feed_forward(layer, attended, _kept)
    states[[row for row, fault in enumerate(faults) if fault.first_layer > layer.index]] = reference
    return reference


def _by_block(layer: int, faults: Sequence[Fault]) -> dict[Block, list[int]]:
    """The faults that have begun, by what computes the layer: their block, or the paper's."""
    by_block: dict[Block, list[int]] = {}
    for row, fault in enumerate(faults):
        if fault.first_layer <= layer:
            by_block.setdefault(fault.block if fault.affects(layer) else PAPER, []).append(row)
    return by_block


def _parts(rows: Sequence[int]) -> Iterable[list[int]]:
    return (list(rows[start : start + AT_ONCE]) for start in range(0, len(rows), AT_ONCE))


def _kept(name: str, value: Array) -> Array:
    return value


def operations(weights: BertWeights, seq: int, faults: Sequence[Fault]) -> float:
    """Floating-point operations of `last_states`, two per weight and token of the layers that are computed."""
    config = weights.config
    per_layer = seq * (8 * config.hidden_size**2 + 4 * config.hidden_size * config.intermediate_size)
    layers = sum(config.num_hidden_layers - max(fault.first_layer, 0) for fault in faults)
    return float(per_layer * layers)
