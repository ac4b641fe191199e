"""The result of a comparison: how far a computed value is from the expected one, in units of the tolerance."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf


@dataclass(frozen=True)
class Comparison:
    """A computed result compared with the expected one; `str()` of it is the message of a failed check.

    Attributes
    ----------
    distance
        Largest deviation in units of the tolerance: at most 1 is a match; infinite where a value is not finite, the
        shapes differ, or equality is required and not met.
    tolerance, max_abs
        Of arrays: the absolute tolerance at the worst element, and the largest absolute difference.
    worst, got, expected
        Index of the worst element, and its computed and expected value.
    n_mismatched, n
        Number of mismatched elements and of all elements.
    compared
        False where one of the two results is missing.
    note
        How shapes were made equal, or why nothing was compared.
    """

    name: str
    distance: float
    message: str
    tolerance: float = 0.0
    max_abs: float = 0.0
    worst: tuple[int, ...] = ()
    got: float = 0.0
    expected: float = 0.0
    n_mismatched: int = 0
    n: int = 0
    compared: bool = True
    note: str = ""

    @property
    def matches(self) -> bool:
        """Whether the two were compared and are within the tolerance."""
        return self.compared and self.distance <= 1.0

    @property
    def status(self) -> str:
        """One of "matches", "mismatch" and "not compared"."""
        return ("matches" if self.matches else "mismatch") if self.compared else "not compared"

    def __str__(self) -> str:
        return f"{self.name}: {self.message}"


def from_condition(condition: bool, name: str, message: str) -> Comparison:
    """A comparison without numbers: distance 0 where `condition` is true, else infinite."""
    return Comparison(name, 0.0 if condition else inf, message)


def worst_of(comparisons: Iterable[Comparison]) -> Comparison:
    """The comparison with the largest distance, the first of several."""
    return max(comparisons, key=lambda comparison: comparison.distance)
