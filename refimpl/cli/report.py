"""`refimpl report`: a result file as one page."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from refimpl.cli.app import app


@app.command()
def report(
    result: Annotated[
        Path,
        typer.Argument(
            help="The JSON of `pytest --benchmark`, or the results.json of `refimpl run`; - is standard input."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="The file to write; default: next to the result.")
    ] = None,
    form: Annotated[
        Literal["html", "md"] | None,
        typer.Option("--format", help="html or md; default: by the suffix of OUT, else html."),
    ] = None,
    order: Annotated[
        str | None,
        typer.Option(help="Of a run's systems: a measure, best first (default: nDCG@10); lowest; or given."),
    ] = None,
    into: Annotated[
        Path | None, typer.Option(help="Replace the results in this Markdown page by a benchmark's ratios instead.")
    ] = None,
) -> None:
    """Render a result as one self-contained page: comparison, plots, correctness checks, machine."""
    from refimpl import report as reports
    from refimpl.common.inputs import is_piped

    if into is not None:
        if out is not None or form is not None:
            raise typer.BadParameter("--into replaces a part of a page: give no --out and no --format beside it")
        print(reports.replace_in(result, into))
        return
    if out is None and is_piped(result):
        raise typer.BadParameter("a result from a pipe has no default output file: give --out FILE.html or FILE.md")
    print(reports.write(result, out or result.with_suffix(f".{form or 'html'}"), form, order))
