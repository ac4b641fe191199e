"""The ratios of a benchmark within a page of the documentation: the part between two comments is replaced."""

from refimpl.report import page
from refimpl.report.document import Document, Table

START, END = "<!-- results: make bench-page -->", "<!-- end of results -->"
COLUMNS = ("race", "× the fastest other", "by round", "outcome")
MACHINE = ("measured", "CPU", "cores usable", "memory", "system", "Python")


def replaced(text: str, document: Document) -> str:
    """Return the page `text` with the headline, the ratios and the machine of `document` between its two comments.

    Absolute times stay in the report: those of another machine compare with nothing. Raises ValueError where the page
    lacks a comment, or the document has no table of ratios.
    """
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise ValueError(f"expected a page with {START} and, after it, {END}")
    results = page.rendered_markdown(
        "races.md.j2",
        headline=document.headline,
        columns=COLUMNS,
        rows=_rows(_ratios(document)),
        machine=[(label, value) for label, value in document.stamp if label in MACHINE],
    )
    return f"{before}{START}\n\n{results.strip()}\n\n{END}{after}"


def _ratios(document: Document) -> Table:
    tables = [table for section in document.sections for table in section.tables]
    found = next((table for table in tables if set(COLUMNS) <= set(table.columns)), None)
    if found is None:
        raise ValueError("expected a benchmark of refimpl and another competitor, got one without a race of two")
    return found


def _rows(table: Table) -> list[list[str]]:
    at = [table.columns.index(column) for column in COLUMNS]
    return [[row.cells[i] for i in at] for row in table.rows]
