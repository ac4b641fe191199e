"""The application that every command registers itself on."""

import typer

app = typer.Typer(
    name="refimpl",
    help="The readable, checkable twin of pymilvus.model: MiniLM, BM25, reranking and hybrid search in plain numpy.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
