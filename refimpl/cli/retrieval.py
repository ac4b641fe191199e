"""`refimpl run`, `refimpl search` and `refimpl demo`: the main job from the command line."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from refimpl.cli.app import app

SYSTEMS = "dense,bm25,hybrid-rrf,hybrid-weighted,milvus-bm25"
DEMO_DOCUMENTS = 3000
DEMO_QUESTIONS = (
    "How do I count how often each item occurs in a list?",
    "How do I remove a directory and everything below it?",
    "How do I find the shortest distance between two sets of points?",
    "How do I run a command and read what it prints?",
    "How do I fit a curve through noisy data?",
)

Out = Annotated[Path, typer.Option(help="Folder of the run: results, TREC runs, index, Milvus Lite file.")]
Uri = Annotated[str | None, typer.Option(help="A Milvus server or a .db path; else MILVUS_URI, else a file in OUT.")]
Token = Annotated[str | None, typer.Option(help="user:password or an API key; else MILVUS_TOKEN. Never printed.")]
Rerank = Annotated[str | None, typer.Option(help="Also rerank: maxsim, or a cross-encoder's folder or hub name.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")]


@app.command()
def run(
    dataset: Annotated[str, typer.Option(help="beir:PATH, ir:ID, python-docs or python-docs:PACKAGE,PACKAGE,...")],
    systems: Annotated[
        str,
        typer.Option(
            help="Some of dense, bm25, bm25-lucene, splade, milvus-bm25, hybrid-{rrf,weighted,splade}, "
            "{dense,model2vec,splade,bge-m3-dense,bge-m3-sparse}:NAME_OR_FOLDER, and of servers "
            "{openai,jina,voyage,cohere}:MODEL or MODEL@ADDRESS, tei:ADDRESS."
        ),
    ] = "dense,bm25,hybrid-rrf,hybrid-weighted,milvus-bm25",
    out: Out = Path("refimpl-run"),
    split: Annotated[str, typer.Option(help="A BEIR folder's judgements.")] = "test",
    skip_bad: Annotated[bool, typer.Option(help="Leave malformed lines out, and list them.")] = False,
    depth: Annotated[int, typer.Option(min=10, max=1000, help="Hits kept, and fused from each field.")] = 100,
    rerank: Rerank = None,
    uri: Uri = None,
    token: Token = None,
    quiet: Quiet = False,
) -> None:
    """Encode, ingest, search, fuse, rerank and judge; exit status 1 when Milvus' answers are not the judge's."""
    from refimpl import systems as room
    from refimpl.cli.tables import show_results
    from refimpl.datasets import open_dataset

    names, settings = systems.split(","), room.Settings(depth=depth, rerank=rerank)
    source = open_dataset(dataset, split=split, skip_bad=skip_bad)
    results = room.run(source, names, out, settings, uri=uri, token=token, show_progress=not quiet)
    show_results(Console(), results, out)
    if not all(verdict["passed"] for verdict in results["verdicts"]):
        raise typer.Exit(1)


@app.command()
def search(
    question: Annotated[str, typer.Argument(help="What you want to know.")],
    out: Out = Path("refimpl-run"),
    system: Annotated[str | None, typer.Option(help="One of the run's systems; default: its last hybrid.")] = None,
    k: Annotated[int, typer.Option("-k", min=1, max=1000, help="How many documents to show.")] = 5,
    filter: Annotated[str, typer.Option(help="A Milvus expression, for example 'id like \"numpy.%\"'.")] = "",
    rerank: Rerank = None,
    uri: Uri = None,
    token: Token = None,
) -> None:
    """Ask one question of what `refimpl run` built."""
    from refimpl import systems as room
    from refimpl.cli.tables import show_answers

    found = room.answer([question], out, system, k=k, filter=filter, rerank=rerank, uri=uri, token=token)
    show_answers(Console(), question, found[0])


@app.command()
def demo(out: Out = Path("refimpl-demo"), quiet: Quiet = False) -> None:
    """The whole road on Python's own documentation, offline: run, five questions answered, a report."""
    from refimpl import report
    from refimpl import systems as room
    from refimpl.cli.tables import show_answers, show_results
    from refimpl.datasets.python_docs import PythonDocs

    settings = room.Settings(max_length=128)  # half of MiniLM's window: most docstrings say what they do at once
    results = room.run(PythonDocs(most=DEMO_DOCUMENTS), room.DEFAULT, out, settings, show_progress=not quiet)
    console = Console()
    show_results(console, results, out)
    found = room.answer(DEMO_QUESTIONS, out, "hybrid-rrf", k=3)
    for question, answers in zip(DEMO_QUESTIONS, found, strict=True):
        show_answers(console, question, answers)
    print(f"\nReport: {report.write(out / 'results.json', out / 'report.html')}")
