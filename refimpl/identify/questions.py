"""Factors that one input decides: each option has a number of its own, and the answer is compared with all of them."""

import itertools
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from refimpl.identify.ask import Target
from refimpl.identify.describe import Factor, Identification

RELATIVE = 1e-6  # float32 scores; options differ by over 1e-3
FLOAT32_ERROR = 1e-7
ROUNDED, LEAST_VALUES = range(3, 7), 5  # decimals of rounded numbers, and different numbers that show them


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

    def answer(self, raw: Any, slack: float = 0.0) -> Factor:
        """The option that the answer has, up to `slack`; undetermined where it has none or one of several."""
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
        if not math.isclose(value, nearest, rel_tol=RELATIVE, abs_tol=max(RELATIVE, slack)):
            return Factor(self.factor, "undetermined", f"none of the known options: got {value:.9g}", evidence)
        others = [one for one, option in self.options.items() if one != name and abs(value - option) <= slack]
        if others:
            return Factor(self.factor, "undetermined", f"one of: {'; '.join((name, *others))}", evidence)
        return Factor(self.factor, "known form", name, evidence, abs(value - nearest) / max(abs(nearest), 1e-9))


def number_of(name: str, answer: Any) -> float | None:
    """The number of a measure or a document in an answer of such pairs; None where it is not there."""
    pairs = dict(answer)
    return None if name not in pairs else float(pairs[name])


def decimals(values: Iterable[float]) -> int | None:
    """The decimals to which all numbers are rounded; None where the numbers do not show that."""
    different = {value for value in values if math.isfinite(value)}
    shown = max((_decimals(value) for value in different), default=0)
    return shown if len(different) >= LEAST_VALUES and shown in ROUNDED else None


def _decimals(value: float) -> int:
    digits, _, power = repr(float(value)).partition("e")
    return max(0, len(digits.partition(".")[2].rstrip("0")) - int(power or 0))


def _numbers(answer: Any) -> Iterator[float]:
    """All floating-point numbers in an answer."""
    if isinstance(answer, float | np.floating):
        yield float(answer)
    elif isinstance(answer, Mapping):
        yield from itertools.chain.from_iterable(map(_numbers, answer.values()))
    elif isinstance(answer, list | tuple | np.ndarray):
        yield from itertools.chain.from_iterable(map(_numbers, answer))


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
    values: list[float] = []
    for questions in rounds:
        if not (current := questions(found)):
            continue
        latest = _ask(target, task, [question.input for question in current])
        answered = list(zip(current, latest, strict=True))
        values += [number for answer in latest for number in _numbers(answer)]
        places = decimals(values)
        slack = 0.0 if places is None else 0.505 * 10.0**-places
        found |= {one.factor: one.answer(answer, slack) for one, answer in answered}
        answers += latest
    if all(isinstance(answer, Exception) for answer in answers):
        raise ValueError(f"{target.name} answered none of {len(answers)} inputs: {answers[0]}")
    deviates = any(factor.error is not None and factor.error > FLOAT32_ERROR for factor in found.values())
    if deviates and (places := decimals(values)) is not None:  # else the exact numbers have as few
        value = f"rounded to {places} decimals"
        found["precision"] = Factor("precision", "known form", value, "all numbers in the answers")
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
