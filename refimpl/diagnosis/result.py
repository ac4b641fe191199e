"""The result of a diagnosis: whether an output matches, and which changes of the reference reproduce it."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

MAX_NEAREST = 3  # causes listed where none explains everything
MOST_LABELS = 8  # texts that a cause is printed with
MIN_SHARE = 0.005  # causes that explain a smaller share of the difference are noise


@dataclass(frozen=True)
class Cause:
    """One hypothesis, or two together, and how well the reference with this change reproduces the output."""

    names: tuple[str, ...]
    explanation: str
    residual: float
    """The largest |output - reference with this change|."""
    share: float
    """The fraction of the sum of squared differences that the change removes, 0 to 1."""
    explains_all: bool
    """Whether the residual is within the tolerance."""
    texts: tuple[str, ...] = ()
    """Labels of the mismatching texts that the cause explains; empty where a domain explains all outputs together."""
    of: str = ""
    """Such as "61 of 61 texts": how many the cause explains, the matching ones included."""
    remedy: str = ""
    """What to change in the implementation."""

    def __str__(self) -> str:
        named = " and ".join(self.names)
        if self.of:
            every = self.explains_all or self.of == f"{len(self.texts)} of {len(self.texts)} texts"
            listed = "" if every or not 0 < len(self.texts) <= MOST_LABELS else f" ({', '.join(self.texts)})"
            remedy = f": {self.remedy}" if self.remedy else ""
            residual = f"(residual {self.residual:.2g})"
            return f"{named} explains {self.of}{listed} {residual}: {self.explanation}{remedy}"
        if self.explains_all:
            return f"{named} explains 100% of the difference (residual {self.residual:.2g}): {self.explanation}"
        left = max(ceil(1000 - self.share * 1000) / 10, 0.1)  # never rounded down to 0
        return f"{named} leaves {left:g}% of the difference (residual {self.residual:.2g}): {self.explanation}"


@dataclass(frozen=True)
class MeasuredCause:
    """What was measured to differ, where no residual of a reference belongs to it."""

    names: tuple[str, ...]
    explanation: str
    explains_all: bool


@dataclass(frozen=True)
class Diagnosis:
    """Whether an output matches the reference, and the known causes of the difference, best first."""

    matches: bool
    difference: float
    """The largest |output - reference|; infinite where the output is not finite or has another size."""
    tolerance: float
    causes: tuple[Cause, ...]
    first_mismatch: str | None = None
    """The first mismatch, such as a stage of the encoder, where the domain has one."""
    observation: str | None = None
    """What the output is, where that needs no hypothesis: not finite, all zeros, one vector for every text."""
    unexplained: tuple[str, ...] = ()
    """Labels of the texts that no cause explains, where a domain explains text by text."""
    notes: tuple[str, ...] = ()
    """What was measured or ruled out, one sentence each."""
    subject: str = ""
    """What of several outputs was diagnosed, such as one case of a suite."""

    @property
    def explained(self) -> bool:
        """Whether some cause explains all of the difference, or causes of several texts together do."""
        by_text = any(cause.texts for cause in self.causes) and not self.unexplained
        return by_text or any(cause.explains_all for cause in self.causes)

    def __str__(self) -> str:
        opening = f"{self.subject}: " if self.subject else ""
        if self.matches:
            return f"{opening}matches: difference {self.difference:.2g} of tolerance {self.tolerance:.2g}"
        lines = [f"{opening}mismatch: difference {self.difference:.2g}, tolerance {self.tolerance:.2g}"]
        if self.first_mismatch is not None:
            lines.append(f"first mismatch: {self.first_mismatch}")
        return "\n".join([*lines, *self._cause_lines(), *self.notes])

    def _cause_lines(self) -> list[str]:
        if self.observation is not None:
            return [self.observation]
        groups = [cause for cause in self.causes if cause.texts and not cause.explains_all]
        if groups:
            return [*map(str, groups), *self._unexplained_lines([c for c in self.causes if not c.texts])]
        if self.explained:
            best, *others = (cause for cause in self.causes if cause.explains_all)
            return [str(best), *(f"also explained by {' and '.join(c.names)}" for c in others[: MAX_NEAREST - 1])]
        return _nearest_lines("none of the known causes explains it", self.causes)

    def _unexplained_lines(self, nearest: Sequence[Cause]) -> list[str]:
        if not self.unexplained:
            return []
        more = len(self.unexplained) - MOST_LABELS
        labels = ", ".join(self.unexplained[:MOST_LABELS]) + (f" and {more} more" if more > 0 else "")
        return _nearest_lines(f"not explained: {labels}", nearest)


def _nearest_lines(opening: str, causes: Sequence[Cause]) -> list[str]:
    return [opening + (", nearest:" if causes else ""), *(f"  {cause}" for cause in causes[:MAX_NEAREST])]
