"""Token ids that are not the reference's: which known change gives them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from refimpl import models
from refimpl.base import check_texts
from refimpl.oracle.diagnosis.encoder import EncoderVariant, VariedEncoder
from refimpl.oracle.diagnosis.encoder_causes import TOKENS
from refimpl.oracle.diagnosis.knobs import Knob, turned
from refimpl.oracle.diagnosis.search import Turned, explain
from refimpl.oracle.diagnosis.verdict import Diagnosis
from refimpl.tokens import Tokens

Array = np.ndarray

LISTED = (
    Knob("padding kept", "padding stands in the lists of ids", {"padded_to": -1}),
    Knob("ids one too high", "ids are counted from 1", {"first_position": 1}),
    Knob("ids one too low", "ids are counted from -1: a vocabulary without its first line", {"first_position": -1}),
)


class TokenProblem:
    """Given lists of ids, and the tokenizer with its knobs."""

    knobs: Sequence[Knob] = (*TOKENS, *LISTED)

    def __init__(self, given: list[list[int]], encoder: VariedEncoder) -> None:
        self.given, self.encoder = given, encoder

    def errors(self, turned_knobs: Turned, *, few: bool) -> Array:
        """For each text, how many positions hold another id, or an id where there is none."""
        variant = turned(EncoderVariant(), turned_knobs)
        try:
            tokens = self.encoder.tokens(variant)
        except (ValueError, AttributeError):
            return np.array([np.inf])
        expected = _lists(tokens, padded=bool(variant.padded_to))
        shift = variant.first_position or 0
        return np.array(
            [_differing(ours, [i + shift for i in ids]) for ours, ids in zip(self.given, expected, strict=True)]
        )

    def names(self, turned_knobs: Turned) -> tuple[str, ...]:
        """What the knobs are called."""
        return tuple(knob.name for knob in turned_knobs)


def diagnose_tokens(
    given: Sequence[Sequence[int]], texts: Sequence[str], *, model_path: str | Path | None = None
) -> Diagnosis:
    """Hold lists of `input_ids`, one a text, against all-MiniLM-L6-v2's (or a model folder's) and say why they differ.

    Difference and residual count the positions that hold another id, in the worst text; the tolerance is 0.
    Raises TypeError for what are no texts, ValueError where there is not one list a text.
    """
    checked = check_texts(texts, "texts")
    if len(given) != len(checked):
        raise ValueError(f"given must hold a list of ids for each of {len(checked)} texts, got {len(given)}")
    folder = models.path("all-MiniLM-L6-v2" if model_path is None else str(model_path))
    problem = TokenProblem([[int(i) for i in ids] for ids in given], VariedEncoder(folder, checked))
    errors = problem.errors((), few=False)
    difference = float(errors.max(initial=0.0))
    if not difference:
        return Diagnosis(True, 0.0, 0.0, ())
    worst = int(np.argmax(errors))
    departure = f"text {worst}, {checked[worst]!r:.60}: {_first_difference(problem, worst)}"
    return Diagnosis(False, difference, 0.0, explain(problem, 0.0), departure)


def _first_difference(problem: TokenProblem, text: int) -> str:
    ours, expected = problem.given[text], _lists(problem.encoder.tokens(EncoderVariant()), padded=False)[text]
    place = next((i for i, (a, b) in enumerate(zip(ours, expected, strict=False)) if a != b), None)
    if place is None:
        return f"{len(ours)} ids, expected {len(expected)}"
    return f"id {ours[place]} at {place}, expected {expected[place]}"


def _lists(tokens: Tokens, *, padded: bool) -> list[list[int]]:
    ids = np.split(tokens.input_ids, np.cumsum(tokens.lengths)[:-1])
    width = int(tokens.lengths.max(initial=0)) if padded else 0
    return [[*map(int, each), *[tokens.pad_token_id] * (width - len(each))] for each in ids]


def _differing(ours: list[int], expected: list[int]) -> int:
    return sum(a != b for a, b in zip(ours, expected, strict=False)) + abs(len(ours) - len(expected))
