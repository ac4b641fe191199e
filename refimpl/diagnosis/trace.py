"""The cause of a mismatch of intermediates: the first stage that mismatches, and which known change does it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from refimpl import models
from refimpl.bert.weights import BertWeights
from refimpl.common.texts import check_texts
from refimpl.common.types import Array
from refimpl.diagnosis.encoder import States, VariedEncoder, identity
from refimpl.diagnosis.encoder_hypotheses import ENCODER
from refimpl.diagnosis.hypotheses import Combination, Hypothesis, apply_all
from refimpl.diagnosis.pooling import HEAD, EmbeddingVariant, pooled
from refimpl.diagnosis.result import Cause, Diagnosis
from refimpl.diagnosis.search import Problem, explain
from refimpl.diagnosis.structure.stages import EMBEDDINGS, StageSearch, last_right_layer, layer_of

Stages = dict[str, Array]


class TraceProblem(Problem):
    """Intermediates of one text by name, and the encoder that they are compared with."""

    hypotheses: Sequence[Hypothesis] = (*ENCODER, *HEAD)

    def __init__(self, actual: Stages, encoder: VariedEncoder) -> None:
        self.actual, self.encoder = actual, encoder

    def stages(self, variant: EmbeddingVariant) -> Stages:
        """Every intermediate by name, in the order of computation."""
        tokens = self.encoder.tokens(variant)
        states = self.encoder.states(variant, np.array([0]), trace=True)
        weights = self.encoder.weights(variant)
        ids = {"input_ids": states.input_ids, "token_type_ids": tokens.token_type_ids[None]}
        unscaled = pooled(replace(variant, normalize=identity, store=identity), weights, states)
        return {**ids, **states.result.trace, "pooled": unscaled, "normalized": pooled(variant, weights, states)}

    def computed(self, combination: Combination) -> tuple[Stages, BertWeights, States]:
        """The stages under the combination, the weights and the forward pass."""
        variant = apply_all(EmbeddingVariant(), combination)
        states = self.encoder.states(variant, np.array([0]), trace=True)
        return self.stages(variant), self.encoder.weights(variant), states

    def errors(self, combination: Combination, *, few: bool) -> Array:
        """Actual - computed intermediates, concatenated; a stage of another size counts as a whole."""
        stages = self.stages(apply_all(EmbeddingVariant(), combination))
        return np.concatenate([_error(value, stages.get(name)) for name, value in self.actual.items()])


def diagnose_trace(
    actual: Mapping[str, ArrayLike], text: str, *, model_path: str | Path | None = None, tolerance: float = 1e-5
) -> Diagnosis:
    """Compare intermediates of one text with the reference's, stage by stage, and find why they differ.

    Parameters
    ----------
    actual
        Any of the intermediates of `MiniLMEmbeddingFunction.trace` by name, with or without the batch axis.
    text
        The text that they were computed for.
    model_path
        A model folder; default all-MiniLM-L6-v2.
    tolerance
        Absolute, per entry.

    Raises
    ------
    ValueError
        For an unknown name, or without any intermediate.
    """
    check_texts([text], "texts")
    folder = models.path("all-MiniLM-L6-v2" if model_path is None else str(model_path))
    problem = TraceProblem(
        {name: np.asarray(value, dtype=np.float64) for name, value in actual.items()}, VariedEncoder(folder, [text])
    )
    expected = problem.stages(EmbeddingVariant())
    if not actual:
        raise ValueError(f"expected intermediates, got none: give some of {', '.join(list(expected)[:6])} and so on")
    for name in actual:
        if name not in expected:
            near = get_close_matches(name, expected, 3) or list(expected)[:3]
            raise ValueError(f"expected the name of an intermediate, got {name!r}: similar are {', '.join(near)}")
    largest = {name: _largest(problem.actual[name], value) for name, value in expected.items() if name in actual}
    difference = max(largest.values())
    if difference <= tolerance:
        return Diagnosis(True, difference, tolerance, ())
    first = next(name for name, value in largest.items() if value > tolerance)
    mismatch = f"{first}, by {largest[first]:.2g}"
    if problem.actual[first].size != expected[first].size:
        mismatch = f"{first}: expected shape {expected[first].shape}, got {problem.actual[first].shape}"
    ordered = {name: problem.actual[name] for name in largest}
    search = StageSearch(ordered, problem.computed, tolerance)
    causes = explain(problem, tolerance, max_pairs=0)
    if not any(cause.explains_all for cause in causes) and (found := search.run()):
        causes = (_stage_cause(problem, found, ordered, tolerance),)
    if not any(cause.explains_all for cause in causes):
        causes = (*causes, *explain(problem, tolerance))
    right = last_right_layer(ordered, lambda name: largest[name] <= tolerance)
    notes = () if right is None else (_right_note(right, layer_of(first)),)
    return Diagnosis(False, difference, tolerance, causes, mismatch, notes=notes)


def _stage_cause(problem: TraceProblem, found: Combination, actual: Stages, tolerance: float) -> Cause:
    """The faults that were found stage by stage, and how many stages are right with them."""
    stages = problem.computed(found)[0]
    errors = [_largest(value, stages[name]) for name, value in actual.items()]
    right = sum(error <= tolerance for error in errors)
    return Cause(
        names=tuple(each.name for each in found),
        explanation="; ".join(each.explanation for each in found),
        residual=max(error for error in errors if error <= tolerance),
        share=right / len(errors),
        explains_all=right == len(errors),
        of=f"{right} of {len(errors)} stages",
        remedy="; ".join(each.remedy for each in found if each.remedy),
    )


def _right_note(right: int, deviating: int | None) -> str:
    layers = {EMBEDDINGS: "", 0: " and layer 0"}.get(right, f" and layers 0 to {right}")
    where = f"in layer {right + 1}" if deviating == right + 1 else f"in layers {right + 1} to {deviating}"
    where = "after them" if deviating is None else where
    return f"tokens, embeddings{layers} are right: the first fault is {where}"


def _error(actual: Array, computed: Array | None) -> Array:
    if computed is None or actual.size != computed.size:
        return np.where(actual == 0, 1.0, actual).ravel()
    with np.errstate(invalid="ignore"):
        error = actual.ravel() - computed.ravel()
    return np.where(actual.ravel() == computed.ravel(), 0.0, error)  # equal infinities are equal


def _largest(actual: Array, expected: Array) -> float:
    if actual.size != expected.size:
        return np.inf
    error = np.abs(_error(actual, expected))
    return float(np.where(np.isnan(error), np.inf, error).max(initial=0.0))
