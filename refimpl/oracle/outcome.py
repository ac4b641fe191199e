"""What a check found: one finding a case, one outcome for each, grouped by suite."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a case ended. `error`: no answer that could be judged came. `not_asked`: this subject cannot be asked it."""

    passed = "passed"
    failed = "failed"
    error = "error"
    not_asked = "not asked"


@dataclass(frozen=True)
class Case:
    """One trap by name: the reason why it is asked, and who fell into it where that is known."""

    name: str
    reason: str
    who: str = ""


@dataclass(frozen=True)
class Finding:
    """How far one answer is from the expected, in units of what is allowed (above 1 is out), and what to say of it."""

    distance: float
    message: str

    @property
    def ok(self) -> bool:
        """Within what is allowed; NaN is not."""
        return self.distance <= 1.0


@dataclass(frozen=True)
class Outcome:
    """A case and its verdict; `distance` is in units of the tolerance, None where nothing was measured."""

    suite: str
    case: Case
    verdict: Verdict
    message: str
    distance: float | None = None
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Neither failed nor in error."""
        return self.verdict in (Verdict.passed, Verdict.not_asked)


@dataclass(frozen=True)
class SuiteOutcome:
    """A suite's cases in its own order, and what the diagnosis says where one failed."""

    name: str
    about: str
    outcomes: tuple[Outcome, ...]
    diagnosis: str | None
    seconds: float

    def count(self, verdict: Verdict) -> int:
        """How many cases ended so."""
        return sum(outcome.verdict is verdict for outcome in self.outcomes)


@dataclass(frozen=True)
class Check:
    """A whole check of one subject."""

    subject: str
    tolerance: str
    suites: tuple[SuiteOutcome, ...]
    seconds: float

    def __iter__(self) -> Iterator[Outcome]:
        for suite in self.suites:
            yield from suite.outcomes

    @property
    def ok(self) -> bool:
        """Nothing failed, and something passed."""
        return all(one.ok for one in self) and self.count(Verdict.passed) > 0

    def count(self, verdict: Verdict) -> int:
        """How many cases of all suites ended so."""
        return sum(suite.count(verdict) for suite in self.suites)

    def sentence(self) -> str:
        """The verdict in one sentence."""
        told = [f"{self.count(v)} {v}" for v in Verdict if self.count(v)]
        verdict = "matches" if self.ok else "NOTHING CHECKED" if all(one.ok for one in self) else "DOES NOT MATCH"
        return f"{self.subject}: {verdict} ({', '.join(told) or 'nothing asked'})"


def worst(findings: list[Finding]) -> Finding:
    """The finding that is furthest out; NaN is further than anything."""
    return max(findings, key=lambda f: math.inf if math.isnan(f.distance) else f.distance)
