"""`refimpl vectors export`: the golden vectors for projects in other languages."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from refimpl.cli.app import app

vectors = typer.Typer(no_args_is_help=True, help="The golden vectors.")
app.add_typer(vectors, name="vectors")


@vectors.callback()
def group() -> None:
    """The golden vectors."""


@vectors.command()
def export(
    directory: Annotated[Path, typer.Argument(help="A folder, empty or absent.")],
    form: Annotated[Literal["json", "safetensors", "csv"], typer.Option("--format", help="The file format of arrays.")],
) -> None:
    """Write the golden vectors, their contract and the small cross-encoder into a folder."""
    from refimpl.golden.export import export as write

    files = write(directory, form)
    size = sum(file.stat().st_size for file in files)
    print(f"{directory}: {len(files)} files, {size / 1e6:.1f} MB; the contract is {directory / 'README.md'}")
