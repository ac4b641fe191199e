"""docs/field.md: what each published package computes, from the rows of `refimpl field`."""

from collections.abc import Sequence
from dataclasses import dataclass

from refimpl.field import KINDS, Entry, Row
from refimpl.field.packages import install_command
from refimpl.report.document import NOTHING
from refimpl.report.page import rendered_markdown

SHOWN = 160  # characters of an error
TITLES = {
    "bm25": "BM25",
    "embed": "Encoders",
    "rerank": "Rerankers and servers",
    "metrics": "Metrics",
    "fusion": "Rank fusion",
}


@dataclass(frozen=True)
class _Part:
    """One kind: its rows, with their entries, and its entries that were never measured."""

    title: str
    rows: list[tuple[Entry, Row]]
    unmeasured: list[Entry]

    @property
    def confirmed(self) -> int:
        """Number of rows for which identify's exit status was 0."""
        return sum(row.confirmed and not row.failure for _, row in self.rows)

    @property
    def matching(self) -> int:
        """Number of rows that every case of check matches."""
        return sum(bool(row.passed) and not row.mismatched and not row.failure for _, row in self.rows)

    @property
    def failed(self) -> int:
        """Number of rows without a result."""
        return sum(bool(row.failure) for _, row in self.rows)


def markdown(entries: Sequence[Entry], rows: Sequence[Row]) -> str:
    """Return the page: one table per kind, one row per implementation, with the date and the version.

    Parameters
    ----------
    entries
        The catalogue; its order is that of the page.
    rows
        The results; those without an entry are left out.
    """
    found = {(row.kind, row.name): row for row in rows}
    parts = []
    for kind in KINDS:
        own = [entry for entry in entries if entry.kind == kind]
        measured = [(entry, found[kind, entry.name]) for entry in own if (kind, entry.name) in found]
        unmeasured = [entry for entry in own if (kind, entry.name) not in found]
        parts.append(_Part(TITLES[kind], measured, unmeasured))
    functions = {"checked": _checked, "differences": _differences, "install_command": install_command}
    return rendered_markdown("field.md.j2", parts=[part for part in parts if part.rows or part.unmeasured], **functions)


def _checked(row: Row) -> str:
    """The result of `refimpl check` in words."""
    if row.failure or not row.suite:
        return NOTHING
    skipped = f", {row.skipped} skipped" if row.skipped else ""
    if not row.mismatched:
        return f"{row.suite}: matches ({row.passed} cases{skipped})"
    return f"{row.suite}: {row.mismatched} of {row.passed + row.mismatched} cases do not match{skipped}"


def _differences(row: Row) -> list[str]:
    """The largest difference, in units of what the case allows, and the first case that has none."""
    number = [] if row.largest is None else [f"largest difference {row.largest:.2g} x allowed ({row.largest_case})"]
    return [*number, *filter(None, [row.problem[:SHOWN]])]
