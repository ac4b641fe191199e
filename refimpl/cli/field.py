"""`refimpl field`: measure the published packages that are installed here, and write the page of all."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from refimpl.cli.app import app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from refimpl.field import Entry, Row


@app.command()
def field(
    only: Annotated[
        list[str] | None, typer.Option(help="Only implementations with this name or kind; * matches any text.")
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Read the earlier rows from this JSON file, and write all to it."),
    ] = None,
    page: Annotated[Path | None, typer.Option(metavar="FILE", help="Write all rows as a Markdown page.")] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds for identify, and for check.")] = 600.0,
    measured: Annotated[bool, typer.Option("--measure/--no-measure", help="Run the packages installed here.")] = True,
) -> None:
    """Run identify and check on each published package that is installed here: a BM25, encoder, reranker and more.

    Exit status 1 where one of them failed to run, 2 for a wrong command line.
    """
    from refimpl.common.atomic import check_output, write_atomically
    from refimpl.field import catalogue, load, merged, save

    for file in (results, page):
        if file is not None:
            check_output(file)
    render = None if page is None else _renderer()  # before anything is measured
    known = catalogue.entries()
    selected = _selected(known, only or ["*"]) if measured else []
    rows, failed = load(results or catalogue.folder() / "results.json"), False
    for row in _measured(selected, timeout):
        failed |= bool(row.failure)
        rows = merged(known, rows, [row])
        if results is not None:
            save(results, rows)  # after each row: an interrupted run keeps what it has measured
    if page is not None and render is not None:
        write_atomically(page, render(known, rows))
    raise typer.Exit(1 if failed else 0)


def _renderer() -> "Callable[[Sequence[Entry], Sequence[Row]], str]":
    try:
        from refimpl.report.field import markdown
    except ModuleNotFoundError as error:
        raise OSError("--page needs jinja2: pip install 'refimpl[report]'") from error
    return markdown


def _selected(known: "list[Entry]", patterns: list[str]) -> "list[Entry]":
    from fnmatch import fnmatchcase

    found = [
        entry for entry in known if any(fnmatchcase(name, one) for one in patterns for name in (entry.name, entry.kind))
    ]
    if not found:
        raise typer.BadParameter(f"--only: no implementation has a name or kind like {', '.join(patterns)}")
    return found


def _measured(selected: "list[Entry]", timeout: float) -> "Iterator[Row]":
    """Measure those whose packages are all installed, one at a time, and print one line for each entry."""
    from rich.console import Console

    from refimpl.check.targets.processes import exit_at_signals
    from refimpl.field import installed_version, measure

    with exit_at_signals(), Console(stderr=True).status("running") as status:
        for entry in selected:
            versions = [installed_version(package) for package in entry.packages]
            if (version := versions[0]) is None or None in versions:
                print(f"{entry.kind} {entry.name}: not installed")
                continue
            status.update(f"{entry.kind} {entry.name}")
            row = measure(entry, version, timeout)
            print(_line(row), flush=True)
            yield row


def _line(row: "Row") -> str:
    name = f"{row.kind} {row.name} {row.version}"
    if row.failure:
        return f"{name}: failed: {row.failure}"
    checked = f" Check, {row.suite}: {row.passed} passed, {row.mismatched} mismatched." if row.suite else ""
    return f"{name}: {row.sentence}{checked}"
