"""The result of `refimpl check` as JSON, as JUnit XML for a CI server, and as an HTML page."""

import math
import platform
from dataclasses import asdict
from io import BytesIO
from typing import Any

from refimpl import __version__
from refimpl.check.result import CaseResult, CheckResult, Status, SuiteResult
from refimpl.report.document import NOTHING, Document, Row, Section, Table

SCHEMA = 1


def as_json(check: CheckResult) -> dict[str, Any]:
    """Return plain values; `distance` is in units of the tolerance, null where there is none, "inf" if infinite."""
    return {
        "schema": SCHEMA,
        "subject": check.target,
        "ok": check.ok,
        "tolerance": check.tolerance,
        "seconds": check.seconds,
        "counts": {status.value: check.count(status) for status in Status},
        "suites": [
            {
                "name": suite.name,
                "about": suite.about,
                "seconds": suite.seconds,
                "diagnosis": suite.diagnosis,
                "causes": [dict(cause) for cause in suite.causes],
                "cases": [_case(result) for result in suite.results],
            }
            for suite in check.suites
        ],
    }


def _case(result: CaseResult) -> dict[str, Any]:
    distance: Any = result.distance
    if distance is not None and not math.isfinite(distance):
        distance = str(distance)
    fields = {"verdict": result.status.value, "message": result.message, "distance": distance}
    return {**asdict(result.case), **fields, "seconds": result.seconds}


def as_junit(check: CheckResult) -> bytes:
    """Return XML with one testsuite per suite and one testcase per case; a skipped case has its reason."""
    try:
        import junitparser
    except ModuleNotFoundError as error:
        raise OSError("--junit-xml needs junitparser: pip install 'refimpl[check]'") from error
    xml = junitparser.JUnitXml("refimpl check")
    kinds = {
        Status.failed: junitparser.Failure,
        Status.error: junitparser.Error,
        Status.skipped: junitparser.Skipped,
    }
    for suite in check.suites:
        part = junitparser.TestSuite(suite.name)
        for result in suite.results:
            case = junitparser.TestCase(result.case.name, f"refimpl.{suite.name}", result.seconds)
            if kind := kinds.get(result.status):
                entry = kind(_printable(f"{result.message} ({result.case.reason})"))
                if result.status is Status.failed and suite.diagnosis:
                    entry.text = _printable(suite.diagnosis)
                case.result = [entry]
            part.add_testcase(case)
        part.time = suite.seconds
        xml.add_testsuite(part)
    xml.update_statistics()  # type: ignore[no-untyped-call]  # the library types a part of itself
    content = BytesIO()
    xml.write(content, pretty=True)
    return content.getvalue()


def _printable(text: str) -> str:
    """Replace the control characters that XML 1.0 does not allow."""
    return "".join(letter if letter in "\t\n" or letter.isprintable() else "\ufffd" for letter in text)


def as_html(check: CheckResult) -> str:
    """Return one self-contained page, failed cases first."""
    try:
        from refimpl.report.page import html
    except ModuleNotFoundError as error:
        raise OSError("--html needs jinja2: pip install 'refimpl[check]'") from error
    return html(document(check))


def document(check: CheckResult) -> Document:
    """Return the result as a report: one section per suite, the diagnosis above its cases."""
    return Document(
        title=f"Check of {check.target}",
        headline=(check.summary(), f"Tolerance {check.tolerance}; {check.seconds:.1f} s."),
        sections=tuple(_section(suite) for suite in check.suites),
        stamp=(("refimpl", __version__), ("Python", platform.python_version()), ("machine", platform.machine())),
    )


def _section(suite: SuiteResult) -> Section:
    order = [Status.failed, Status.error, Status.skipped, Status.passed]
    rows = sorted(suite.results, key=lambda result: order.index(result.status))
    columns = ("Case", "Status", "Times allowed", "Message", "Reason for the case", "Known to fail")
    table = Table(f"{len(rows)} cases", columns, tuple(_row(result) for result in rows), toned="Status")
    prose = (suite.about, *(f"Diagnosis: {line}" for line in (suite.diagnosis or "").splitlines() if line.strip()))
    return Section(suite.name, prose, tables=(table,))


def _row(result: CaseResult) -> Row:
    tones = {Status.passed: "win", Status.failed: "loss", Status.error: "loss", Status.skipped: ""}
    distance = NOTHING if result.distance is None else f"{result.distance:.3g}"
    cells = (result.case.name, result.status.value, distance, result.message, result.case.reason)
    return Row((*cells, result.case.who or NOTHING), tones[result.status])
