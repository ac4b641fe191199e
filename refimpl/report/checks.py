"""The outcome of `refimpl check` as JSON, as JUnit's XML for a CI server, and as a page."""

import math
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

from refimpl import __version__
from refimpl.oracle.outcome import Check, Outcome, SuiteOutcome, Verdict
from refimpl.report.document import NOTHING, Document, Row, Section, Table

SCHEMA = 1


def as_json(check: Check) -> dict[str, Any]:
    """Plain values; `distance` is in units of the tolerance, null where nothing was measured, "inf" beyond numbers."""
    return {
        "schema": SCHEMA,
        "subject": check.subject,
        "ok": check.ok,
        "tolerance": check.tolerance,
        "seconds": check.seconds,
        "counts": {verdict.value: check.count(verdict) for verdict in Verdict},
        "suites": [
            {
                "name": suite.name,
                "about": suite.about,
                "seconds": suite.seconds,
                "diagnosis": suite.diagnosis,
                "cases": [_case(outcome) for outcome in suite.outcomes],
            }
            for suite in check.suites
        ],
    }


def _case(outcome: Outcome) -> dict[str, Any]:
    distance: Any = outcome.distance
    if distance is not None and not math.isfinite(distance):
        distance = str(distance)
    fields = {"verdict": outcome.verdict.value, "message": outcome.message, "distance": distance}
    return {**asdict(outcome.case), **fields, "seconds": outcome.seconds}


def write_junit(check: Check, file: Path) -> None:
    """One testsuite a suite, one testcase a case; what was not asked is skipped, with the reason."""
    try:
        import junitparser
    except ModuleNotFoundError as error:
        raise OSError("--junit-xml needs junitparser: pip install 'refimpl[check]'") from error
    xml = junitparser.JUnitXml("refimpl check")
    kinds = {
        Verdict.failed: junitparser.Failure,
        Verdict.error: junitparser.Error,
        Verdict.not_asked: junitparser.Skipped,
    }
    for suite in check.suites:
        part = junitparser.TestSuite(suite.name)
        for outcome in suite.outcomes:
            case = junitparser.TestCase(outcome.case.name, f"refimpl.{suite.name}", outcome.seconds)
            if kind := kinds.get(outcome.verdict):
                result = kind(_printable(f"{outcome.message} ({outcome.case.reason})"))
                if outcome.verdict is Verdict.failed and suite.diagnosis:
                    result.text = _printable(suite.diagnosis)
                case.result = [result]
            part.add_testcase(case)
        part.time = suite.seconds
        xml.add_testsuite(part)
    xml.update_statistics()  # type: ignore[no-untyped-call]  # the library types a part of itself
    xml.write(str(file), pretty=True)


def _printable(text: str) -> str:
    """Without the control characters that XML 1.0 cannot hold."""
    return "".join(letter if letter in "\t\n" or letter.isprintable() else "\ufffd" for letter in text)


def as_html(check: Check) -> str:
    """One self-contained page, what failed first."""
    try:
        from refimpl.report.page import html
    except ModuleNotFoundError as error:
        raise OSError("--html needs jinja2: pip install 'refimpl[check]'") from error
    return html(document(check))


def document(check: Check) -> Document:
    """The outcome as a report: a section a suite, the diagnosis above its cases."""
    return Document(
        title=f"Check of {check.subject}",
        headline=(check.sentence(), f"Tolerance {check.tolerance}; {check.seconds:.1f} s."),
        sections=tuple(_section(suite) for suite in check.suites),
        stamp=(("refimpl", __version__), ("Python", platform.python_version()), ("machine", platform.machine())),
    )


def _section(suite: SuiteOutcome) -> Section:
    order = [Verdict.failed, Verdict.error, Verdict.not_asked, Verdict.passed]
    rows = sorted(suite.outcomes, key=lambda outcome: order.index(outcome.verdict))
    columns = ("Case", "Verdict", "Times allowed", "What", "Why", "Who")
    table = Table(f"{len(rows)} cases", columns, tuple(_row(outcome) for outcome in rows), toned="Verdict")
    prose = (suite.about, *(f"Diagnosis: {line}" for line in (suite.diagnosis or "").splitlines() if line.strip()))
    return Section(suite.name, prose, tables=(table,))


def _row(outcome: Outcome) -> Row:
    tones = {Verdict.passed: "win", Verdict.failed: "loss", Verdict.error: "loss", Verdict.not_asked: ""}
    distance = NOTHING if outcome.distance is None else f"{outcome.distance:.3g}"
    cells = (outcome.case.name, outcome.verdict.value, distance, outcome.message, outcome.case.reason)
    return Row((*cells, outcome.case.who or NOTHING), tones[outcome.verdict])
