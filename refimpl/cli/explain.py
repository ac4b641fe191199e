"""`refimpl explain`: one query over a few documents, every step on one page."""

from pathlib import Path
from typing import Annotated

import typer

from refimpl.cli.app import app
from refimpl.datasets import names_of_datasets


@app.command()
def explain(
    question: Annotated[str, typer.Argument(help="The query.")],
    docs: Annotated[
        str,
        typer.Option(
            help=f"A file, a pipe or - (one text per line, or JSON lines), a BEIR folder, {names_of_datasets()}."
        ),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="The page to write.")] = Path("explain.html"),
    most: Annotated[
        int, typer.Option(min=1, max=12, help="Documents on the page; of more, hybrid search selects the best.")
    ] = 5,
    splade: Annotated[str, typer.Option(help="SPLADE model: a folder or a hub name.")] = "splade-tiny",
    rerank: Annotated[str | None, typer.Option(help="Add a cross-encoder: a folder or a hub name.")] = None,
    beside: Annotated[
        str | None,
        typer.Option(help="Compare MiniLM with this sentence-transformers model, not with the SPLADE model."),
    ] = None,
    add: Annotated[list[str] | None, typer.Option(help="A word for What if to add to the query; repeatable.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")] = False,
) -> None:
    """Explain one query over a few documents, from word pieces to the final ranking, on one self-contained page."""
    from refimpl.explain import write
    from refimpl.explain.collection import read

    page = write(
        question,
        read(docs),
        out,
        most=most,
        splade=splade,
        rerank=rerank,
        beside=beside,
        add=add or [],
        show_progress=not quiet,
    )
    print(page)
