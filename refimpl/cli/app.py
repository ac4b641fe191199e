"""The Typer application on which every command is registered, and its own option, `--version`."""

from typing import Annotated

import typer

from refimpl import __version__

app = typer.Typer(
    name="refimpl",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(requested: bool) -> bool:
    if requested:
        print(f"refimpl {__version__}")
        raise typer.Exit
    return requested  # the value of the option's parameter


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """A readable reference implementation of pymilvus.model in numpy: MiniLM, BM25, reranking and hybrid search."""
