"""Render a result file as one HTML page or as Markdown: a benchmark comparison, or the quality of retrieval systems.

Reads the JSON of `pytest --benchmark` and the results.json of `refimpl run` and `refimpl sweep`. Needs the extra
`report`.
"""

from pathlib import Path
from typing import Any, Literal

from refimpl.common.atomic import check_output, write_atomically
from refimpl.common.extras import importing
from refimpl.common.inputs import read_bytes
from refimpl.common.json_reader import parse_json
from refimpl.report.document import Document

Format = Literal["html", "md"]
SUFFIXES: dict[str, Format] = {".html": "html", ".htm": "html", ".md": "md", ".markdown": "md"}


def write(result: Path, out: Path, form: Format | None = None, order: str | None = None) -> Path:
    """Write the report of `result` to `out` and return `out`; `form` defaults to the one of `out`'s suffix.

    `order` is that of a run's systems: a measure, best first (by default nDCG@10, or the first one), "lowest", or
    "given". The page offers the others. The write is atomic. Raises ValueError where `result` is neither a benchmark's
    nor a run's, the suffix of `out` is unknown, or the run lacks the measure, and OSError where `out` cannot be
    written.
    """
    chosen = form or SUFFIXES.get(out.suffix.lower())
    if chosen is None:
        raise ValueError(
            f"expected a file ending in .html or .md, got {out.name}: rename it, or give --format html or md"
        )
    check_output(out)
    write_atomically(out, render(result, chosen, order))
    return out


def replace_in(result: Path, page: Path) -> Path:
    """Replace the results in a Markdown page by the ratios of a benchmark, and return the page; see `into`."""
    with importing("report"):
        from refimpl.report import into
    write_atomically(page, into.replaced(page.read_text(encoding="utf-8"), read(result)))
    return page


def render(result: Path, form: Format, order: str | None = None) -> str:
    """Return the report of the result file, as text; parameters are those of `write`."""
    with importing("report"):
        from refimpl.report import page
    document = read(result, order)
    return page.html(document) if form == "html" else page.markdown(document)


def read(result: Path, order: str | None = None) -> Document:
    """Read the result file into a document; parameters and errors are those of `write`."""
    from refimpl.report import bench, races, run, sweep
    from refimpl.report.fields import Fields

    content = _parsed(result)
    fields = Fields(content, result.name)
    if content.get("schema") == run.SCHEMA:
        return run.document(fields, f"Retrieval on {fields.sub('dataset').text('name', 'unnamed data')}", order)
    if order is not None:
        raise ValueError(f"{result.name}: order is for the systems of `refimpl run`, got {order!r}: leave it out")
    if content.get("schema") == sweep.SCHEMA:
        return sweep.document(fields, f"Indexes on {fields.sub('dataset').text('name', 'unnamed data')}")
    if str(content.get("schema", "")).startswith("refimpl.run/"):
        raise ValueError(f"{result.name}: expected schema {run.SCHEMA}, got {content['schema']}: repeat the run")
    if isinstance(content.get("benchmarks"), list) and "machine_info" in content:
        return bench.document(races.parse(fields), "Benchmarks")
    keys = ", ".join(list(content)[:8]) or "none"
    raise ValueError(
        f"{result.name}: expected the JSON of `pytest --benchmark` (keys benchmarks, machine_info) "
        f"or the results.json of `refimpl run` (schema {run.SCHEMA}) or `refimpl sweep` (schema {sweep.SCHEMA}), "
        f"got the keys {keys}"
    )


def _parsed(result: Path) -> dict[str, Any]:
    content = parse_json(read_bytes(result), result.name)
    if not isinstance(content, dict):
        raise ValueError(f"{result.name} must be a JSON object, got {type(content).__name__}")
    return content
