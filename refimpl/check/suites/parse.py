"""Parsers of numbers in a target's answers."""

from typing import Any

import numpy as np
from jaxtyping import Float

from refimpl.check.targets.base import AnswerError
from refimpl.common.types import Array


def numbers(answer: Any, where: str, form: str) -> Float[Array, "..."]:
    """Return `answer` as a float64 array; AnswerError names the expected `form`."""
    try:
        return np.asarray(answer, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise AnswerError(f"{where}: expected {form}, got {shown(answer)}") from None


def number(value: Any, where: str) -> float:
    """Return one number; NaN is accepted here and never matches."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise AnswerError(f"{where}: expected a number, got {shown(value)}")
    try:
        return float(value)
    except OverflowError:
        raise AnswerError(f"{where}: expected a number in float64's range, got {shown(value)}") from None


def shown(value: Any) -> str:
    """`repr`, shortened to 90 characters."""
    text = repr(value)
    return text if len(text) <= 90 else text[:87] + "..."
