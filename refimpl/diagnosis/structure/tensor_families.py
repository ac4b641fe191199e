"""Every tensor left out, doubled, transposed, swapped with its neighbour layer's, or from another layer."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from refimpl.bert.config import BertConfig
from refimpl.bert.weights import BertWeights
from refimpl.common.types import Array
from refimpl.diagnosis.hypotheses import Hypothesis
from refimpl.diagnosis.structure.layer import ATTENTION_NORM, OUTPUT_NORM, Replace, VariedLayer
from refimpl.diagnosis.structure.scopes import Scope, each_and_every, placed

QUERY, KEY, VALUE = (f"attention.self.{name}" for name in ("query", "key", "value"))
SQUARE = (QUERY, KEY, VALUE, "attention.output.dense")
AFFINE = (*SQUARE, "intermediate.dense", "output.dense")
NORMS = (ATTENTION_NORM, OUTPUT_NORM)
WITHOUT_EFFECT = f"{KEY}.bias"  # adds the same to all scores of a query, which softmax removes


@dataclass(frozen=True)
class Part:
    """One tensor, or tensors that are loaded together."""

    name: str
    tensors: tuple[str, ...]


TENSORS = tuple(
    Part(f"{module}.{kind}", (f"{module}.{kind}",))
    for module in (*AFFINE, *NORMS)
    for kind in ("weight", "bias")
    if f"{module}.{kind}" != WITHOUT_EFFECT
)
MODULES = tuple(Part(module, (f"{module}.weight", f"{module}.bias")) for module in (*AFFINE, *NORMS) if module != KEY)
LAYER = Part("", tuple(name for part in (*TENSORS, *MODULES) for name in part.tensors))


def changed(names: Sequence[str], compute: Callable[[Array], Array]) -> Replace:
    """`compute` of the tensors of these names; those that a model lacks are left."""
    return lambda layer: {name: compute(layer[name]) for name in names if name in layer}


def from_layer(names: Sequence[str], source: Callable[[int], int]) -> Replace:
    """The tensors of the layer that `source` returns for a layer's number."""

    def replace(layer: BertWeights) -> dict[str, Array]:
        other = layer.layer(source(layer.index))
        return {name: other[name] for name in names if name in other}

    return replace


def reshaped(tensor: Array) -> Array:
    """The transposed tensor's values in the shape of `tensor`: stored as (in, out), read as (out, in)."""
    return np.ascontiguousarray(tensor.T).reshape(tensor.shape)


def _neutral(name: str) -> Callable[[Array], Array]:
    return np.ones_like if "LayerNorm.weight" in name else np.zeros_like


def tensor_faults(config: BertConfig) -> Iterator[Hypothesis]:
    """Every tensor and every pair of weight and bias, in each layer and in all."""
    for part in TENSORS:
        block = VariedLayer(changed(part.tensors, _neutral(part.name)))
        yield from _everywhere(config, block, part, "left out", "use {}")
    for part in (*TENSORS, *MODULES):
        block = VariedLayer(changed(part.tensors, lambda tensor: 2 * tensor))
        yield from _everywhere(config, block, part, "doubled", "apply {} once")
    for module in AFFINE:
        part = Part(f"{module}.weight", (f"{module}.weight",))
        remedy = "compute x W^T with {}, of shape (out, in)"
        if module in SQUARE:
            yield from _everywhere(config, VariedLayer(changed(part.tensors, np.transpose)), part, "transposed", remedy)
        block = VariedLayer(changed(part.tensors, reshaped))
        yield from _everywhere(config, block, part, "reshaped, not transposed", remedy)
    yield from _exchanged(config)


def _everywhere(config: BertConfig, block: VariedLayer, part: Part, what: str, remedy: str) -> Iterator[Hypothesis]:
    for scope in each_and_every(config.num_hidden_layers):
        name = f"{scope.prefix}{part.name}"
        yield placed(block, scope, f"{name} {what}", f"it is {what} {scope.where}", remedy.format(name))


def _exchanged(config: BertConfig) -> Iterator[Hypothesis]:
    """Modules of one layer in each other's place."""
    for one, other in ((QUERY, KEY), (KEY, VALUE), (QUERY, VALUE), (VALUE, SQUARE[-1]), NORMS):
        for kinds in (("weight", "bias"), ("weight",), ("bias",)):
            pairs = [(f"{a}.{kind}", f"{b}.{kind}") for kind in kinds for a, b in ((one, other), (other, one))]
            block = VariedLayer(_taken(pairs))
            kind = f".{kinds[0]}" if len(kinds) == 1 else ""
            for scope in each_and_every(config.num_hidden_layers):
                name = f"{scope.prefix}{one}{kind} and {other}{kind} exchanged"
                explanation = f"each is used in the other's place {scope.where}"
                yield placed(block, scope, name, explanation, f"load {one} and {other} under their published names")


def _taken(pairs: Sequence[tuple[str, str]]) -> Replace:
    return lambda layer: {name: layer[source] for name, source in pairs if source in layer}


def layer_faults(config: BertConfig) -> Iterator[Hypothesis]:
    """Every tensor, pair of weight and bias, and layer: swapped with its neighbour's, or from another layer."""
    layers = range(config.num_hidden_layers)
    parts = (LAYER, *MODULES, *TENSORS)
    for first in layers[:-1]:
        scope = Scope(frozenset([first, first + 1]), "", f"in layers {first} and {first + 1}")
        for part in parts:
            block = VariedLayer(from_layer(part.tensors, _neighbour(first)))
            one, other = (_full(first + i, part) for i in (0, 1))
            explanation = f"each is used in the other's place {scope.where}"
            yield placed(block, scope, f"{one} and {other} swapped", explanation, "load each layer's own tensors")
    for target in layers:
        for source in layers:
            if source == target:
                continue
            scope = Scope(frozenset([target]), "", f"in layer {target}")
            for part in parts:
                block = VariedLayer(from_layer(part.tensors, _constant(source)))
                name = f"{_full(target, part)} from layer {source}"
                explanation = f"layer {source}'s tensors are used in layer {target}"
                yield placed(block, scope, name, explanation, f"load {_full(target, part)}")


def _full(layer: int, part: Part) -> str:
    return f"encoder.layer.{layer}.{part.name}".rstrip(".")


def _neighbour(first: int) -> Callable[[int], int]:
    return lambda layer: 2 * first + 1 - layer


def _constant(source: int) -> Callable[[int], int]:
    return lambda layer: source
