"""`refimpl embed`, `refimpl trace` and `refimpl verify`: the encoder from the command line."""

import sys
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from refimpl.cli.app import app
from refimpl.cli.cluster import Dask, DaskReport, computer_of
from refimpl.common.atomic import check_output, write_atomically
from refimpl.common.progress import progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from refimpl import MiniLMEmbeddingFunction
    from refimpl.compare import Comparison
    from refimpl.shards import Manifest
    from refimpl.tokens import Tokenizer

ModelPath = Annotated[Path | None, typer.Option("--model", help="A model folder; default all-MiniLM-L6-v2.")]
OtherTrace = Annotated[
    Path | None,
    typer.Option(help="Compare with this safetensors file (- is standard input); exit status 1 where they differ."),
]
RelativeTolerance = Annotated[
    float | None,
    typer.Option(min=0, help="Allowed difference, relative to a stage's largest magnitude; default by dtype."),
]


class Format(StrEnum):
    """The input format of `embed`."""

    lines = "lines"
    jsonl = "jsonl"


@app.command()
def embed(
    file: Annotated[str, typer.Argument(help="A file of texts, a pipe, or - for standard input.")],
    out: Annotated[Path | None, typer.Option(help="The output: .npy, float32 (texts, 384).")] = None,
    shards: Annotated[
        Path | None, typer.Option(help="Or a folder of Parquet shards, resumed where it stopped.")
    ] = None,
    format: Annotated[Format | None, typer.Option(help="Default: jsonl for *.jsonl, else one text per line.")] = None,
    field: Annotated[str, typer.Option(help="The field of a JSON line with the text.")] = "text",
    model: ModelPath = None,
    dask: Dask = None,
    dask_report: DaskReport = None,
) -> None:
    """Embed the texts of a file, streaming, in constant memory, to a .npy file or a folder of shards."""
    from refimpl import MiniLMEmbeddingFunction
    from refimpl.common.inputs import opened
    from refimpl.dense.stream import embed_stream, json_lines, lines

    if (out is None) == (shards is None):
        raise typer.BadParameter("expected one of --out and --shards, got " + ("none" if out is None else "both"))
    read = json_lines(field) if (format or _guess(file)) is Format.jsonl else lines
    function = MiniLMEmbeddingFunction(model)
    with opened(file) as stream, computer_of(dask, dask_report) as computer:
        texts = read(stream, file)
        if out is not None:
            count = embed_stream(function, texts, out, computer.map)
        elif shards is not None:
            count = _embed_shards(function, texts, shards, model, computer.encode_shards)
    print(f"{out or shards}: {count} vectors of {function.dim}")


def _embed_shards(
    function: "MiniLMEmbeddingFunction",
    texts: "Iterator[str]",
    folder: Path,
    model: Path | None,
    encode_shards: "Callable[..., Manifest]",
) -> int:
    """Write texts and vectors to shards; a document's id is the number of its line, from 1."""
    from refimpl import models
    from refimpl.datasets import Document
    from refimpl.systems.encoders import model_key

    settings = model_key(model or models.path("all-MiniLM-L6-v2"), "bert", "dense/minilm", "tokens")
    documents = (Document(str(number), text) for number, text in enumerate(texts, 1))
    with progress("embedding", None, sys.stderr.isatty()) as advance:
        encoders = {"dense": function.encode_documents}
        return encode_shards(documents, encoders, folder, settings, advance=advance).rows


def _guess(file: str) -> Format:
    return Format.jsonl if file.endswith((".jsonl", ".ndjson")) else Format.lines


@app.command()
def trace(
    text: Annotated[str, typer.Argument(help="One text.")],
    layer: Annotated[int | None, typer.Option(help="Show only this layer, counted from 0.")] = None,
    save: Annotated[Path | None, typer.Option(help="Write every intermediate to a safetensors file.")] = None,
    compare: OtherTrace = None,
    tolerance: RelativeTolerance = None,
    html: Annotated[Path | None, typer.Option(help="Write the trace as a self-contained page.")] = None,
    dtype: Annotated[str | None, typer.Option(help="float32 (default) or float64 (default with --compare).")] = None,
    model: ModelPath = None,
) -> None:
    """Print every intermediate of the encoder for one text, with its shape, range and norm."""
    from refimpl import MiniLMEmbeddingFunction
    from refimpl.compare.traces import compare_stage, compare_traces, describe, first_mismatch, read

    for file in (save, html):
        if file is not None:
            check_output(file)
    other = None if compare is None else read(compare)
    function = MiniLMEmbeddingFunction(model, dtype=dtype or ("float32" if other is None else "float64"))
    layers = function.weights.config.num_hidden_layers
    if layer is not None and not 0 <= layer < layers:
        raise typer.BadParameter(f"--layer must be 0 to {layers - 1}, got {layer}")
    intermediates = function.trace(text)
    prefix = "" if layer is None else f"layer.{layer}."
    console = Console()
    tokens = _print_tokens(console, function.tokenizer, text)
    stages = None
    if other is not None:
        stages = compare_traces(other, intermediates, partial(compare_stage, relative=tolerance))
    console.print(_trace_table(intermediates, prefix) if stages is None else _comparison_table(stages, prefix))
    if save is not None:
        _save(intermediates, save)
    if html is not None:
        from refimpl.explain import write_trace

        print(write_trace(text, function, html, stages))
    if stages is not None:
        console.print(describe(stages, tokens), markup=False, highlight=False, soft_wrap=True)
        if first_mismatch(stages) is not None:
            raise typer.Exit(1)


def _print_tokens(console: Console, tokenizer: "Tokenizer", text: str) -> list[str]:
    tokens = tokenizer.tokens_of(text)
    console.print("tokens:", " ".join(tokens), markup=False, highlight=False)
    if tokenizer([text]).truncated[0]:
        console.print(f"(truncated at {tokenizer.max_length} tokens)")
    return tokens


def _save(intermediates: dict[str, Any], file: Path) -> None:
    from safetensors.numpy import save

    write_atomically(file, save({name: value.copy(order="C") for name, value in intermediates.items()}))
    print(f"{file}: {len(intermediates)} arrays")


def _comparison_table(stages: "list[Comparison]", prefix: str) -> Table:
    table = Table("stage", "max |diff|", "allowed", "result", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.columns[0].no_wrap = True
    for column in table.columns[1:3]:
        column.justify, column.no_wrap = "right", True
    for stage in stages:
        if stage.name.startswith(prefix):
            numbers = (f"{stage.max_abs:.1e}", f"{stage.tolerance:.1e}") if stage.compared else ("", "")
            result = [stage.status if stage.compared else "", _mismatched(stage), stage.note]
            table.add_row(escape(stage.name), *numbers, escape(", ".join(filter(None, result))))
    return table


def _mismatched(comparison: "Comparison") -> str:
    return f"{comparison.n_mismatched} of {comparison.n} elements" if comparison.n_mismatched else ""


def _trace_table(intermediates: dict[str, Any], prefix: str) -> Table:
    import numpy as np

    table = Table("intermediate", "shape", "min", "max", "mean", "norm", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.columns[0].overflow = "fold"
    for column in table.columns[1:]:
        column.justify, column.no_wrap = "right", True
    for name, value in intermediates.items():
        if not name.startswith(prefix):
            continue
        shown = np.where(np.isfinite(value), value, 0.0)
        statistics = (shown.min(), shown.max(), shown.mean(), np.linalg.norm(shown))
        table.add_row(name, "x".join(map(str, value.shape)), *(f"{number:.3f}" for number in statistics))
    return table


@app.command()
def verify(model: ModelPath = None) -> None:
    """Compute every golden vector and compare it with the published one; exit status 1 for a mismatch."""
    from refimpl import golden
    from refimpl.golden.minilm import verify as verify_minilm

    comparisons = verify_minilm(None if model is None else str(model))
    table = Table("stage", "texts", "source", "max |diff|", "allowed", "result", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for vector, c in zip(golden.vectors(), comparisons, strict=True):
        texts = "all" if vector.input.startswith("all") else vector.input
        result = ", ".join(filter(None, (c.status, _mismatched(c))))
        numbers = (f"{c.max_abs:.1e}", f"{c.tolerance:.0e}")
        table.add_row(vector.stage, texts, vector.source["package"], *numbers, result)
    Console().print(table)
    for c in comparisons:
        if not c.matches:
            print(c)
    if not all(c.matches for c in comparisons):
        raise typer.Exit(1)
    print(f"{len(comparisons)} golden vectors over {golden.manifest()['cases']} texts: all match")
