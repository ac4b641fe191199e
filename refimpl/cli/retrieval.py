"""`refimpl run`, `refimpl search` and `refimpl demo`."""

import re
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from refimpl.cli.app import app
from refimpl.cli.cluster import Dask, DaskReport, engine_of
from refimpl.datasets import KINDS, names_of_datasets

SYSTEMS = "dense,bm25,hybrid-rrf,hybrid-weighted,milvus-bm25"  # of refimpl.systems, which is slow to import
MEASURES = "nDCG@10,recall@100,MRR@10,MAP"
DEMO_DOCUMENTS = 3000
DEMO_QUERIES = (
    "How do I count how often each item occurs in a list?",
    "How do I remove a directory and everything below it?",
    "How do I find the shortest distance between two sets of points?",
    "How do I run a command and read what it prints?",
    "How do I fit a curve through noisy data?",
)

NUMBER = re.compile(r"\d+(\.\d+)?")

Out = Annotated[Path, typer.Option(help="Folder of the run: results, TREC runs, index, Milvus Lite file.")]
Uri = Annotated[
    str | None, typer.Option(help="URI of a Milvus server, or a .db path; else MILVUS_URI, else a file in OUT.")
]
Token = Annotated[str | None, typer.Option(help="user:password or an API key; else MILVUS_TOKEN. Never printed.")]
Rerank = Annotated[str | None, typer.Option(help="Also rerank: maxsim, or a cross-encoder's folder or hub name.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")]


@app.command()
def run(
    dataset: Annotated[str, typer.Option(help=f"{names_of_datasets()} ({', '.join(k.help for k in KINDS.values())}).")],
    systems: Annotated[
        str,
        typer.Option(
            help="Some of dense, bm25, bm25-lucene, splade, milvus-bm25, hybrid-{rrf,weighted,splade}, "
            "{dense,model2vec,splade,instructor,onnx,{bge-m3,mgte}-{dense,sparse}}:NAME_OR_FOLDER, and of servers "
            "{openai,jina,voyage,cohere,mistral,nomic,gemini}:MODEL or MODEL@ADDRESS, tei:ADDRESS."
        ),
    ] = SYSTEMS,
    out: Out = Path("refimpl-run"),
    split: Annotated[str, typer.Option(help="Qrels of a BEIR folder.")] = "test",
    skip_bad: Annotated[bool, typer.Option(help="Skip malformed lines, and list them.")] = False,
    depth: Annotated[int, typer.Option(min=10, max=1000, help="Hits per query kept, and fused from each field.")] = 100,
    rerank: Rerank = None,
    measures: Annotated[
        str, typer.Option(help="Measures of ir-measures, such as P@5 or ERR@20; recall, MRR and MAP are R, RR and AP.")
    ] = MEASURES,
    ignore_identical_ids: Annotated[
        bool | None,
        typer.Option(
            help="Leave out the document whose id is the query's, as BEIR does; default: for ArguAna and Quora."
        ),
    ] = None,
    price_per_hour: Annotated[
        float | None,
        typer.Option(help="Price of an hour of this machine, in any currency: adds the cost of each stage."),
    ] = None,
    price_per_million_tokens: Annotated[
        list[str] | None,
        typer.Option(help="SYSTEM=PRICE of a provider's tokens, such as openai:MODEL=0.02; repeatable."),
    ] = None,
    uri: Uri = None,
    token: Token = None,
    dask: Dask = None,
    dask_report: DaskReport = None,
    quiet: Quiet = False,
) -> None:
    """Encode, ingest, search, fuse, rerank and evaluate; exit status 1 for a deviation of Milvus or a failed system."""
    from refimpl import systems as retrieval
    from refimpl.cli.tables import show_results
    from refimpl.datasets import open_dataset

    names = systems.split(",")
    settings = retrieval.Settings(
        depth,
        rerank,
        measures=measures.split(","),
        ignore_identical_ids=ignore_identical_ids,
        price_per_hour=price_per_hour,
        price_per_million_tokens=dict(map(_token_price, price_per_million_tokens or ())),
    )
    source, connection = open_dataset(dataset, split=split, skip_bad=skip_bad), retrieval.Connection(uri, token)
    with engine_of(dask, dask_report) as engine:
        results = retrieval.run(source, names, out, settings, connection, engine=engine, show_progress=not quiet)
    show_results(Console(), results, out)
    if results["failures"] or not all(validation["passed"] for validation in results["verdicts"]):
        raise typer.Exit(1)


def _token_price(option: str) -> tuple[str, float]:
    """The name and the price of SYSTEM=PRICE."""
    name, _, price = option.rpartition("=")
    if name and NUMBER.fullmatch(price):
        return name, float(price)
    raise typer.BadParameter(
        f"--price-per-million-tokens must be SYSTEM=PRICE, such as openai:MODEL=0.02, got {option!r}"
    )


@app.command()
def search(
    question: Annotated[str, typer.Argument(help="The query.")],
    out: Out = Path("refimpl-run"),
    system: Annotated[
        str | None, typer.Option(help="One of the run's systems; default: the one with the highest nDCG@10.")
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, max=1000, help="Number of documents to show.")] = 5,
    filter: Annotated[str, typer.Option(help="A Milvus expression, for example 'id like \"numpy.%\"'.")] = "",
    rerank: Rerank = None,
    uri: Uri = None,
    token: Token = None,
) -> None:
    """Search the collection that `refimpl run` built."""
    from refimpl import systems as retrieval
    from refimpl.cli.tables import show_answers

    options, connection = retrieval.SearchOptions(k, filter, rerank), retrieval.Connection(uri, token)
    if system is None:
        best = retrieval.best_system(out)
        system = best.name
        print(f"by {best.name}: {best.reason}")
    (hits,) = retrieval.search([question], out, system, options, connection)
    show_answers(Console(), question, hits)


@app.command()
def demo(out: Out = Path("refimpl-demo"), quiet: Quiet = False) -> None:
    """Run every default system on Python's own documentation, offline, search it for five queries, write a report."""
    from refimpl import report
    from refimpl import systems as retrieval
    from refimpl.cli.tables import show_answers, show_results
    from refimpl.datasets.python_docs import PythonDocs

    settings = retrieval.Settings(max_length=128)  # half of MiniLM's window: the summary of a docstring comes first
    dataset = PythonDocs(max_documents=DEMO_DOCUMENTS)
    results = retrieval.run(dataset, retrieval.DEFAULT, out, settings, show_progress=not quiet)
    console = Console()
    show_results(console, results, out)
    best = retrieval.best_system(out)
    print(f"\nFive questions, answered by {best.name}: {best.reason}")
    results_by_query = retrieval.search(DEMO_QUERIES, out, best.name, retrieval.SearchOptions(k=3))
    for query, hits in zip(DEMO_QUERIES, results_by_query, strict=True):
        show_answers(console, query, hits)
    print(f"\nReport: {report.write(out / 'results.json', out / 'report.html')}")
