"""The catalogue of packages: `data/field/KIND.yaml`, one entry per implementation, and their adapters."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from refimpl.common.resources import data_path

KINDS = ("bm25", "embed", "rerank", "metrics", "fusion")  # as `refimpl identify --what` names them
SUITES = {"bm25": "bm25", "embed": "encoder", "rerank": "rerank", "metrics": "metrics", "fusion": "fusion"}
SOURCES = ("pypi", "npm", "python")


@dataclass(frozen=True)
class Entry:
    """An implementation: the packages that it needs, and the adapter that calls it.

    Attributes
    ----------
    name, kind
        Its name, unique within the kind, and one of `KINDS`.
    packages
        What to install, as `SOURCE:NAME`: `pypi:bm25s`, `npm:lunr`, or `python:MODULE.ATTRIBUTE` for a part of Python's
        own library, whose attribute is the version. The first one is the implementation.
    function, command
        Exactly one of them: `module:function` or a command, both relative to the folder of the adapters.
    variant, tolerance, suite
        What `refimpl check` compares with: its `--bm25-variant`, `--tolerance` and `--suite` (several, separated
        by spaces); no check where `suite` is empty.
    model
        What `refimpl identify --what embed` may run: `--model`.
    note
        What a reader must know, such as settings that are not the defaults.
    """

    name: str
    kind: str
    packages: tuple[str, ...]
    function: str = ""
    command: str = ""
    variant: str = "lucene"
    tolerance: str = "float32"
    suite: str = ""
    model: str = "all-MiniLM-L6-v2"
    note: str = ""


def folder() -> Path:
    """Return the folder of the catalogue, the adapters and the results; FileNotFoundError if it is missing."""
    return data_path("field")


def entries(directory: Path | None = None) -> list[Entry]:
    """Read the catalogue in `directory`, by default the shipped one.

    Raises ValueError, with the file and the entry, for an unknown key, a missing one, or a name that is there twice.
    """
    found: list[Entry] = []
    for kind in KINDS:
        file = (directory or folder()) / f"{kind}.yaml"
        if file.is_file():
            found += [_entry(kind, values, file) for values in yaml.safe_load(file.read_text(encoding="utf-8"))]
    names = [(entry.kind, entry.name) for entry in found]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"expected each name once per kind, got {doubled[0][1]!r} twice in {doubled[0][0]}.yaml")
    return found


def _entry(kind: str, values: Mapping[str, Any], file: Path) -> Entry:
    where = f"{file.name}, {values.get('name', 'an entry without a name')}"
    if unknown := sorted(values.keys() - {field.name for field in fields(Entry)} - {"kind"}):
        raise ValueError(f"{where}: unknown key {unknown[0]!r}")
    packages = tuple(values.get("packages", ()))
    if not packages or any(package.partition(":")[0] not in SOURCES for package in packages):
        raise ValueError(f"{where}: expected packages as SOURCE:NAME, SOURCE one of {', '.join(SOURCES)}")
    if bool(values.get("function")) == bool(values.get("command")):
        raise ValueError(f"{where}: expected one of function and command")
    return Entry(**{"suite": SUITES[kind], **values, "kind": kind, "packages": packages})
