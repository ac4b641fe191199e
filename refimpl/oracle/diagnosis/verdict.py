"""What a diagnosis says: whether the given output matches, and which changes of the reference would give it."""

from dataclasses import dataclass

NEAREST = 3  # causes that are told where none explains everything
TELLING = 0.005  # a smaller share is noise


@dataclass(frozen=True)
class Cause:
    """One hypothesis, or two together: how well the reference, changed like this, gives what was given."""

    names: tuple[str, ...]
    explanation: str
    residual: float
    """The largest |given - reference with this change|."""
    share: float
    """The part of the sum of squared differences that the change takes away, 0 to 1."""
    explains_all: bool
    """Whether the residual is within the tolerance."""

    def __str__(self) -> str:
        named = " and ".join(self.names)
        if self.explains_all:
            return f"{named} explains 100% of the difference (residual {self.residual:.2g}): {self.explanation}"
        percent = min(int(self.share * 1000) / 10, 99.9)  # never rounded up to what it is not
        return f"{named} explains {percent:g}% of the difference (residual {self.residual:.2g}): {self.explanation}"


@dataclass(frozen=True)
class Diagnosis:
    """Whether the given output matches the reference, and the known causes of the difference, best first."""

    matches: bool
    difference: float
    """The largest |given - reference|; infinite where the given is not finite or has another length."""
    tolerance: float
    causes: tuple[Cause, ...]
    first_departure: str | None = None
    """The first stage that departs, where intermediates were given."""

    @property
    def explained(self) -> bool:
        """Whether some cause explains all of the difference."""
        return any(cause.explains_all for cause in self.causes)

    def __str__(self) -> str:
        if self.matches:
            return f"matches: difference {self.difference:.2g} of {self.tolerance:.2g} allowed"
        lines = [f"departs: difference {self.difference:.2g}, {self.tolerance:.2g} allowed"]
        if self.first_departure is not None:
            lines.append(f"first departure: {self.first_departure}")
        if self.explained:
            best, *others = (cause for cause in self.causes if cause.explains_all)
            lines.append(str(best))
            lines += [f"so does {' and '.join(cause.names)}" for cause in others[: NEAREST - 1]]
        else:
            lines.append("none of the known causes explains it" + (", nearest:" if self.causes else ""))
            lines += [f"  {cause}" for cause in self.causes[:NEAREST]]
        return "\n".join(lines)
