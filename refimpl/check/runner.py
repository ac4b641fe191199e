"""Runs the cases of suites on a target."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from refimpl.check.result import Case, CaseResult, CheckResult, Status, SuiteResult
from refimpl.check.suites import SUITES
from refimpl.check.suites.base import UNEXPECTED, Behaviour, Found, Session, Settings, Suite
from refimpl.check.targets.base import (
    AnswerError,
    RefusedError,
    StoppedAtTimeout,
    Target,
    TargetError,
    UnsupportedError,
)
from refimpl.compare import Comparison

Progress = Callable[[str], None]
FORM = Case("form", "every answer must have the form of the task")
MISSING_TRAIT = {
    "any_input": "a file of answers cannot run other inputs",
    "parallel": "this kind of target runs one call at a time",
    "top_k": "the protocol has no top_k",
    "echo": "the protocol does not return documents",
    "many_calls": "too many calls for a command",
}


def check(
    target: Target,
    suites: Sequence[str],
    settings: Settings,
    patterns: Sequence[str] = (),
    progress: Progress = lambda what: None,
) -> CheckResult:
    """Run the cases of `suites` whose names match one of `patterns` (all cases when there are no patterns).

    Raises ValueError for an unknown suite, and for patterns that match no case.
    """
    started = time.perf_counter()
    selected = [_suite(name) for name in suites]
    names = [case.name for suite in selected for case in all_cases(suite, settings)]
    if patterns and not any(_matches(name, patterns) for name in names):
        raise ValueError(f"no case of {', '.join(suites)} matches {', '.join(patterns)}: `--list` shows them")
    stopped = StoppedAtTimeout(target)
    results = [_run_suite(stopped, suite, settings, patterns, progress) for suite in selected]
    return CheckResult(target.name, settings.tolerance.name, tuple(results), time.perf_counter() - started)


def all_cases(suite: Suite, settings: Settings) -> list[Case]:
    """Return the golden cases, then the behaviours."""
    return [*suite.cases(settings), *(behaviour.case for behaviour in suite.behaviours)]


def _suite(name: str) -> Suite:
    if name not in SUITES:
        raise ValueError(f"suite must be one of {', '.join(SUITES)} or all, got {name!r}")
    return SUITES[name]


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)


def _run_suite(
    target: Target, suite: Suite, settings: Settings, patterns: Sequence[str], progress: Progress
) -> SuiteResult:
    started = time.perf_counter()
    session = Session(suite, target, settings)
    if suite.task not in target.tasks():
        reason = f"{target.name} cannot run the task {suite.task}"
        cases = [case for case in all_cases(suite, settings) if _matches(case.name, patterns)]
        skipped = tuple(CaseResult(suite.name, case, Status.skipped, reason) for case in cases)
        return SuiteResult(suite.name, suite.about, skipped, None, 0.0)
    progress(f"{suite.name}: golden inputs")
    session.run_golden(_selected_inputs(session, patterns))
    if (sentence := suite.other_form(session)) is not None:
        return _of_other_form(session, sentence, patterns, time.perf_counter() - started)
    results = [
        *_golden_results(session, [case for case in suite.cases(settings) if _matches(case.name, patterns)]),
        *_behaviour_results(
            session, [each for each in suite.behaviours if _matches(each.case.name, patterns)], progress
        ),
    ]
    diagnosis = _diagnosis(session, results, progress) if settings.diagnose else None
    return SuiteResult(
        name=suite.name,
        about=suite.about,
        results=tuple(results),
        diagnosis=None if diagnosis is None else str(diagnosis),
        seconds=time.perf_counter() - started,
        causes=() if diagnosis is None or isinstance(diagnosis, str) else tuple(map(asdict, diagnosis.causes)),
    )


def _of_other_form(session: Session, sentence: str, patterns: Sequence[str], seconds: float) -> SuiteResult:
    """One failure with the sentence; every case skipped."""
    suite = session.suite
    cases = [case for case in all_cases(suite, session.settings) if _matches(case.name, patterns)]
    skipped = [CaseResult(suite.name, case, Status.skipped, "not compared: answers of another form") for case in cases]
    failed = CaseResult(suite.name, FORM, Status.failed, sentence, None, seconds)
    return SuiteResult(suite.name, suite.about, (failed, *skipped), None, seconds)


def _selected_inputs(session: Session, patterns: Sequence[str]) -> Mapping[str, Any]:
    """The inputs of the selected cases; all inputs for a file of answers, or where a behaviour uses all answers."""
    inputs = session.suite.inputs(session.settings)
    behaviours = session.suite.behaviours
    needs_all = any(_matches(each.case.name, patterns) and not each.needs for each in behaviours)
    if needs_all or "any_input" not in session.target.traits:
        return inputs
    return {name: value for name, value in inputs.items() if _matches(name, patterns)}


def _golden_results(session: Session, cases: Sequence[Case]) -> Iterator[CaseResult]:
    suite = session.suite
    for case in cases:
        answer = session.golden[case.name]
        if isinstance(answer, RefusedError) and case.name in suite.refusable:
            message = f"refused, which is allowed: {answer}"
            yield CaseResult(suite.name, case, Status.passed, message, None, session.seconds.get(case.name, 0.0))
        elif isinstance(answer, TargetError | AnswerError):
            yield _error_result(suite, case, answer, session.seconds.get(case.name, 0.0))
        else:
            try:
                with np.errstate(all="ignore"):  # extreme values overflow, and are no match
                    comparison = suite.compare(case.name, answer, session.settings)
            except UNEXPECTED as error:
                yield _error_result(suite, case, _incomparable(error))
            else:
                yield _comparison_result(suite, case, comparison, session.seconds.get(case.name, 0.0))


def _behaviour_results(session: Session, behaviours: Sequence[Behaviour], progress: Progress) -> Iterator[CaseResult]:
    for behaviour in behaviours:
        if missing := sorted(behaviour.needs - session.target.traits):
            yield CaseResult(session.suite.name, behaviour.case, Status.skipped, MISSING_TRAIT[missing[0]])
            continue
        progress(f"{session.suite.name}: {behaviour.case.name}")
        started = time.perf_counter()
        try:
            with np.errstate(all="ignore"):
                comparison = behaviour.check(session)
        except (TargetError, AnswerError, UnsupportedError) as error:
            yield _error_result(session.suite, behaviour.case, error, time.perf_counter() - started)
        except UNEXPECTED as error:
            yield _error_result(session.suite, behaviour.case, _incomparable(error), time.perf_counter() - started)
        else:
            yield _comparison_result(session.suite, behaviour.case, comparison, time.perf_counter() - started)


def _comparison_result(suite: Suite, case: Case, comparison: Comparison, seconds: float = 0.0) -> CaseResult:
    status = Status.passed if comparison.matches else Status.failed
    return CaseResult(suite.name, case, status, str(comparison), comparison.distance, seconds)


def _incomparable(error: Exception) -> AnswerError:
    return AnswerError(f"the answer cannot be compared ({type(error).__name__}: {error})")


def _error_result(suite: Suite, case: Case, error: Exception, seconds: float = 0.0) -> CaseResult:
    statuses = {TargetError: Status.error, AnswerError: Status.failed, UnsupportedError: Status.skipped}
    status = next(status for kind, status in statuses.items() if isinstance(error, kind))
    return CaseResult(suite.name, case, status, str(error), None, seconds)


def _diagnosis(session: Session, results: Sequence[CaseResult], progress: Progress) -> Found | str | None:
    """The suite's diagnosis of the answers; None where all of them match."""
    answers = {name: a for name, a in session.golden.items() if not isinstance(a, TargetError | AnswerError)}
    failed = [r.case.name for r in results if r.status is Status.failed and r.case.name in answers]
    if not failed:
        return None
    progress(f"{session.suite.name}: diagnosis")
    try:
        return session.suite.diagnose_target(session, answers, failed)
    except (*UNEXPECTED, OSError) as error:  # the cases' results are valid without a diagnosis
        return f"no diagnosis: {error}"
