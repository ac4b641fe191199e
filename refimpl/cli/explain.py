"""`refimpl explain`: one question and a handful of documents, every step on one page."""

from pathlib import Path
from typing import Annotated

import typer

from refimpl.cli.app import app


@app.command()
def explain(
    question: Annotated[str, typer.Argument(help="What you want to know.")],
    docs: Annotated[
        str, typer.Option(help="A file (one text a line, or JSON lines), a BEIR folder, ir:ID or python-docs.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="The page to write.")] = Path("explain.html"),
    most: Annotated[
        int, typer.Option(min=1, max=12, help="Documents on the page; of more, hybrid search takes the best.")
    ] = 5,
    splade: Annotated[str, typer.Option(help="SPLADE model: a folder or a hub name.")] = "splade-tiny",
    rerank: Annotated[str | None, typer.Option(help="Also a cross-encoder: a folder or a hub name.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")] = False,
) -> None:
    """Show one question meeting documents, from word pieces to the last ranking, on one self-contained page."""
    from refimpl import explain as room
    from refimpl.explain.collection import read

    print(room.write(question, read(docs), out, most=most, splade=splade, rerank=rerank, show_progress=not quiet))
