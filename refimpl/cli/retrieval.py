"""`refimpl run`, `refimpl search` and `refimpl demo`: the main job from the command line."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from refimpl.cli.app import app

SYSTEMS = "dense,bm25,hybrid-rrf,hybrid-weighted,milvus-bm25"
DEMO_DOCUMENTS = 4000
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
        typer.Option(help="dense, bm25, bm25-lucene, splade, milvus-bm25, hybrid-rrf, hybrid-weighted, hybrid-splade."),
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
    """Encode, ingest, search, fuse, rerank and judge; the judge's verdicts come before the figures."""
    from refimpl.datasets import open_dataset

    source = open_dataset(dataset, split=split, skip_bad=skip_bad)
    names = systems.split(",")
    results = _run(source, names, out, depth=depth, rerank=rerank, uri=uri, token=token, quiet=quiet)
    if not all(verdict["passed"] for verdict in results["verdicts"]):
        raise typer.Exit(1)


@app.command()
def search(
    question: Annotated[str, typer.Argument(help="What you want to know.")],
    out: Out = Path("refimpl-run"),
    system: Annotated[
        str | None, typer.Option(help="One of the run's systems; default: the last hybrid, else the first.")
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, max=1000, help="How many documents to show.")] = 5,
    filter: Annotated[str, typer.Option(help="A Milvus expression, for example 'id like \"numpy.%\"'.")] = "",
    rerank: Rerank = None,
    uri: Uri = None,
    token: Token = None,
) -> None:
    """Ask one question of what `refimpl run` built."""
    from refimpl.cli.tables import show_answers

    found = _answers([question], out, system, k=k, filter=filter, rerank=rerank, uri=uri, token=token)
    show_answers(Console(), question, found[0])


@app.command()
def demo(out: Out = Path("refimpl-demo"), quiet: Quiet = False) -> None:
    """The whole road on Python's own documentation, offline: run, five questions answered, a report."""
    from refimpl.cli.tables import show_answers
    from refimpl.datasets.python_docs import PythonDocs

    source = PythonDocs(most=DEMO_DOCUMENTS)
    _run(
        source,
        ["dense", "bm25", "hybrid-rrf", "hybrid-weighted", "milvus-bm25"],
        out,
        100,
        None,
        128,
        None,
        None,
        quiet,
    )
    console = Console()
    for question, found in zip(
        DEMO_QUESTIONS, _answers(list(DEMO_QUESTIONS), out, "hybrid-rrf", 3, "", None, None, None), strict=True
    ):
        show_answers(console, question, found)
    from refimpl import report

    console.print(f"Report: {report.write(out / 'results.json', out / 'report.html')}")


def _run(
    source: Any,
    names: list[str],
    out: Path,
    *,
    depth: int = 100,
    rerank: str | None = None,
    max_length: int = 256,
    uri: str | None = None,
    token: str | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    import warnings

    from refimpl.cli.tables import show_results
    from refimpl.search import index, pipeline
    from refimpl.search.milvus import connection
    from refimpl.systems import build

    encoders, systems = build(names, rerank=rerank, max_length=max_length)
    where, secret = connection(uri, token, out / index.LITE)
    settings = {"systems": names, "depth": depth, "rerank": rerank, "max_length": max_length}
    with warnings.catch_warnings():
        warnings.simplefilter("once")  # a text cut at max_length is normal here, and said once
        results = pipeline.run(
            source,
            encoders,
            systems,
            out,
            uri=where,
            token=secret,
            depth=depth,
            show_progress=not quiet,
            settings=settings,
        )
    index.save(
        out, results["store"]["collection"], encoders, [s.name for s in systems if s.rerank is None], settings, where
    )
    show_results(Console(), results, out)
    return results


def _answers(
    questions: list[str],
    out: Path,
    system: str | None,
    *,
    k: int,
    filter: str = "",
    rerank: str | None = None,
    uri: str | None = None,
    token: str | None = None,
) -> list[list[Any]]:
    from refimpl.search import index
    from refimpl.search.milvus import connection
    from refimpl.systems import build

    built = index.Index.open(out)
    hybrid = [name for name in built.systems if name.startswith("hybrid")]
    name = system or (hybrid or list(built.systems))[-1]
    if name not in built.systems:
        raise ValueError(f"{out} was built for {', '.join(built.systems)}, not for {name!r}")
    encoders, systems = build([name], rerank=rerank, max_length=built.settings["max_length"])
    for encoder in encoders:
        index.restore(out, encoder)
    where, secret = connection(uri or built.uri or None, token, out / index.LITE)
    return [
        built.search(question, encoders, systems[-1], uri=where, token=secret, k=k, filter=filter)
        for question in questions
    ]
