"""`refimpl embed`, `refimpl trace` and `refimpl verify`: the encoder from the command line."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from refimpl.cli.app import app

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
    dtype: Annotated[str, typer.Option(help="float32 or float64.")] = "float32",
    model: ModelPath = None,
) -> None:
    """Walk one text through the encoder: every intermediate with its shape, range and norm."""
    from refimpl import MiniLMEmbeddingFunction

    function = MiniLMEmbeddingFunction(model, dtype=dtype)
    layers = function.weights.config.num_hidden_layers
    if layer is not None and not 0 <= layer < layers:
        raise typer.BadParameter(f"--layer must lie in 0 to {layers - 1}, got {layer}")
    walk = function.trace(text)
    console = Console()
    console.print("tokens:", " ".join(function.tokenizer.tokens_of(text)), markup=False, highlight=False)
    if function.tokenizer([text]).truncated[0]:
        console.print(f"(cut at {function.tokenizer.max_length} tokens)")
    console.print(_walk_table(walk, None if layer is None else f"layer.{layer}."))
    if save is not None:
        from safetensors.numpy import save_file

        save_file({name: value.copy(order="C") for name, value in walk.items()}, save)
        print(f"{save}: {len(walk)} arrays")


def _walk_table(walk: dict[str, Any], prefix: str | None) -> Table:
    import numpy as np

    table = Table("intermediate", "shape", "min", "max", "mean", "norm", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.columns[0].overflow = "fold"
    for column in table.columns[1:]:
        column.justify, column.no_wrap = "right", True
    for name, value in walk.items():
        if prefix is not None and not name.startswith(prefix):
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
