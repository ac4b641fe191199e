"""Structural faults by intermediates: the first deviating stage decides, and hypotheses are tried on its layer alone.

The layer's input is the reference's, with the faults that were found before it. One fault after another is found.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from refimpl.bert.forward import embed, encoder_layer
from refimpl.bert.ops import attention_bias
from refimpl.bert.weights import BertWeights
from refimpl.common.types import Array
from refimpl.diagnosis.encoder import States
from refimpl.diagnosis.faults import Fault
from refimpl.diagnosis.hypotheses import Combination, Hypothesis
from refimpl.diagnosis.structure.batched import operations
from refimpl.diagnosis.structure.families import fault_of, structural

MOST_FAULTS = 6
WORK = 1e11  # floating-point operations, some three seconds on one core
EMBEDDINGS = -1

Stages = Mapping[str, Array]
Compute = Callable[[Combination], tuple[Stages, BertWeights, States]]
"""Takes a combination; returns all stages in the order of computation, the weights, and the forward pass."""


def layer_of(stage: str) -> int | None:
    """The layer of a stage such as `layer.3.query`; -1 for the embeddings, None before and after the encoder."""
    if stage.startswith("embeddings."):
        return EMBEDDINGS
    return int(stage.split(".")[1]) if stage.startswith("layer.") else None


def last_right_layer(actual: Stages, right: Callable[[str], bool]) -> int | None:
    """The last layer whose output is given and right before the first deviation; None if there is none."""
    last = None
    for name in actual:
        if not right(name):
            break
        if name.endswith(".hidden_states"):
            last = layer_of(name)
    return last


class StageSearch:
    """Finds structural faults of one text's intermediates.

    Parameters
    ----------
    actual
        The target's intermediates, in the order of computation.
    compute
        See `Compute`.
    tolerance
        Absolute, per entry.
    """

    def __init__(self, actual: Stages, compute: Compute, tolerance: float) -> None:
        self.actual, self.compute, self.tolerance = actual, compute, tolerance
        self.work = WORK

    def run(self) -> Combination:
        """The faults, first layer first; those of later layers may be missing."""
        found: Combination = ()
        while len(found) < MOST_FAULTS:
            stages, weights, states = self.compute(found)
            deviating = self._first_deviation(stages)
            layer = None if deviating is None else layer_of(deviating)
            if layer is None:
                break
            candidates = list(self._candidates(found, layer, stages, weights, states))
            if not candidates:
                break
            found = max(((*found, each) for each in candidates), key=self._right_stages)
        return found

    def _first_deviation(self, stages: Stages) -> str | None:
        return next((name for name in self.actual if not self._right(name, stages)), None)

    def _right(self, name: str, stages: Stages) -> bool:
        actual, computed = self.actual[name], stages[name]
        if actual.size != computed.size:
            return False
        with np.errstate(invalid="ignore"):
            near = np.abs(actual.ravel() - computed.ravel()) <= self.tolerance
        return bool(np.all(near | (actual.ravel() == computed.ravel())))

    def _right_stages(self, combination: Combination) -> tuple[int, int]:
        """Sort key: the number of stages before the first deviation, then few layers."""
        stages = self.compute(combination)[0]
        deviating = self._first_deviation(stages)
        names = list(self.actual)
        layers = fault_of(combination[-1]).layers
        return len(names) if deviating is None else names.index(deviating), -len(layers or ())

    def _candidates(
        self, found: Combination, layer: int, stages: Stages, weights: BertWeights, states: States
    ) -> Iterator[Hypothesis]:
        """The hypotheses under which every given stage up to the end of the deviating layer is right."""
        good = last_right_layer(self.actual, lambda name: self._right(name, stages))
        begin = EMBEDDINGS if good is None else good + 1
        taken = [fault_of(each) for each in found]
        tried: dict[object, bool] = {}
        for hypothesis in structural(weights.config):
            fault = fault_of(hypothesis)
            if not begin <= fault.first_layer <= layer or any(_overlapping(fault, each) for each in taken):
                continue
            span = range(fault.first_layer, layer + 1)
            key = (fault.block, fault.embedding, *(number for number in span if fault.affects(number)))
            if key not in tried:
                self.work -= operations(weights, states.mask.shape[1], [fault]) / weights.config.num_hidden_layers
                if self.work < 0:
                    return
                tried[key] = self._explains([fault, *taken], span, stages, weights, states)
            if tried[key]:
                yield hypothesis

    def _explains(
        self, faults: Sequence[Fault], span: range, stages: Stages, weights: BertWeights, states: States
    ) -> bool:
        """Whether every given stage of the layers `span` is right with the faults."""
        computed: dict[str, Array] = {}
        ids, bias = states.input_ids, attention_bias(states.mask, weights.dtype)
        with np.errstate(all="ignore"):
            for number in span:
                record = _recorder(computed, "embeddings." if number == EMBEDDINGS else f"layer.{number}.")
                if number == EMBEDDINGS:
                    hidden = (faults[0].embedding or embed)(weights, ids, np.zeros_like(ids), record)
                    continue
                if number == span.start:
                    before = "embeddings" if number == 0 else f"layer.{number - 1}"
                    hidden = np.asarray(stages[f"{before}.hidden_states"])
                block = next((fault.block for fault in faults if fault.affects(number)), encoder_layer)
                hidden = block(weights.layer(number), hidden, bias, record)
        return all(self._right(name, computed) for name in self.actual if name in computed)


def _overlapping(first: Fault, second: Fault) -> bool:
    if first.embedding is not None or second.embedding is not None:
        return first.embedding is not None and second.embedding is not None
    return first.layers is None or second.layers is None or bool(first.layers & second.layers)


def _recorder(kept: dict[str, Array], prefix: str) -> Callable[[str, Array], Array]:
    def record(name: str, value: Array) -> Array:
        kept[prefix + name] = np.asarray(value)
        return value

    return record
