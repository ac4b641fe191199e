"""Two arrays held against each other: the largest difference, where it is, and how many entries are out."""

from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Comparison:
    """One stage's verdict; `str()` of it is the message that a failed check prints."""

    name: str
    tolerance: float
    max_abs: float
    worst: tuple[int, ...]
    mine: float
    expected: float
    out: int
    total: int

    @property
    def matches(self) -> bool:
        """True when every entry is within the tolerance; exactly equal when that is 0."""
        return self.out == 0

    def __str__(self) -> str:
        if self.matches:
            return f"{self.name}: matches, max |difference| {self.max_abs:.3g} of {self.tolerance:.3g} allowed"
        return (
            f"{self.name}: {self.out} of {self.total} entries are out of {self.tolerance:.3g}; worst at {self.worst}: "
            f"got {self.mine!r}, expected {self.expected!r}, difference {self.max_abs:.6g}"
        )


def compare(name: str, mine: Array, expected: Array, tolerance: float) -> Comparison:
    """Hold `mine` against `expected`, entry by entry, absolute differences; NaN and infinity never match.

    Raises ValueError where the shapes differ, which no tolerance covers.
    """
    if mine.shape != expected.shape:
        raise ValueError(f"{name}: got shape {mine.shape}, expected {expected.shape}")
    difference = np.abs(mine.astype(np.float64) - expected.astype(np.float64))
    difference[~np.isfinite(difference)] = np.inf
    if not difference.size:
        return Comparison(name, tolerance, 0.0, (), 0.0, 0.0, 0, 0)
    worst = tuple(int(i) for i in np.unravel_index(int(np.argmax(difference)), difference.shape))
    return Comparison(
        name=name,
        tolerance=tolerance,
        max_abs=float(difference[worst]),
        worst=worst,
        mine=float(mine[worst]),
        expected=float(expected[worst]),
        out=int(np.count_nonzero(difference > tolerance)),
        total=difference.size,
    )
