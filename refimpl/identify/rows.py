"""One row of numbers per text: the vector of an encoder, or a document's scores for several queries."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64

from refimpl.common.types import Array
from refimpl.identify.ask import Refusal, Target

Numbers = Float64[Array, "_numbers"]
Row = Numbers | Refusal


@runtime_checkable
class Rows(Protocol):
    """Asks a target for one row per text, in order; a refused text leaves the others standing."""

    name: str

    def __call__(self, texts: Sequence[str]) -> list[Row]:
        """Return one row per text."""
        ...


class Vectors:
    """The vectors of a target of the task embed; `dtypes` are those of the arrays that it returned."""

    def __init__(self, target: Target) -> None:
        self.name = target.name
        self.dtypes: set[str] = set()
        self._target = target

    def __call__(self, texts: Sequence[str]) -> list[Row]:
        """All texts in one call; where that fails, each in a call of its own."""
        try:
            answers = self._target.run("embed", list(texts))
        except (RuntimeError, ValueError) as error:
            return [Refusal(str(error))] if len(texts) == 1 else [self([text])[0] for text in texts]
        return [self._parse(answer) for answer in answers]

    def _parse(self, answer: Any) -> Row:
        if answer is None or isinstance(answer, Mapping | str):
            given = answer["error"] if isinstance(answer, Mapping) and "error" in answer else answer
            return Refusal(f"expected a vector, got {given!r:.120}")
        try:
            array = np.asarray(answer)
        except (TypeError, ValueError, RuntimeError):  # a tensor of a type that numpy lacks, such as bfloat16
            array = np.asarray(answer.tolist() if hasattr(answer, "tolist") else [])
        if array.dtype.kind not in "fiub" or array.ndim != 1 or not array.size:
            return Refusal(f"expected a vector of numbers, got {array.dtype} of shape {array.shape}")
        if not np.isfinite(array).all():
            return Refusal("a number of the vector is not finite")
        self.dtypes.add(array.dtype.name)
        return array.astype(np.float64)


class Alone:
    """Each text in a call of its own: for targets where a row depends on the other texts of a call."""

    def __init__(self, rows: Rows) -> None:
        self.name = rows.name
        self._rows = rows

    def __call__(self, texts: Sequence[str]) -> list[Row]:
        """Return one row per text."""
        return [self._rows([text])[0] for text in texts]


class Accompanied:
    """Each call has `companions` too: for targets that refuse a single text, as where numbers are scaled by a call."""

    def __init__(self, rows: Rows, companions: Sequence[str]) -> None:
        self.name = rows.name
        self._rows, self._companions = rows, companions

    def __call__(self, texts: Sequence[str]) -> list[Row]:
        """All texts in one call; where that fails, each in a call of its own."""
        answers = self._rows([*texts, *self._companions])
        if len(texts) > 1 and all(isinstance(answer, Refusal) for answer in answers):
            return [self([text])[0] for text in texts]
        return answers[: len(texts)]


def refused(rows: Sequence[Row]) -> Refusal | None:
    """The first refusal."""
    return next((row for row in rows if isinstance(row, Refusal)), None)
