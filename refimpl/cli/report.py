"""`refimpl report`: a result file as one page."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from refimpl.cli.app import app


@app.command()
def report(
    result: Annotated[
        Path, typer.Argument(help="The JSON of `pytest --benchmark`, or the results.json of `refimpl run`.")
    ],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="The file to write; default: beside the result.")
    ] = None,
    form: Annotated[
        Literal["html", "md"] | None, typer.Option("--format", help="html or md; default: what OUT ends in, else html.")
    ] = None,
) -> None:
    """Draw a result: who won and lost, plots, verdicts, the machine; one self-contained page."""
    from refimpl import report as reports

    print(reports.write(result, out or result.with_suffix(f".{form or 'html'}"), form))
