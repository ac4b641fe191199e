"""Intermediates that are not the reference's: the first stage that departs, and which known change does it."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from refimpl import models
from refimpl.base import check_texts
from refimpl.oracle.diagnosis.encoder import VariedEncoder
from refimpl.oracle.diagnosis.encoder_causes import ENCODER
from refimpl.oracle.diagnosis.knobs import Knob, turned
from refimpl.oracle.diagnosis.pooling import HEAD, EmbeddingVariant, pooled
from refimpl.oracle.diagnosis.search import Turned, explain
from refimpl.oracle.diagnosis.verdict import Diagnosis

Array = np.ndarray
Stages = dict[str, Array]


class TraceProblem:
    """Given intermediates of one text, and the encoder with its knobs."""

    knobs: Sequence[Knob] = (*ENCODER, *HEAD)

    def __init__(self, given: Stages, encoder: VariedEncoder) -> None:
        self.given, self.encoder = given, encoder

    def stages(self, variant: EmbeddingVariant) -> Stages:
        """Every intermediate by name, in the order of the walk."""
        tokens = self.encoder.tokens(variant)
        states = self.encoder.states(variant, np.array([0]), trace=True)
        weights = self.encoder.weights(variant)
        unnormed = pooled(turned(variant, (Knob("", "", {"norm": "none", "stored_as": ""}),)), weights, states)
        ids = {"input_ids": states.input_ids, "token_type_ids": tokens.token_type_ids[None]}
        return {**ids, **states.walk.trace, "pooled": unnormed, "normalized": pooled(variant, weights, states)}

    def errors(self, turned_knobs: Turned, *, few: bool) -> Array:
        """Given less computed intermediates, all in one; a stage of another size counts as a whole."""
        try:
            stages = self.stages(turned(EmbeddingVariant(), turned_knobs))
        except (ValueError, KeyError, AttributeError):
            return np.array([np.inf])
        return np.concatenate([_error(value, stages.get(name)) for name, value in self.given.items()])

    def names(self, turned_knobs: Turned) -> tuple[str, ...]:
        """What the knobs are called."""
        return tuple(knob.name for knob in turned_knobs)


def diagnose_trace(
    given: Mapping[str, ArrayLike], text: str, *, model_path: str | Path | None = None, tolerance: float = 1e-5
) -> Diagnosis:
    """Hold intermediates of one text against the reference's, stage by stage, and say where they depart and why.

    `given` has any of the names of `MiniLMEmbeddingFunction.trace`, with or without the leading axis of the batch.
    Raises ValueError for a name that there is not, and for no intermediates at all.
    """
    check_texts([text], "texts")
    folder = models.path("all-MiniLM-L6-v2" if model_path is None else str(model_path))
    problem = TraceProblem(
        {name: np.asarray(value, dtype=np.float64) for name, value in given.items()}, VariedEncoder(folder, [text])
    )
    expected = problem.stages(EmbeddingVariant())
    if not given:
        raise ValueError(f"given holds no intermediates; it may hold {', '.join(list(expected)[:6])} and so on")
    for name in given:
        if name not in expected:
            near = get_close_matches(name, expected, 3) or list(expected)[:3]
            raise ValueError(f"there is no intermediate called {name!r}; near it are {', '.join(near)}")
    largest = {name: _largest(problem.given[name], value) for name, value in expected.items() if name in given}
    difference = max(largest.values())
    if difference <= tolerance:
        return Diagnosis(True, difference, tolerance, ())
    first = next(name for name, value in largest.items() if value > tolerance)
    told = f"{first}, by {largest[first]:.2g}"
    if problem.given[first].size != expected[first].size:
        told = f"{first}, of shape {problem.given[first].shape}, expected {expected[first].shape}"
    return Diagnosis(False, difference, tolerance, explain(problem, tolerance), told)


def _error(given: Array, computed: Array | None) -> Array:
    if computed is None or given.size != computed.size:
        return np.where(given == 0, 1.0, given).ravel()
    with np.errstate(invalid="ignore"):
        error = given.ravel() - computed.ravel()
    return np.where(given.ravel() == computed.ravel(), 0.0, error)  # equal infinities do not differ


def _largest(given: Array, expected: Array) -> float:
    if given.size != expected.size:
        return np.inf
    error = np.abs(_error(given, expected))
    return float(np.where(np.isnan(error), np.inf, error).max(initial=0.0))
