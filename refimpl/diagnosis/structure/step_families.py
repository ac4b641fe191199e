"""Every step of a layer varied: normalisations, residuals, activations, heads, scale and softmax, whole layers."""

from collections.abc import Iterator
from typing import Any

from refimpl.bert.blocks import Record
from refimpl.bert.config import BertConfig
from refimpl.bert.forward import encoder_layer
from refimpl.bert.ops import Hidden
from refimpl.bert.weights import BertWeights
from refimpl.common.types import Array
from refimpl.diagnosis.hypotheses import Hypothesis
from refimpl.diagnosis.structure import steps
from refimpl.diagnosis.structure.layer import ATTENTION_NORM, OUTPUT_NORM, PAPER, VariedLayer
from refimpl.diagnosis.structure.scopes import EVERY, Scope, each_and_every, placed, runs

MOST_HEADS = 128


def step_faults(config: BertConfig) -> Iterator[Hypothesis]:
    """Every varied step, in each layer and in all."""
    for scope in each_and_every(config.num_hidden_layers):
        yield from _norms(scope)
        yield from _joins(scope)
        yield from _attentions(scope, config)
    yield from _activations(config)
    yield from _layers(config)


def _norms(scope: Scope) -> Iterator[Hypothesis]:
    fields = {"attention_norm": ATTENTION_NORM, "output_norm": OUTPUT_NORM}
    for what, (explanation, norm) in steps.NORMS.items():
        for field, name in fields.items():
            yield _step(scope, f"{scope.prefix}{name} {what}", explanation, **{field: norm})
        if scope is EVERY:
            yield _step(scope, f"both layer norms of every layer {what}", explanation, **dict.fromkeys(fields, norm))


def _joins(scope: Scope) -> Iterator[Hypothesis]:
    fields = {"attention_join": "attention", "output_join": "feed forward"}
    for what, (explanation, join) in steps.JOINS.items():
        for field, name in fields.items():
            yield _step(scope, f"{name} {scope.where} {what}", explanation, **{field: join})
        if join is not steps.skipped_with_norm:  # which is the layer left out
            name = f"attention and feed forward {scope.where} {what}"
            yield _step(scope, name, explanation, **dict.fromkeys(fields, join))


def _attentions(scope: Scope, config: BertConfig) -> Iterator[Hypothesis]:
    right = config.num_attention_heads
    for heads in range(1, min(config.hidden_size, MOST_HEADS) + 1):
        if config.hidden_size % heads == 0 and heads != right:
            explanation = f"attention has {heads} heads of {config.hidden_size // heads}, where the model has {right}"
            yield _step(scope, f"{heads} heads {scope.where}", explanation, heads=heads)
    for what, (explanation, fields) in steps.HEADS.items():
        yield _step(scope, f"heads {scope.where} {what}", explanation, **fields)
    for what, (explanation, scale) in steps.SCALES.items():
        if abs(scale(config, right) * (config.hidden_size / right) ** 0.5 - 1) > 1e-9:
            yield _step(scope, f"attention scale {what} {scope.where}", explanation, scale=scale)
    for what, (explanation, probabilities) in steps.PROBABILITIES.items():
        yield _step(scope, f"attention {scope.where} {what}", explanation, probabilities=probabilities)


def _activations(config: BertConfig) -> Iterator[Hypothesis]:
    for name, activation in steps.activations(config.hidden_act).items():
        block = VariedLayer(activation=activation)
        for scope in runs(config.num_hidden_layers):
            explanation = f"the feed forward's activation is {name}, where the model has {config.hidden_act}"
            remedy = f"use {config.hidden_act} after {scope.prefix}intermediate.dense"
            yield placed(block, scope, f"{name} {scope.where}", explanation, remedy)


def _layers(config: BertConfig) -> Iterator[Hypothesis]:
    for layer in range(config.num_hidden_layers):
        scope = Scope(frozenset([layer]), "", f"in layer {layer}")
        for what, block in (("left out", _left_out), ("computed twice", _twice)):
            name = f"encoder.layer.{layer} {what}"
            yield placed(block, scope, name, f"layer {layer} is {what}", f"compute encoder.layer.{layer} once")

    for scope in each_and_every(config.num_hidden_layers):
        for what, block in (("layer's input", _residual_of_input), ("sum before the norm", _residual_before_norm)):
            name = f"residual of the feed forward {scope.where} is the {what}"
            explanation = f"the {what} is added to the feed forward's output, not its own input, {scope.where}"
            yield placed(block, scope, name, explanation, f"add the feed forward's own input {scope.where}")
        explanation = f"the feed forward reads the layer's input, not the attention's output, {scope.where}"
        name = f"feed forward of the layer's input {scope.where}"
        yield placed(_fed_by_input, scope, name, explanation, "give it the attention's output")


def _fed_by_input(layer: BertWeights, hidden_states: Hidden, bias: Array, record: Record) -> Hidden:
    """norm(a + feed_forward(x)), where a is the norm of x plus its attention."""
    attended = PAPER.attention(layer, hidden_states, bias, record)
    varied = VariedLayer(output_join=lambda x, feed, norm: norm(x + feed(hidden_states)))
    return varied.feed_forward(layer, attended, record)


def _residual_of_input(layer: BertWeights, hidden_states: Hidden, bias: Array, record: Record) -> Hidden:
    """norm(x + feed_forward(a)), where a is the norm of x plus its attention."""
    return _added(hidden_states, layer, PAPER.attention(layer, hidden_states, bias, record), record)


def _residual_before_norm(layer: BertWeights, hidden_states: Hidden, bias: Array, record: Record) -> Hidden:
    """norm(s + feed_forward(norm(s))), where s is x plus its attention."""
    summed = VariedLayer(attention_join=lambda x, attend, norm: x + attend(x))
    residual = summed.attention(layer, hidden_states, bias, record)
    normalised = PAPER.attention_norm(residual, *layer.affine(ATTENTION_NORM), layer.config.layer_norm_eps)
    return _added(residual, layer, normalised, record)


def _added(residual: Hidden, layer: BertWeights, attention_output: Hidden, record: Record) -> Hidden:
    varied = VariedLayer(output_join=lambda x, feed, norm: norm(residual + feed(x)))
    return varied.feed_forward(layer, attention_output, record)


def _left_out(layer: BertWeights, hidden_states: Hidden, bias: Array, record: Record) -> Hidden:
    return record("hidden_states", hidden_states)


def _twice(layer: BertWeights, hidden_states: Hidden, bias: Array, record: Record) -> Hidden:
    return encoder_layer(layer, encoder_layer(layer, hidden_states, bias, record), bias, record)


def _step(scope: Scope, name: str, explanation: str, **fields: Any) -> Hypothesis:
    remedy = f"compute it as BERT does {scope.where}"
    return placed(VariedLayer(**fields), scope, name, f"{explanation}, {scope.where}", remedy)
