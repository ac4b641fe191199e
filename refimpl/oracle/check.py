"""A subject asked suite by suite, each case ending in a verdict."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from refimpl.oracle.outcome import Case, Check, Finding, Outcome, SuiteOutcome, Verdict
from refimpl.oracle.subjects.base import AnswerError, NotAskableError, RefusedError, Subject, SubjectError
from refimpl.oracle.suites import SUITES
from refimpl.oracle.suites.base import NEEDS_WORDS, Asking, Behaviour, Settings, Suite

Progress = Callable[[str], None]


def check(
    subject: Subject,
    suites: Sequence[str],
    settings: Settings,
    patterns: Sequence[str] = (),
    progress: Progress = lambda what: None,
) -> Check:
    """Ask `subject` the cases of `suites` whose names match one of `patterns` (all, when there is none).

    Raises ValueError for a suite that there is none of, and for patterns that no case matches.
    """
    started = time.perf_counter()
    chosen = [_suite(name) for name in suites]
    if patterns and not any(_matches(case.name, patterns) for suite in chosen for case in all_cases(suite, settings)):
        raise ValueError(f"no case of {', '.join(suites)} matches {', '.join(patterns)}: `--list` shows them")
    outcomes = [_run(subject, suite, settings, patterns, progress) for suite in chosen]
    return Check(subject.name, settings.tolerance.name, tuple(outcomes), time.perf_counter() - started)


def all_cases(suite: Suite, settings: Settings) -> list[Case]:
    """Golden cases, then behaviours."""
    return [*suite.cases(settings), *(behaviour.case for behaviour in suite.behaviours())]


def _suite(name: str) -> Suite:
    if name not in SUITES:
        raise ValueError(f"suite must be one of {', '.join(SUITES)} or all; got {name!r}")
    return SUITES[name]


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)


def _run(
    subject: Subject, suite: Suite, settings: Settings, patterns: Sequence[str], progress: Progress
) -> SuiteOutcome:
    started = time.perf_counter()
    if suite.task not in subject.tasks():
        why = f"{subject.name} has no way to be asked for {suite.task}"
        outcomes = [
            _not_asked(suite, case, why) for case in all_cases(suite, settings) if _matches(case.name, patterns)
        ]
        return SuiteOutcome(suite.name, suite.about, tuple(outcomes), None, 0.0)
    progress(f"{suite.name}: asking")
    asking = Asking(suite, subject, settings)
    asking.ask_golden(_chosen_inputs(subject, suite, settings, patterns))
    outcomes = [
        *_golden(asking, [case for case in suite.cases(settings) if _matches(case.name, patterns)]),
        *_behaviours(asking, [one for one in suite.behaviours() if _matches(one.case.name, patterns)], progress),
    ]
    diagnosis = _diagnosis(asking, outcomes, progress) if settings.diagnose else None
    return SuiteOutcome(suite.name, suite.about, tuple(outcomes), diagnosis, time.perf_counter() - started)


def _chosen_inputs(subject: Subject, suite: Suite, settings: Settings, patterns: Sequence[str]) -> Mapping[str, Any]:
    """All inputs where behaviours look at all answers, or where a file answers them; else those of the chosen cases."""
    inputs = suite.inputs(settings)
    looks = any(_matches(one.case.name, patterns) and not one.needs for one in suite.behaviours())
    if looks or "again" not in subject.traits:
        return inputs
    return {name: value for name, value in inputs.items() if _matches(name, patterns)}


def _golden(asking: Asking, cases: Sequence[Case]) -> Iterator[Outcome]:
    for case in cases:
        answer = asking.golden[case.name]
        if isinstance(answer, RefusedError) and case.name in asking.suite.refusable:
            yield Outcome(asking.suite.name, case, Verdict.passed, f"refused, which is allowed: {answer}")
        elif isinstance(answer, SubjectError):
            yield Outcome(asking.suite.name, case, Verdict.error, str(answer))
        elif isinstance(answer, AnswerError):
            yield Outcome(asking.suite.name, case, Verdict.failed, str(answer))
        else:
            yield _judged(asking.suite, case, asking.suite.judge(case.name, answer, asking.settings))


def _behaviours(asking: Asking, behaviours: Sequence[Behaviour], progress: Progress) -> Iterator[Outcome]:
    for behaviour in behaviours:
        if missing := sorted(behaviour.needs - asking.subject.traits):
            yield _not_asked(asking.suite, behaviour.case, NEEDS_WORDS[missing[0]])
            continue
        progress(f"{asking.suite.name}: {behaviour.case.name}")
        started = time.perf_counter()
        yield _behaved(asking, behaviour, started)


def _behaved(asking: Asking, behaviour: Behaviour, started: float) -> Outcome:
    try:
        finding = behaviour.check(asking)
    except SubjectError as error:
        seconds = time.perf_counter() - started
        return Outcome(asking.suite.name, behaviour.case, Verdict.error, str(error), None, seconds)
    except AnswerError as error:
        seconds = time.perf_counter() - started
        return Outcome(asking.suite.name, behaviour.case, Verdict.failed, str(error), None, seconds)
    except NotAskableError as error:
        return _not_asked(asking.suite, behaviour.case, str(error))
    return _judged(asking.suite, behaviour.case, finding, time.perf_counter() - started)


def _judged(suite: Suite, case: Case, finding: Finding, seconds: float = 0.0) -> Outcome:
    verdict = Verdict.passed if finding.ok else Verdict.failed
    return Outcome(suite.name, case, verdict, finding.message, finding.distance, seconds)


def _not_asked(suite: Suite, case: Case, why: str) -> Outcome:
    return Outcome(suite.name, case, Verdict.not_asked, why)


def _diagnosis(asking: Asking, outcomes: Sequence[Outcome], progress: Progress) -> str | None:
    """The suite's diagnosis over what was answered, where a golden number is out."""
    answers = {name: a for name, a in asking.golden.items() if not isinstance(a, SubjectError | AnswerError)}
    failed = [o.case.name for o in outcomes if o.verdict is Verdict.failed and o.case.name in answers]
    if not failed:
        return None
    progress(f"{asking.suite.name}: looking for the cause")
    try:
        return asking.suite.diagnose(answers, failed, asking.settings)
    except (ValueError, OSError) as error:  # the verdict stands without it
        return f"no diagnosis: {error}"
