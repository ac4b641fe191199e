"""Writes the golden vectors for other languages: JSON, safetensors or CSV, with the contract."""

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any, Literal, get_args

from refimpl import golden
from refimpl.common.atomic import folder_atomically, write_atomically
from refimpl.common.resources import data_path
from refimpl.common.types import Array
from refimpl.golden import GoldenVector

Format = Literal["json", "safetensors", "csv"]
FOLDERS = {
    "json": "`minilm/*.json`: one array per file, an object with `rows` (names) and `values`.",
    "safetensors": "`minilm/*.safetensors`: the arrays as stored; `index.json` names file and tensor of each.",
    "csv": "`minilm/*.csv`: one array per file; the first column names the row, the others are its numbers.",
}


def export(directory: Path, form: Format) -> list[Path]:
    """Write all golden vectors and cases into `directory`, which must be empty or absent, and return the files.

    Numbers are written so that they read back to the same float. The folder appears when it is complete. Raises
    ValueError for an unknown format or a folder that is not empty, OSError where it cannot be written.
    """
    if form not in get_args(Format):
        raise ValueError(f"format must be one of {', '.join(get_args(Format))}, got {form!r}")
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise ValueError(f"expected an empty or absent folder, got {directory}: name another, or empty it")
    with folder_atomically(directory) as folder:
        _write_all(folder, form)
    return sorted(file for file in directory.rglob("*") if file.is_file())


def _write_all(directory: Path, form: Format) -> None:
    (directory / "minilm").mkdir()
    rows = [_write(directory, vector, form) for vector in golden.vectors()]
    suites = golden.manifest()["suites"]
    for suite in suites:
        shutil.copytree(data_path("vectors") / suite, directory / suite)
    index = {
        "schema": golden.SCHEMA,
        "format": form,
        "texts": [{"name": n, "reason": golden.reasons()[n], "text": t} for n, t in golden.texts().items()],
        "arrays": rows,
        "suites": suites,
    }
    _json(directory / "index.json", index)
    contract = (data_path("vectors") / "README.md").read_text(encoding="utf-8")
    this_folder = f"\n## This folder\n\nWritten by `refimpl vectors export --format {form}`. {FOLDERS[form]}\n"
    write_atomically(directory / "README.md", contract + this_folder)


def _write(directory: Path, vector: GoldenVector, form: Format) -> dict[str, Any]:
    """Write one array in its format and return its row of the index."""
    row = {
        "stage": vector.stage,
        "input": vector.input,
        "shape": vector.shape,
        "dtype": vector.dtype,
        "tolerance": vector.tolerance,
        "reason": vector.reason,
        "source": vector.source,
        "model": vector.model,
    }
    if form == "safetensors":
        shutil.copy(data_path("vectors") / vector.file, directory / vector.file)
        return {**row, "file": vector.file, "tensor": vector.tensor}
    file = f"minilm/{vector.tensor.replace('/', '--')}.{form}"
    values = golden.array(vector)
    names = _row_names(vector, values)
    if form == "json":
        _json(directory / file, {"schema": golden.SCHEMA, **row, "rows": names, "values": values.tolist()})
    else:
        _csv(directory / file, names, values)
    return {**row, "file": file}


def _row_names(vector: GoldenVector, values: Array) -> list[str]:
    """Names of the texts where the array has one row per text, else numbers of tokens."""
    names = list(golden.texts())
    return names if len(values) == len(names) else [str(number) for number in range(len(values))]


def _json(file: Path, content: Any) -> None:
    write_atomically(file, json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n")


def _csv(file: Path, names: list[str], values: Array) -> None:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    table = values.reshape(len(values), -1)
    writer.writerow(["row", *range(table.shape[1])])
    writer.writerows([name, *row] for name, row in zip(names, table.tolist(), strict=True))
    write_atomically(file, stream.getvalue())
