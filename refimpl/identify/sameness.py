"""Whether two texts have one row: distances relative to the spread of rows, with the noise measured first."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from refimpl.common.types import Array
from refimpl.identify.ask import Refusal
from refimpl.identify.rows import Row, Rows, refused

CONTROL = (  # one word replaced: what a difference between two texts of the probes is like
    ("the small house is red", "the large house is red"),
    ("an old man went home", "a young man went home"),
    ("water is very cold", "water is very hot"),
    ("we read the first book", "we read the second book"),
    ("music in the morning", "music in the evening"),
    ("the river runs north", "the river runs south"),
    ("the city has a king", "the city has a queen"),
    ("four people came late", "five people came late"),
)
ROUNDING = 1e-5
"""Of the spread: float32 rounding, which the order of sums changes."""


@dataclass(frozen=True)
class Sameness:
    """Decides from two rows whether their texts are one to the target.

    Parameters
    ----------
    spread
        The median over texts of the largest deviation from the mean row.
    noise
        The largest relative distance between two rows of one text.
    least
        The smallest relative distance between the rows of two texts that differ in one word.
    repeatable
        Whether the same call has the same answer, but for rounding.
    """

    spread: float
    noise: float
    least: float
    repeatable: bool = True

    @property
    def tolerance(self) -> float:
        """Below, two rows are one."""
        return max(3 * self.noise, ROUNDING)

    @property
    def decides(self) -> bool:
        """Whether equal rows show equal texts: the rows are repeatable, and one word is visible far above noise."""
        return self.repeatable and self.least > 10 * self.tolerance

    @property
    def reason(self) -> str:
        """Why equal rows do not show equal texts."""
        if not self.repeatable:
            return f"the answers vary by {self.noise:.1e} of their spread from call to call"
        return f"one replaced word changes the answer by {self.least:.1e}, noise by {self.noise:.1e} of the spread"

    def distance(self, one: Array, other: Array) -> float:
        """The largest difference, relative to the spread; infinite for rows of different lengths."""
        return float(np.abs(one - other).max(initial=0.0)) / self.spread if one.shape == other.shape else np.inf

    def same(self, one: Row, other: Row) -> bool | None:
        """True, False, or None where it is not decided."""
        if isinstance(one, Refusal) or isinstance(other, Refusal):
            return None
        distance = self.distance(one, other)
        if distance > 3 * self.tolerance:
            return False
        return True if self.decides and distance <= self.tolerance else None


def spread_of(rows: Sequence[Array]) -> float:
    """The median over rows of the largest deviation from the mean row; 0 where all are equal."""
    matrix = np.stack(rows)
    return float(np.median(np.abs(matrix - matrix.mean(axis=0)).max(axis=1)))


def measure(rows: Rows, repeatable: bool, single: bool = True) -> Sameness:
    """Ask the control texts twice in one call, and each of four alone, unless a `single` text is refused.

    Raises ValueError where a control text is refused, where rows differ in length, or where all rows are equal.
    """
    texts = [text for pair in CONTROL for text in pair]
    answers = rows([*texts, *reversed(texts)])
    alone = [rows([text])[0] for text in texts[:4]] if single else []
    if (first := refused(answers)) is not None:
        raise ValueError(f"{rows.name} refuses a plain text: {first.message}")
    arrays = [row for row in (*answers, *alone) if not isinstance(row, Refusal)]
    if len({row.shape for row in arrays}) > 1:
        raise ValueError(f"{rows.name}: expected rows of one length, got {sorted({row.size for row in arrays})}")
    half = len(texts)
    spread = spread_of(arrays[:half])
    if not spread:
        raise ValueError(f"{rows.name} gives every text the same numbers: {arrays[0][:3].tolist()}")
    scale = Sameness(spread, 0.0, np.inf)
    pairs = list(zip(arrays[:half], arrays[half : 2 * half][::-1], strict=True))
    pairs += zip(arrays, arrays[2 * half :], strict=False)
    noise = max(scale.distance(a, b) for a, b in pairs)
    least = min(scale.distance(a, b) for a, b in zip(arrays[:half:2], arrays[1:half:2], strict=True))
    return Sameness(spread, noise, least, repeatable)
