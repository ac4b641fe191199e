"""An encoder's weights out of an ONNX file: initialisers by the names that torch's exporter gives them.

A linear map is exported as MatMul with a transposed initialiser of no name of its own, such as onnx::MatMul_726, and an
Add of its bias, which has its name: the map has the name of the bias. What else a graph computes is not read; `check`
runs the graph with the reference evaluator of the onnx package on one short input and compares the hidden states.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from refimpl.bert.files import WeightsError
from refimpl.bert.forward import forward
from refimpl.bert.weights import BertWeights
from refimpl.common.extras import importing
from refimpl.common.types import Array

with importing("onnx"):
    import onnx
    from onnx import numpy_helper
    from onnx.reference import ReferenceEvaluator
    from onnx.reference.op_run import OpRun

EMBEDDINGS = "embeddings.word_embeddings.weight"
QUANTISED = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "MatMulInteger", "QLinearMatMul")
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
TOLERANCE = 1e-4
"""Largest difference of hidden states, relative to the largest of them."""
FIRST_ID = 5  # those before it are special in most vocabularies, and RoBERTa's positions count no padding
PROBE = 6
"""Tokens of the longer text that `check` compares; the shorter one is padded."""


class GatherElements(OpRun):  # type: ignore[misc]  # a class of onnx
    """The operator of that name; onnx 1.23's own fails for more than 64 rows."""

    def _run(self, data: Array, indices: Array, axis: int | None = None) -> tuple[Array]:
        return (np.take_along_axis(data, indices, axis or 0),)


def read_graph(file: Path) -> Any:
    """The model of an ONNX file; WeightsError for another file, and for operators that are not standard or quantised.

    FileNotFoundError where the file is missing.
    """
    if not file.is_file():
        raise FileNotFoundError(f"{file} is missing: expected a folder with model.onnx")
    try:
        model = onnx.load(file)
    except Exception as error:  # protobuf, and the reader of external data, raise many types
        raise WeightsError(f"{file}: expected an ONNX model, got another file ({type(error).__name__})") from error
    nodes = model.graph.node
    if foreign := sorted({f"{node.domain}.{node.op_type}" for node in nodes if node.domain not in ("", "ai.onnx")}):
        raise WeightsError(f"{file}: expected standard operators, got {', '.join(foreign[:4])}: export it unoptimised")
    if quantised := sorted({node.op_type for node in nodes} & set(QUANTISED)):
        names = ", ".join(quantised)
        raise WeightsError(f"{file}: expected weights in floats, got the operators {names}: not quantised")
    return model


def named_tensors(file: Path, model: Any) -> dict[str, Array]:
    """The weights of a graph by their names in the model that was exported, without the name of a module around it.

    Raises WeightsError for a graph without word embeddings.
    """
    tensors = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    named = {name: tensor for name, tensor in tensors.items() if name.endswith((".weight", ".bias"))}
    for weight, bias in _linear_maps(model, tensors):
        named.setdefault(f"{bias.removesuffix('.bias')}.weight", tensors[weight].T)
    around = next((name.removesuffix(EMBEDDINGS) for name in named if name.endswith(EMBEDDINGS)), None)
    if around is None:
        raise WeightsError(f"{file}: expected an encoder with {EMBEDDINGS}, got none of that name: give another graph")
    return {name.removeprefix(around): tensor for name, tensor in named.items()}


def _linear_maps(model: Any, tensors: dict[str, Array]) -> Iterator[tuple[str, str]]:
    """The names of weight and bias of each MatMul with a weight whose product has a bias added."""
    same = {node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "Identity"}
    products = {}
    for node in model.graph.node:
        names = [same.get(name, name) for name in node.input]
        if node.op_type == "MatMul" and names[1] in tensors and tensors[names[1]].ndim == 2:
            products[node.output[0]] = names[1]
        elif node.op_type == "Add":
            bias = next((name for name in names if name in tensors and name.endswith(".bias")), None)
            weight = next((products[name] for name in names if name in products), None)
            if bias is not None and weight is not None:
                yield weight, bias


def check(file: Path, model: Any, weights: BertWeights) -> None:
    """Raise WeightsError unless the graph's first output is what `forward` computes with `weights`.

    Compared are the hidden states of two short texts, one of them padded.
    """
    ids = (FIRST_ID + np.arange(2 * PROBE).reshape(2, PROBE)) % weights.config.vocab_size
    mask = np.ones((2, PROBE), dtype=np.int64)
    mask[1, PROBE // 2 :] = 0
    segments = np.zeros_like(ids)
    given: dict[str, Array] = dict(zip(INPUTS, (ids, mask, segments), strict=True))
    inputs = [one.name for one in model.graph.input if one.name not in {t.name for t in model.graph.initializer}]
    if unknown := [name for name in inputs if name not in INPUTS]:
        raise WeightsError(f"{file}: expected the inputs {', '.join(INPUTS)}, got {', '.join(unknown)}")
    try:
        evaluator = ReferenceEvaluator(model, new_ops=[GatherElements])
        with np.errstate(all="ignore"):  # of masked numbers, such as the logarithm of 0
            outputs: Any = evaluator.run(None, {name: given[name] for name in inputs})
    except Exception as error:  # the evaluator raises what an operator's numpy code does
        raise WeightsError(f"{file}: the graph cannot be evaluated ({type(error).__name__}: {error})"[:300]) from error
    ours = forward(weights, ids, mask, segments).last_hidden_state
    difference = _difference(np.asarray(outputs[0]), ours, mask)
    if not difference <= TOLERANCE:
        kind = weights.config.model_type
        raise WeightsError(
            f"{file}: expected a graph of the {kind} encoder of config.json, got hidden states that differ by "
            f"{difference:.1e} of the largest: refimpl computes its own encoders alone"
        )


def _difference(states: Array, ours: Float[Array, "batch seq hidden"], mask: Array) -> float:
    if states.shape != ours.shape:
        return float("inf")
    real = mask.astype(bool)
    return float(np.abs(states[real] - ours[real]).max() / np.abs(ours[real]).max())
