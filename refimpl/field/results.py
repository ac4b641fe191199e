"""The results of the measurements, one row per implementation, as JSON."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from refimpl.common.atomic import write_atomically
from refimpl.field.catalogue import Entry

SCHEMA = 1


@dataclass(frozen=True)
class Row:
    """What was measured of one implementation on one day.

    Attributes
    ----------
    kind, name
        Those of the entry.
    version, date, refimpl
        The version of its first package, the day (UTC, ISO 8601), the version of refimpl.
    sentence, confirmed
        What `refimpl identify` found, and whether its exit status was 0.
    suite
        What `refimpl check` compared with; empty where it did not run.
    passed, mismatched, skipped
        Number of cases; an error of the adapter is a mismatch.
    largest, largest_case
        The largest finite difference, in units of the tolerance, and its case; None where nothing was compared.
    problem
        The first mismatched case without such a number, and its message.
    failure
        Why there is no result; empty where there is one.
    """

    kind: str
    name: str
    version: str
    date: str
    refimpl: str
    sentence: str = ""
    confirmed: bool = False
    suite: str = ""
    passed: int = 0
    mismatched: int = 0
    skipped: int = 0
    largest: float | None = None
    largest_case: str = ""
    problem: str = ""
    failure: str = ""


def load(file: Path) -> list[Row]:
    """Read the rows; none where `file` does not exist. Raises ValueError for another schema."""
    if not file.is_file():
        return []
    content = json.loads(file.read_text(encoding="utf-8"))
    if content.get("schema") != SCHEMA:
        raise ValueError(f"{file}: expected schema {SCHEMA}, got {content.get('schema')!r}")
    return [Row(**row) for row in content["rows"]]


def save(file: Path, rows: Sequence[Row]) -> None:
    """Write the rows as JSON."""
    content = {"schema": SCHEMA, "rows": [asdict(row) for row in rows]}
    write_atomically(file, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def merged(catalogue: Iterable[Entry], old: Iterable[Row], new: Iterable[Row]) -> list[Row]:
    """Return one row per entry that has one, in the catalogue's order: the new one, else the old one."""
    rows = {(row.kind, row.name): row for row in [*old, *new]}
    return [rows[entry.kind, entry.name] for entry in catalogue if (entry.kind, entry.name) in rows]
