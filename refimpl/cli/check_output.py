"""What `refimpl check` prints and writes."""

import json
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from refimpl.oracle.check import all_cases
from refimpl.oracle.outcome import Check, SuiteOutcome, Verdict
from refimpl.oracle.suites import SUITES
from refimpl.oracle.suites.base import Settings

COLOURS = {Verdict.passed: "green", Verdict.failed: "red", Verdict.error: "red", Verdict.not_asked: "yellow"}


def show(check: Check, verbose: bool) -> None:
    """The table of cases (passed ones counted only, unless `verbose`), each diagnosis, and the verdict."""
    console = Console()
    for suite in check.suites:
        console.print(_table(suite, verbose))
        if suite.diagnosis:
            console.print(Text(f"diagnosis of {suite.name}:\n{suite.diagnosis}\n"))
    console.print(Text(f"{check.sentence()}, tolerance {check.tolerance}, {check.seconds:.1f} s"), soft_wrap=True)


def write(check: Check, json_file: Path | None, junit_xml: Path | None, html: Path | None) -> None:
    """The outcome in each form that was asked for."""
    from refimpl.report import checks

    if json_file is not None:
        json_file.write_text(json.dumps(checks.as_json(check), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if junit_xml is not None:
        checks.write_junit(check, junit_xml)
    if html is not None:
        html.write_text(checks.as_html(check), encoding="utf-8")


def list_suites(names: list[str], settings: Settings) -> None:
    """Every suite's form and cases, with the reasons."""
    console = Console()
    for name in names:
        suite = SUITES[name]
        table = Table("case", "why", "who fell into it", title=f"{name}: {suite.about}", box=SIMPLE_HEAD)
        for case in all_cases(suite, settings):
            table.add_row(Text(case.name), Text(case.reason), Text(case.who))
        console.print(table)
        console.print(Text(suite.form + "\n"))


def _table(suite: SuiteOutcome, verbose: bool) -> Table:
    passed = suite.count(Verdict.passed)
    title = f"{suite.name}: {passed} of {len(suite.outcomes)} passed, {suite.seconds:.1f} s"
    table = Table("case", "verdict", "x allowed", "what", title=title, title_justify="left", box=SIMPLE_HEAD)
    table.columns[0].overflow = table.columns[3].overflow = "fold"
    table.columns[1].no_wrap = table.columns[2].no_wrap = True
    table.columns[2].justify = "right"
    for outcome in suite.outcomes:
        if outcome.verdict is Verdict.passed and not verbose:
            continue
        distance = "" if outcome.distance is None else f"{outcome.distance:.3g}"
        what = outcome.message if outcome.verdict is Verdict.passed else f"{outcome.message} ({outcome.case.reason})"
        verdict = Text(outcome.verdict.value, style=COLOURS[outcome.verdict])
        table.add_row(Text(outcome.case.name), verdict, distance, Text(what))
    if not verbose and passed:
        table.add_row(Text(f"{passed} more"), Text("passed", style="green"), "", Text("--verbose lists them"))
    return table
