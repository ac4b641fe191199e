"""The golden vectors as files that any language reads: JSON, safetensors or CSV, with the contract beside them."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any, Literal, get_args

from refimpl.oracle import golden
from refimpl.oracle.compare import Array
from refimpl.oracle.golden import Vector
from refimpl.resources import data_path

Format = Literal["json", "safetensors", "csv"]
FOLDERS = {
    "json": "`minilm/*.json`: one array a file, an object with `rows` (names) and `values`.",
    "safetensors": "`minilm/*.safetensors`: the arrays as they are kept; `index.json` tells file and tensor of each.",
    "csv": "`minilm/*.csv`: one array a file; the first column names the row, the others are its numbers.",
}


def export(directory: Path, form: Format) -> list[Path]:
    """Write everything into `directory`, which must be empty or absent, and return the files.

    Numbers are written so that they read back to the same float. Raises ValueError for another format or a folder that
    holds something.
    """
    if form not in get_args(Format):
        raise ValueError(f"format must be one of {', '.join(get_args(Format))}; got {form!r}")
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise ValueError(f"{directory} is not an empty folder: name another, or empty it")
    (directory / "minilm").mkdir(parents=True)
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
    here = f"\n## This folder\n\nWritten by `refimpl vectors export --format {form}`. {FOLDERS[form]}\n"
    (directory / "README.md").write_text(contract + here, encoding="utf-8")
    return sorted(file for file in directory.rglob("*") if file.is_file())


def _write(directory: Path, vector: Vector, form: Format) -> dict[str, Any]:
    """One array in its format, and its row of the index."""
    told = {
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
        return {**told, "file": vector.file, "tensor": vector.tensor}
    file = f"minilm/{vector.tensor.replace('/', '--')}.{form}"
    values = golden.array(vector)
    names = _row_names(vector, values)
    if form == "json":
        _json(directory / file, {"schema": golden.SCHEMA, **told, "rows": names, "values": values.tolist()})
    else:
        _csv(directory / file, names, values)
    return {**told, "file": file}


def _row_names(vector: Vector, values: Array) -> list[str]:
    """Texts by name where the array has a row a text, else tokens by number."""
    names = list(golden.texts())
    return names if len(values) == len(names) else [str(number) for number in range(len(values))]


def _json(file: Path, content: Any) -> None:
    file.write_text(json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def _csv(file: Path, names: list[str], values: Array) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        table = values.reshape(len(values), -1)
        writer.writerow(["row", *range(table.shape[1])])
        writer.writerows([name, *row] for name, row in zip(names, table.tolist(), strict=True))
