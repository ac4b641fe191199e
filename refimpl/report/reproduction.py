"""The section of a run's report that says how to repeat it: command, commit, hash of the data."""

from collections.abc import Mapping, Sequence
from typing import Any

from refimpl.evaluate import MEASURES
from refimpl.report.document import Row, Section, Table
from refimpl.report.fields import Fields

DEFAULTS: Mapping[str, Any] = {
    "depth": 100,
    "rerank": None,
    "measures": list(MEASURES),
    "ignore_identical_ids": None,
    "price_per_hour": None,
    "price_per_million_tokens": {},
}

LENGTH = 256  # tokens per text, of `refimpl run`


def sections(result: Fields) -> list[Section]:
    """The section, for a run whose settings are those of `refimpl run`; none for others."""
    stamp = result.sub("stamp").values
    settings, data = stamp.get("settings"), stamp.get("dataset")
    if not isinstance(settings, Mapping) or not isinstance(data, Mapping) or "systems" not in settings:
        return []
    libraries = stamp.get("versions")
    version = libraries.get("refimpl", "unknown") if isinstance(libraries, Mapping) else "unknown"
    rows: tuple[tuple[str, str], ...] = (
        ("command", command(str(data.get("name", "")), settings)),
        ("refimpl", f"{version}, commit {stamp.get('commit', 'unknown')}"),
        ("sha256 of documents, queries and judgements", str(data.get("sha256", "unknown"))),
    )
    if (length := settings.get("max_length", LENGTH)) != LENGTH:
        rows += (("without an option", f"max_length={length}: refimpl.systems.run with Settings(max_length={length})"),)
    return [Section("Repeat this run", tables=(Table("Reproduction", ("what", "value"), tuple(map(Row, rows))),))]


def command(dataset: str, settings: Mapping[str, Any]) -> str:
    """The command line of a run; `PATH` stands for the folder of a collection on disk."""
    kind, _, name = dataset.partition(":")
    name, _, split = name.partition("@") if kind == "beir" else (name, "", "")
    place = f"beir:PATH/{name}" if kind == "beir" else dataset
    options = ["--dataset", place, *(("--split", split) if split else ()), "--systems", _listed(settings["systems"])]
    for key, default in DEFAULTS.items():
        value = settings.get(key, default)
        if value == default:
            continue
        flag = key.replace("_", "-")
        if isinstance(value, Mapping):
            options += [word for name, each in value.items() for word in (f"--{flag}", f"{name}={each}")]
        elif isinstance(value, bool):
            options.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            options += [f"--{flag}", _listed(value)]
    return " ".join(["refimpl run", *options])


def _listed(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, Sequence) and not isinstance(value, str) else str(value)
