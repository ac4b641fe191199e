"""What the suites share whose cases stand in one JSON file each, with a peer's answers."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from refimpl.oracle import golden
from refimpl.oracle.compare import Array
from refimpl.oracle.outcome import Case
from refimpl.oracle.subjects.base import AnswerError
from refimpl.oracle.suites.base import Behaviour, Settings


class PublishedCases:
    """Inputs and cases from `data/vectors/FILE/cases.json`; a suite adds how answers are read and judged."""

    file: ClassVar[str]
    refusable: ClassVar[frozenset[str]] = frozenset()

    def golden(self, name: str) -> golden.GoldenCase:
        """The case called `name`."""
        return golden.cases(self.file)[name]

    def inputs(self, settings: Settings) -> Mapping[str, Any]:
        """What is asked, by case name."""
        return {name: case.input for name, case in golden.cases(self.file).items()}

    def cases(self, settings: Settings) -> Sequence[Case]:
        """The cases of `inputs`, in its order."""
        found = golden.cases(self.file)
        return [Case(name, found[name].reason, found[name].who) for name in self.inputs(settings)]

    def behaviours(self) -> Sequence[Behaviour]:
        """None, unless a suite has some."""
        return ()


def numbers(answer: Any, where: str, form: str) -> Float[Array, "..."]:
    """`answer` as an array of float64; AnswerError says what was asked (`form`) and what came."""
    try:
        return np.asarray(answer, dtype=np.float64)
    except (TypeError, ValueError):
        raise AnswerError(f"{where}: {form} is asked, got {shown(answer)}") from None


def number(value: Any, where: str) -> float:
    """One number (a NaN passes: it is judged, and never matches)."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise AnswerError(f"{where}: a number is asked, got {shown(value)}")
    return float(value)


def shown(value: Any) -> str:
    """`repr`, cut."""
    text = repr(value)
    return text if len(text) <= 90 else text[:87] + "..."
