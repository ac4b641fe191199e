"""`refimpl models`: list, fetch, verify and locate model files."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from refimpl import models
from refimpl.cli.app import app

group = typer.Typer(help="List, fetch, verify and locate model files.", no_args_is_help=True)
app.add_typer(group, name="models")

Name = Annotated[str, typer.Argument(help="A name of `refimpl models list`.")]
AnyName = Annotated[str, typer.Argument(help="A name of `refimpl models list`, or owner/name[@revision] of the hub.")]


@group.command("list")
def list_models() -> None:
    """List the registered models, their sources and whether they are cached."""
    table = Table("model", "cached", "hub", "wheel", "licence")
    for name, source in models.SOURCES.items():
        is_cached = "yes" if models.cached(name).is_dir() else "no"
        table.add_row(
            name, is_cached, source.hub or "-", f"{source.wheel.package}=={source.wheel.version}", source.licence
        )
    Console().print(table)


@group.command()
def fetch(
    name: AnyName, force: Annotated[bool, typer.Option(help="Download even if the model is cached.")] = False
) -> None:
    """Download a model into the cache; --force renews the recorded commit of a hub repository."""
    if name not in models.SOURCES and models.HUB_NAME.fullmatch(name.partition("@")[0]):
        print(models.hub_folder(name, renew=force))
        return
    _check_registered(name)
    print(models.fetch(name, force=force))


@group.command()
def verify(
    name: Name, directory: Annotated[Path | None, typer.Option(help="Verify this folder instead of the cache.")] = None
) -> None:
    """Compare the sha256 of every file with the published one."""
    _check_registered(name)
    folder = models.verified(name, directory)
    print(f"{folder}: {len(models.SOURCES[name].files)} files, all as published")


@group.command()
def path(name: AnyName) -> None:
    """Print the folder of a model, downloading it first if necessary."""
    print(models.path(name))


def _check_registered(name: str) -> None:
    if name not in models.SOURCES:
        raise typer.BadParameter(f"{name!r} is not one of {', '.join(models.SOURCES)}")
