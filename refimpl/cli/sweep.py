"""`refimpl sweep`."""

from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from refimpl.cli.app import app
from refimpl.cli.retrieval import Quiet, Token, Uri
from refimpl.datasets import names_of_datasets

INDEXES = "flat,hnsw,ivf_flat"
Number = TypeVar("Number", int, float)


@app.command()
def sweep(
    dataset: Annotated[str, typer.Option(help=f"{names_of_datasets()}, clustered:DOCUMENTS[xDIM].")],
    index: Annotated[
        str,
        typer.Option(
            help="Some of flat, hnsw, hnsw_sq, ivf_flat, ivf_sq8, ivf_pq, sparse_inverted_index, sparse_wand."
        ),
    ] = INDEXES,
    out: Annotated[Path, typer.Option(help="Folder of results.json, report.html, front.svg, Milvus Lite.")] = Path(
        "refimpl-sweep"
    ),
    grid: Annotated[
        list[str] | None, typer.Option(help="Values instead of the defaults, as hnsw:M=8,16;ef=32. Repeatable.")
    ] = None,
    k: Annotated[int, typer.Option("-k", min=10, max=1000, help="Hits per query.")] = 100,
    queries: Annotated[int, typer.Option(min=1, help="At most so many queries.")] = 500,
    single: Annotated[int, typer.Option(min=1, help="Queries that are timed one at a time.")] = 50,
    clients: Annotated[str, typer.Option(help="Numbers of concurrent clients.")] = "1,2,4,8",
    filters: Annotated[str, typer.Option(help="Shares of the documents that filters select.")] = "0.01,0.1,0.5",
    changes: Annotated[bool, typer.Option(help="Also search after deletes and upserts.")] = True,
    split: Annotated[str, typer.Option(help="Qrels of a BEIR folder.")] = "test",
    uri: Uri = None,
    token: Token = None,
    quiet: Quiet = False,
) -> None:
    """Measure Milvus' indexes on a data set: recall against exact search, latency, throughput, filters, changes."""
    from refimpl import report
    from refimpl.report.sweep import write_front
    from refimpl.search.milvus_uri import Connection
    from refimpl.sweep import Effort, Options, parse_grids
    from refimpl.sweep import sweep as measure

    effort = Effort(k=k, single=single, clients=_numbers(clients, int), filters=_numbers(filters, float))
    options = Options(queries=queries, split=split, changes=changes, effort=effort)
    grids = parse_grids(index.split(","), grid or ())
    results = measure(dataset, grids, out, options, Connection(uri, token), show_progress=not quiet)
    print(f"Report: {report.write(out / 'results.json', out / 'report.html')}")
    print(f"Plot: {write_front(results, out / 'front.svg')}")
    _print_outcome(results)


def _print_outcome(results: dict[str, Any]) -> None:
    """Print what was refused, which scores are wrong, and the advice in the last line."""
    for refused in dict.fromkeys(one["error"] for one in results["refused"]):
        print(f"Refused: {refused}")
    wrong = dict.fromkeys(point["index"] for point in results["points"] if not point["correct"])
    if wrong:
        print(f"Wrong scores: {', '.join(wrong)}")
    for sentence in results["advice"].values():
        print(sentence)


def _numbers(text: str, kind: type[Number]) -> tuple[Number, ...]:
    try:
        numbers = tuple(kind(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise ValueError(f"expected numbers separated by commas, got {text!r}") from None
    if any(number <= 0 for number in numbers):
        raise ValueError(f"expected numbers above 0, got {text!r}")
    return numbers
