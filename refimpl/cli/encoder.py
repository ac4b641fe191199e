"""`refimpl embed`, `refimpl trace` and `refimpl verify`: the encoder from the command line."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from refimpl.cli.app import app

if TYPE_CHECKING:
    from refimpl.tokens import Tokenizer

ModelPath = Annotated[Path | None, typer.Option("--model", help="A model folder; default all-MiniLM-L6-v2.")]


class Format(StrEnum):
    """How the input of `embed` is written."""

    lines = "lines"
    jsonl = "jsonl"


@app.command()
def embed(
    file: Annotated[str, typer.Argument(help="A file of texts, or - for standard input.")],
    out: Annotated[Path, typer.Option(help="Where the vectors go: .npy, float32 (texts, 384).")],
    format: Annotated[Format | None, typer.Option(help="Default: jsonl for *.jsonl, else one text a line.")] = None,
    field: Annotated[str, typer.Option(help="The field of a JSON line that holds its text.")] = "text",
    model: ModelPath = None,
) -> None:
    """Embed the texts of a file, streaming, in constant memory; the output appears only when it is whole."""
    from refimpl import MiniLMEmbeddingFunction
    from refimpl.dense.stream import embed_stream, json_lines, lines, opened

    read = json_lines(field) if (format or _guess(file)) is Format.jsonl else lines
    function = MiniLMEmbeddingFunction(model)
    with opened(file) as stream:
        count = embed_stream(function, read(stream, file), out)
    print(f"{out}: {count} vectors of {function.dim}")


def _guess(file: str) -> Format:
    return Format.jsonl if file.endswith((".jsonl", ".ndjson")) else Format.lines


@app.command()
def trace(
    text: Annotated[str, typer.Argument(help="One text.")],
    layer: Annotated[int | None, typer.Option(help="Show this layer only, counted from 0.")] = None,
    save: Annotated[Path | None, typer.Option(help="Write every intermediate to a safetensors file.")] = None,
    compare: Annotated[
        Path | None, typer.Option(help="Hold the walk against this safetensors file; exit status 1 where it departs.")
    ] = None,
    tolerance: Annotated[
        float | None, typer.Option(min=0, help="Allowed, relative to a stage's largest number; default by dtype.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write the walk as a self-contained page.")] = None,
    dtype: Annotated[str | None, typer.Option(help="float32 (default) or float64 (default with --compare).")] = None,
    model: ModelPath = None,
) -> None:
    """Walk one text through the encoder: every intermediate with its shape, range and norm."""
    from refimpl import MiniLMEmbeddingFunction
    from refimpl.oracle.stages import compare_stages, first_departure, read, told

    theirs = None if compare is None else read(compare)
    function = MiniLMEmbeddingFunction(model, dtype=dtype or ("float32" if theirs is None else "float64"))
    layers = function.weights.config.num_hidden_layers
    if layer is not None and not 0 <= layer < layers:
        raise typer.BadParameter(f"--layer must lie in 0 to {layers - 1}, got {layer}")
    walk = function.trace(text)
    prefix = "" if layer is None else f"layer.{layer}."
    console = Console()
    tokens = _say_tokens(console, function.tokenizer, text)
    stages = None if theirs is None else compare_stages(walk, theirs, tolerance)
    console.print(_walk_table(walk, prefix) if stages is None else _stage_table(stages, prefix))
    if save is not None:
        _save(walk, save)
    if html is not None:
        from refimpl.explain import write_trace

        print(write_trace(text, function, html, stages))
    if stages is not None:
        console.print(told(stages, tokens), markup=False, highlight=False, soft_wrap=True)
        if first_departure(stages) is not None:
            raise typer.Exit(1)


def _say_tokens(console: Console, tokenizer: "Tokenizer", text: str) -> list[str]:
    tokens = tokenizer.tokens_of(text)
    console.print("tokens:", " ".join(tokens), markup=False, highlight=False)
    if tokenizer([text]).truncated[0]:
        console.print(f"(cut at {tokenizer.max_length} tokens)")
    return tokens


def _save(walk: dict[str, Any], file: Path) -> None:
    from safetensors.numpy import save_file

    save_file({name: value.copy(order="C") for name, value in walk.items()}, file)
    print(f"{file}: {len(walk)} arrays")


def _stage_table(stages: list[Any], prefix: str) -> Table:
    table = Table("stage", "max |diff|", "allowed", "verdict", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.columns[0].no_wrap = True
    for column in table.columns[1:3]:
        column.justify, column.no_wrap = "right", True
    for stage in stages:
        if stage.name.startswith(prefix):
            c = stage.comparison
            numbers = (f"{c.max_abs:.1e}", f"{c.tolerance:.1e}") if c else ("", "")
            out = f"{c.out} of {c.total}" if c and c.out else ""
            said = [stage.verdict if c or stage.departs else "", out, stage.note]
            table.add_row(escape(stage.name), *numbers, escape(", ".join(filter(None, said))))
    return table


def _walk_table(walk: dict[str, Any], prefix: str) -> Table:
    import numpy as np

    table = Table("intermediate", "shape", "min", "max", "mean", "norm", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.columns[0].overflow = "fold"
    for column in table.columns[1:]:
        column.justify, column.no_wrap = "right", True
    for name, value in walk.items():
        if not name.startswith(prefix):
            continue
        shown = np.where(np.isfinite(value), value, 0.0)
        statistics = (shown.min(), shown.max(), shown.mean(), np.linalg.norm(shown))
        table.add_row(name, "x".join(map(str, value.shape)), *(f"{number:.3f}" for number in statistics))
    return table


@app.command()
def verify(model: ModelPath = None) -> None:
    """Compute every golden vector anew and hold it against the published one; exit status 1 when one is out."""
    from refimpl.oracle import golden
    from refimpl.oracle.minilm import verify as verify_minilm

    comparisons = verify_minilm(None if model is None else str(model))
    table = Table(
        "stage", "texts", "made by", "max |diff|", "allowed", "verdict", box=SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    for vector, c in zip(golden.vectors(), comparisons, strict=True):
        texts = "all" if vector.input.startswith("all") else vector.input
        verdict = "matches" if c.matches else f"{c.out} of {c.total} out"
        table.add_row(vector.stage, texts, vector.source["package"], f"{c.max_abs:.1e}", f"{c.tolerance:.0e}", verdict)
    Console().print(table)
    for c in comparisons:
        if not c.matches:
            print(c)
    if not all(c.matches for c in comparisons):
        raise typer.Exit(1)
    print(f"{len(comparisons)} golden vectors over {golden.manifest()['cases']} texts: all match")
