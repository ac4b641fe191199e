"""The cause of a mismatch of token ids."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from refimpl import models
from refimpl.common.texts import check_texts
from refimpl.common.types import Array
from refimpl.diagnosis.encoder import LONGEST, EncoderVariant, VariedEncoder
from refimpl.diagnosis.hypotheses import Combination, Hypothesis, apply_all, change
from refimpl.diagnosis.result import Diagnosis
from refimpl.diagnosis.search import Problem, explain
from refimpl.diagnosis.token_hypotheses import TOKENS
from refimpl.tokens import Tokens


@dataclass(frozen=True)
class TokenVariant(EncoderVariant):
    """Everything that determines a list of ids; the defaults are the reference."""

    offset: int = 0
    """Added to each id."""


listed = partial(change, TokenVariant)
LISTED = (
    Hypothesis("padding kept", "the lists of ids contain padding", listed(padded_to=LONGEST), cost=1),
    Hypothesis("ids one too high", "ids are counted from 1", listed(offset=1)),
    Hypothesis("ids one too low", "ids are counted from -1: the vocabulary lacks its first line", listed(offset=-1)),
)


class TokenProblem(Problem):
    """Lists of ids, one per text, and the tokenizer that they are compared with."""

    hypotheses: Sequence[Hypothesis] = (*TOKENS, *LISTED)

    def __init__(self, actual: list[list[int]], encoder: VariedEncoder) -> None:
        self.actual, self.encoder = actual, encoder

    def errors(self, combination: Combination, *, few: bool) -> Array:
        """The number of differing positions per text; a missing or additional id is one."""
        variant = apply_all(TokenVariant(), combination)
        expected = _lists(self.encoder.tokens(variant), padded=bool(variant.padded_to))
        return np.array(
            [
                _differing(ids, [i + variant.offset for i in reference])
                for ids, reference in zip(self.actual, expected, strict=True)
            ]
        )


def diagnose_tokens(
    actual: Sequence[Sequence[int]], texts: Sequence[str], *, model_path: str | Path | None = None
) -> Diagnosis:
    """Compare lists of `input_ids` with all-MiniLM-L6-v2's (or another model folder's), and find why they differ.

    Parameters
    ----------
    actual
        One list of ids per text.
    texts
        The texts, in the same order.
    model_path
        A model folder; default all-MiniLM-L6-v2.

    Returns
    -------
    Diagnosis
        Its difference and residuals count the differing positions of the worst text; the tolerance is 0.

    Raises
    ------
    TypeError
        For texts that are not a list of str.
    ValueError
        For another number of lists than of texts.
    """
    checked = check_texts(texts, "texts")
    if len(actual) != len(checked):
        raise ValueError(f"expected {len(checked)} lists of ids, got {len(actual)}: one list per text")
    folder = models.path("all-MiniLM-L6-v2" if model_path is None else str(model_path))
    problem = TokenProblem([[int(i) for i in ids] for ids in actual], VariedEncoder(folder, checked))
    errors = problem.errors((), few=False)
    difference = float(errors.max(initial=0.0))
    if not difference:
        return Diagnosis(True, 0.0, 0.0, ())
    worst = int(np.argmax(errors))
    mismatch = f"text {worst}, {checked[worst]!r:.60}: {_first_difference(problem, worst)}"
    return Diagnosis(False, difference, 0.0, explain(problem, 0.0), mismatch)


def _first_difference(problem: TokenProblem, text: int) -> str:
    actual = problem.actual[text]
    expected = _lists(problem.encoder.tokens(EncoderVariant()), padded=False)[text]
    position = next((i for i, (a, b) in enumerate(zip(actual, expected, strict=False)) if a != b), None)
    if position is None:
        return f"expected {len(expected)} ids, got {len(actual)}"
    return f"expected id {expected[position]} at position {position}, got {actual[position]}"


def _lists(tokens: Tokens, *, padded: bool) -> list[list[int]]:
    ids = np.split(tokens.input_ids, np.cumsum(tokens.lengths)[:-1])
    width = int(tokens.lengths.max(initial=0)) if padded else 0
    return [[*map(int, each), *[tokens.pad_token_id] * (width - len(each))] for each in ids]


def _differing(actual: list[int], expected: list[int]) -> int:
    return sum(a != b for a, b in zip(actual, expected, strict=False)) + abs(len(actual) - len(expected))
