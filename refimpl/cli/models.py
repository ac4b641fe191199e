"""`refimpl models`: list, fetch, verify and locate model files."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from refimpl import models
from refimpl.cli.app import app

group = typer.Typer(help="Model files: what is known, what is here, fetch, verify.", no_args_is_help=True)
app.add_typer(group, name="models")

Name = Annotated[str, typer.Argument(help="A name of `refimpl models list`.")]


@group.command("list")
def list_models() -> None:
    """Every known model, where it comes from and whether the cache has it."""
    table = Table("model", "cached", "hub", "wheel", "licence")
    for name, source in models.SOURCES.items():
        here = "yes" if models.cached(name).is_dir() else "no"
        table.add_row(name, here, source.hub or "-", f"{source.wheel.package}=={source.wheel.version}", source.licence)
    Console().print(table)


@group.command()
def fetch(name: Name, force: Annotated[bool, typer.Option(help="Fetch although the cache has it.")] = False) -> None:
    """Bring a model into the cache."""
    _known(name)
    print(models.fetch(name, force=force))


@group.command()
def verify(
    name: Name, directory: Annotated[Path | None, typer.Option(help="Look here, not in the cache.")] = None
) -> None:
    """Check every file's sha256 against the published one."""
    _known(name)
    folder = models.held(name, directory)
    print(f"{folder}: {len(models.SOURCES[name].files)} files, each as published")


@group.command()
def path(name: Name) -> None:
    """Print the folder that holds a model, fetching it where need be."""
    print(models.path(name))


def _known(name: str) -> None:
    if name not in models.SOURCES:
        raise typer.BadParameter(f"{name!r} is not one of {', '.join(models.SOURCES)}")
