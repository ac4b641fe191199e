"""`refimpl reproduce`: a run whose figures are recorded, repeated and compared."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from refimpl.cli.app import app


@app.command()
def reproduce(
    name: Annotated[str, typer.Argument(help="A run of data/expected.yaml: cranfield or nfcorpus.")],
    dataset: Annotated[str, typer.Option(help="The collection, such as beir:PATH/cranfield.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the run; default: refimpl-reproduce/NAME.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")] = False,
) -> None:
    """Repeat a run and compare its figures with the recorded ones; exit status 1 where one differs."""
    from refimpl.datasets import open_dataset
    from refimpl.systems.reproduce import expected_runs, reproduce

    runs = expected_runs()
    if name not in runs:
        raise typer.BadParameter(f"expected one of {', '.join(runs)}, got {name!r}")
    figures = reproduce(
        runs[name], open_dataset(dataset), out or Path("refimpl-reproduce") / name, show_progress=not quiet
    )
    table = Table("system", "measure", "expected", "got", "difference", "result", title=runs[name].command)
    for one in figures:
        difference = f"{one.actual - one.expected:+.4f}"
        row = (one.system, one.measure, f"{one.expected:.4f}", f"{one.actual:.4f}", difference)
        table.add_row(*row, "match" if one.matches else f"MISMATCH: more than {one.tolerance}")
    Console().print(table)
    if not all(one.matches for one in figures):
        raise typer.Exit(1)
