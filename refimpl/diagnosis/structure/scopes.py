"""The layers that a fault is in: each one, all of them, and for activations the first and the last few."""

from collections.abc import Iterator
from dataclasses import dataclass

from refimpl.bert.forward import Block
from refimpl.diagnosis.encoder import EncoderVariant
from refimpl.diagnosis.faults import Fault
from refimpl.diagnosis.hypotheses import Hypothesis, change


@dataclass(frozen=True)
class Scope:
    """Layers and how a diagnosis names them."""

    layers: frozenset[int] | None
    """None for all."""
    prefix: str
    """Before the name of a module or tensor, such as `encoder.layer.3.`."""
    where: str
    """Such as "in layer 3"."""


def single(layer: int) -> Scope:
    """One layer."""
    return Scope(frozenset([layer]), f"encoder.layer.{layer}.", f"in layer {layer}")


EVERY = Scope(None, "encoder.layer.*.", "in every layer")


def each_and_every(layers: int) -> Iterator[Scope]:
    """Each of so many layers, then all."""
    yield from map(single, range(layers))
    if layers > 1:
        yield EVERY


def runs(layers: int) -> Iterator[Scope]:
    """Each layer, all of them, the first two and more, and the last two and more."""
    yield from each_and_every(layers)
    inner = range(1, layers - 1)
    for first, last in (*((0, layer) for layer in inner), *((layer, layers - 1) for layer in inner)):
        numbers = frozenset(range(first, last + 1))
        yield Scope(numbers, f"encoder.layer.{first}-{last}.", f"in layers {first} to {last}")


def placed(block: Block, scope: Scope, name: str, explanation: str, remedy: str) -> Hypothesis:
    """The hypothesis that `block` computes the scope's layers."""
    return Hypothesis(name, explanation, change(EncoderVariant, faults=(Fault(scope.layers, block),)), remedy=remedy)
