"""Factors that one input decides: each option has a number of its own, and the answer is compared with all of them."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from refimpl.identify.ask import Target
from refimpl.identify.describe import Factor, Identification

RELATIVE = 1e-6  # float32 scores; options differ by over 1e-3


@dataclass(frozen=True)
class Question:
    """An input that decides `factor`, and the number of each option; `read` takes the number from the answer."""

    factor: str
    input: Mapping[str, Any]
    read: Callable[[Any], float | None]
    options: Mapping[str, float]

    def __post_init__(self) -> None:
        values = sorted(self.options.values())
        if any(b - a < 1e-3 * abs(b) for a, b in pairwise(values)):
            raise ValueError(f"{self.factor}: two options have one number, got {self.options}")

    def answer(self, raw: Any) -> Factor:
        """The option that the answer has; undetermined where it has none."""
        evidence = f"options: {', '.join(f'{name} {value:.6g}' for name, value in self.options.items())}"
        if isinstance(raw, Exception):
            return Factor(self.factor, "undetermined", f"refused: {str(raw)[:120]}", evidence)
        try:
            value = self.read(raw)
        except (TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
            return Factor(self.factor, "undetermined", f"no number in the answer ({error})", evidence)
        if value is None:
            return Factor(self.factor, "undetermined", "the answer lacks it", evidence)
        name, nearest = min(self.options.items(), key=lambda option: abs(option[1] - value))
        if not math.isclose(value, nearest, rel_tol=RELATIVE, abs_tol=RELATIVE):
            return Factor(self.factor, "undetermined", f"none of the known options: got {value:.9g}", evidence)
        return Factor(self.factor, "known form", name, evidence, abs(value - nearest) / max(abs(nearest), 1e-9))


def number_of(name: str, answer: Any) -> float | None:
    """The number of a measure or a document in an answer of such pairs; None where it is not there."""
    pairs = dict(answer)
    return None if name not in pairs else float(pairs[name])


Found = Mapping[str, Factor]
Round = Callable[[Found], Sequence[Question]]
"""The questions that follow from the factors found so far."""


def identify(target: Target, task: str, rounds: Sequence[Round]) -> Identification:
    """Ask each round's questions, all in one call where the target refuses none of them.

    A factor of a later round replaces one of the same name. Raises ValueError where the target answers none.
    """
    started = time.perf_counter()
    found: dict[str, Factor] = {}
    answers: list[Any] = []
    for questions in rounds:
        if not (current := questions(found)):
            continue
        latest = _ask(target, task, [question.input for question in current])
        found |= {one.factor: one.answer(answer) for one, answer in zip(current, latest, strict=True)}
        answers += latest
    if all(isinstance(answer, Exception) for answer in answers):
        raise ValueError(f"{target.name} answered none of {len(answers)} inputs: {answers[0]}")
    factors = tuple(found.values())
    known = [f"{factor.name}: {factor.value}" for factor in factors if factor.status == "known form"]
    open_ = [factor.name for factor in factors if factor.status != "known form"]
    sentence = "; ".join(known) or "Nothing is identified"
    sentence += f"; not determined: {', '.join(open_)}." if open_ else "."
    seconds = time.perf_counter() - started
    return Identification(target.name, sentence, not open_, "", "", factors, (), seconds)


def _ask(target: Target, task: str, inputs: Sequence[Mapping[str, Any]]) -> list[Any]:
    try:
        return target.run(task, list(inputs))
    except (RuntimeError, ValueError):
        answers: list[Any] = []
        for one in inputs:
            try:
                answers += target.run(task, [one])
            except (RuntimeError, ValueError) as error:
                answers.append(error)
        return answers
