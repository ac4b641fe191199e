"""The command line's root: collects the commands and turns known errors into one sentence and exit status 1 or 2."""

import sys

import typer

app = typer.Typer(
    name="refimpl",
    help="The readable, checkable twin of pymilvus.model: MiniLM, BM25, reranking and hybrid search in plain numpy.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run `refimpl`; an error that a user can mend is printed as one sentence, without a traceback."""
    from refimpl.cli import encoder, models, report, retrieval, serve  # noqa: F401  each registers its commands on `app`

    try:
        app()
    except (ValueError, TypeError, OSError, LookupError, ImportError) as error:
        print(f"refimpl: {error}", file=sys.stderr)
        sys.exit(1)
