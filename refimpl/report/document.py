"""What a report says, whatever it was made from: sections of prose, tables and plots."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

NOTHING = "–"  # a cell that has no value, in every table


@dataclass(frozen=True)
class Row:
    """One line of a table; `tone` is "loss", "win" or "" and is only ever a second sign beside words in the cells."""

    cells: tuple[str, ...]
    tone: str = ""


@dataclass(frozen=True)
class Table:
    """Rows under named columns, worst first; the first column names the row."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    note: str = ""
    toned: str = ""  # the column that shows a row's tone

    def compact(self) -> "Table":
        """Without the columns that have no value in any row."""
        cells = list(zip(*(row.cells for row in self.rows), strict=True))
        kept = [i for i, column in enumerate(cells) if set(column) != {NOTHING}]
        rows = tuple(replace(row, cells=tuple(row.cells[i] for i in kept)) for row in self.rows)
        return replace(self, columns=tuple(self.columns[i] for i in kept), rows=rows)


@dataclass(frozen=True)
class Plot:
    """A drawing that is made when it is needed: `draw(number)` returns an `<svg>` whose ids begin with the number."""

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
    """The whole report: `headline` are its findings in sentences, losses first; `stamp` where they were measured."""

    title: str
    headline: tuple[str, ...]
    sections: tuple[Section, ...]
    stamp: tuple[tuple[str, str], ...] = field(default=())
