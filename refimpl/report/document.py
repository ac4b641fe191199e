"""The content of a report, independent of its source and format: sections of prose, tables and plots."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

NOTHING = "–"  # a cell that has no value, in every table


@dataclass(frozen=True)
class Row:
    """A row of a table; `tone` ("loss", "win" or "") sets its colour and only repeats what its cells state in words."""

    cells: tuple[str, ...]
    tone: str = ""


@dataclass(frozen=True)
class Table:
    """Rows under named columns, worst first; the first column identifies the row.

    Where rows may be read in several orders, `others` has the same table in each of them, and `label` names the order
    of this one: the page offers a choice, Markdown has the first.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    note: str = ""
    toned: str = ""  # the column that is coloured by a row's tone
    label: str = ""
    others: tuple["Table", ...] = ()

    @property
    def orders(self) -> tuple["Table", ...]:
        """The table in each of its orders, the first one first."""
        return self, *self.others

    def compact(self) -> "Table":
        """Remove the columns that have no value in any row."""
        cells = list(zip(*(row.cells for row in self.rows), strict=True))
        kept = [i for i, column in enumerate(cells) if set(column) != {NOTHING}]
        rows = tuple(replace(row, cells=tuple(row.cells[i] for i in kept)) for row in self.rows)
        return replace(self, columns=tuple(self.columns[i] for i in kept), rows=rows)


@dataclass(frozen=True)
class Plot:
    """A plot that is drawn on demand: `draw(number)` returns an `<svg>` whose ids begin with the number."""

    title: str
    alt: str
    draw: Callable[[int], str]


@dataclass(frozen=True)
class Section:
    """A part of the report under its own heading."""

    title: str
    prose: tuple[str, ...] = ()
    plots: tuple[Plot, ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True)
class Document:
    """The whole report: `headline` is its results in sentences, losses first; `stamp` describes the machine."""

    title: str
    headline: tuple[str, ...]
    sections: tuple[Section, ...]
    stamp: tuple[tuple[str, str], ...] = field(default=())

    def filled(self) -> "Document":
        """Remove tables without rows, then sections without content."""
        sections = [
            replace(section, tables=tuple(table for table in section.tables if table.rows)) for section in self.sections
        ]
        kept = tuple(section for section in sections if section.prose or section.plots or section.tables)
        return replace(self, sections=kept)
