"""The results of a check: one per case, grouped by suite."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """How a case ended. `error`: the target gave no answer. `skipped`: this kind of target cannot run the case."""

    passed = "passed"
    failed = "failed"
    error = "error"
    skipped = "skipped"


@dataclass(frozen=True)
class Case:
    """A named case, the reason for it, and the implementations known to fail it (may be empty)."""

    name: str
    reason: str
    who: str = ""


@dataclass(frozen=True)
class CaseResult:
    """The result of one case; `distance` is in units of the tolerance, None where nothing was compared."""

    suite: str
    case: Case
    status: Status
    message: str
    distance: float | None = None
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Passed or skipped."""
        return self.status in (Status.passed, Status.skipped)


@dataclass(frozen=True)
class SuiteResult:
    """The results of a suite's cases, in its order, and the diagnosis of those that failed."""

    name: str
    about: str
    results: tuple[CaseResult, ...]
    diagnosis: str | None
    seconds: float
    causes: tuple[Mapping[str, Any], ...] = ()
    """The fields of each `refimpl.diagnosis.Cause`, where the suite's diagnosis has causes."""

    def count(self, status: Status) -> int:
        """Number of cases with this status."""
        return sum(result.status is status for result in self.results)


@dataclass(frozen=True)
class CheckResult:
    """The results of all suites for one target; iterating gives those of the cases."""

    target: str
    tolerance: str
    suites: tuple[SuiteResult, ...]
    seconds: float

    def __iter__(self) -> Iterator[CaseResult]:
        for suite in self.suites:
            yield from suite.results

    @property
    def ok(self) -> bool:
        """No case failed or was in error, and at least one passed."""
        return all(result.ok for result in self) and self.count(Status.passed) > 0

    def count(self, status: Status) -> int:
        """Number of cases of all suites with this status."""
        return sum(suite.count(status) for suite in self.suites)

    def summary(self) -> str:
        """One sentence: the target, whether it matches, and the number of cases by status."""
        counts = [f"{self.count(status)} {status}" for status in Status if self.count(status)]
        failed = not all(result.ok for result in self)
        match = "matches" if self.ok else "DOES NOT MATCH" if failed else "NOTHING CHECKED"
        return f"{self.target}: {match} ({', '.join(counts) or 'no cases'})"
