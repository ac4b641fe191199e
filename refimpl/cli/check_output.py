"""What `refimpl check` prints and writes."""

import json
import math
import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from refimpl.check.result import CaseResult, CheckResult, Status, SuiteResult
from refimpl.check.runner import all_cases
from refimpl.check.suites import SUITES
from refimpl.check.suites.base import Settings
from refimpl.cli.tables import print_filled
from refimpl.common.atomic import check_output, write_atomically
from refimpl.common.texts import visible

WORST = 12  # mismatching cases of a suite that have a row each
COLOURS = {Status.passed: "green", Status.failed: "red", Status.error: "red", Status.skipped: "yellow"}


def show(check: CheckResult, verbose: bool) -> None:
    """Print the table of cases, each diagnosis, and the summary.

    Unless `verbose`, passed cases are only counted, the others are sorted worst first, equal errors share a row, and of
    more than `WORST` mismatches the others are only named.
    """
    console = Console()
    for suite in check.suites:
        print_filled(console, _table(suite, verbose))
        if suite.diagnosis:
            console.print(Text(visible(f"diagnosis of {suite.name}:\n{suite.diagnosis}\n")))
    console.print(
        Text(f"{visible(check.summary())}, tolerance {check.tolerance}, {check.seconds:.1f} s"), soft_wrap=True
    )


def require_writable(json_file: Path | None, junit_xml: Path | None, html: Path | None) -> None:
    """Raise OSError, before the check, for a file that cannot be written or a library that writing it needs."""
    for file, module in ((json_file, None), (junit_xml, "junitparser"), (html, "jinja2")):
        if file is not None:
            check_output(file)
            if module is not None and find_spec(module) is None:
                raise OSError(f"writing {file} needs {module}: pip install 'refimpl[check]'")


def write(check: CheckResult, json_file: Path | None, junit_xml: Path | None, html: Path | None) -> None:
    """Write the result to each file that is not None; where one fails, the others are written before its error."""
    from refimpl.report import checks

    def as_json(check: CheckResult) -> str:
        return json.dumps(checks.as_json(check), indent=1, ensure_ascii=False) + "\n"

    errors = []
    for file, content in ((json_file, as_json), (junit_xml, checks.as_junit), (html, checks.as_html)):
        if file is not None:
            try:
                write_atomically(file, content(check))
            except OSError as error:
                errors.append(error)
    if errors:
        raise errors[0]


def list_suites(names: list[str], settings: Settings) -> None:
    """Print the form and the cases of each suite, with the reasons."""
    console = Console()
    for name in names:
        suite = SUITES[name]
        table = Table("case", "reason", "known to fail", title=f"{name}: {suite.about}", box=SIMPLE_HEAD)
        for case in all_cases(suite, settings):
            table.add_row(Text(case.name), Text(case.reason), Text(case.who))
        console.print(table)
        console.print(Text(suite.form + "\n"))


def _table(suite: SuiteResult, verbose: bool) -> Table:
    passed = suite.count(Status.passed)
    title = f"{suite.name}: {passed} of {len(suite.results)} passed, {suite.seconds:.1f} s"
    table = Table("case", "status", "x allowed", "message", title=title, title_justify="left", box=SIMPLE_HEAD)
    table.columns[0].overflow = table.columns[3].overflow = "fold"
    table.columns[1].no_wrap = table.columns[2].no_wrap = True
    table.columns[2].justify = "right"
    shown = [[result] for result in suite.results] if verbose else _folded(suite.results)
    compared = [group for group in shown if group[0].distance is not None]
    named = [] if verbose else compared[WORST:]
    for first, *others in (group for group in shown if group not in named):
        distance = "" if first.distance is None else f"{first.distance:.3g}"
        name = first.case.name + (f" and {len(others)} more" if others else "")
        reason = "" if others or first.status is Status.passed else f" ({first.case.reason})"
        message = _sentence(first) if others else first.message
        status = Text(first.status.value, style=COLOURS[first.status])
        table.add_row(Text(name), status, distance, Text(visible(message + reason)))
    if named:
        table.add_row(*_named([first for first, *_ in named]))
    if not verbose and passed:
        table.add_row(Text(f"{passed} more"), Text("passed", style="green"), "", Text("--verbose lists them"))
    return table


def _named(results: Sequence[CaseResult]) -> tuple[Text, Text, str, Text]:
    """One row for mismatches, worst first: how many, the range of their distances, and their names."""
    first, last = (f"{results[i].distance:.3g}" for i in (0, -1))
    names = ", ".join(result.case.name for result in results)
    status = Text(Status.failed.value, style=COLOURS[Status.failed])
    message = f"{last} to {first} times the allowed, --verbose shows them: {names}"
    return Text(f"{len(results)} more"), status, "", Text(visible(message))


def _folded(results: Sequence[CaseResult]) -> list[list[CaseResult]]:
    """Results that did not pass, worst first: those without a comparison, then by distance; equal errors together."""
    bad = [result for result in results if result.status is not Status.passed]
    uncompared: dict[tuple[Status, str], list[CaseResult]] = {}
    for result in sorted(bad, key=lambda result: result.status is Status.skipped):
        if result.distance is None:
            uncompared.setdefault((result.status, _sentence(result)), []).append(result)
    errors = [group for (status, _), group in uncompared.items() if status is not Status.skipped]
    skipped = [group for (status, _), group in uncompared.items() if status is Status.skipped]
    compared = [(result.distance, result) for result in bad if result.distance is not None]
    compared.sort(key=lambda pair: math.inf if math.isnan(pair[0]) else pair[0], reverse=True)
    return [*errors, *([result] for _, result in compared), *skipped]


def _sentence(result: CaseResult) -> str:
    """The message without the name or the number of its input."""
    return re.sub(r"^input \d+: ", "", result.message.removeprefix(f"{result.case.name}: "))
