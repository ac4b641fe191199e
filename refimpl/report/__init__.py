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


def write(result: Path, out: Path, form: Format | None = None) -> Path:
    """Write the report of `result` to `out` and return `out`; `form` defaults to the one of `out`'s suffix.

    The write is atomic. Raises ValueError where `result` is neither a benchmark's nor a run's, or the suffix of `out`
    is unknown, and OSError where `out` cannot be written.
    """
    chosen = form or SUFFIXES.get(out.suffix.lower())
    if chosen is None:
        raise ValueError(
            f"expected a file ending in .html or .md, got {out.name}: rename it, or give --format html or md"
        )
    check_output(out)
    write_atomically(out, render(result, chosen))
    return out


def render(result: Path, form: Format) -> str:
    """Return the report of the result file, as text."""
    with importing("report"):
        from refimpl.report import page
    return page.html(read(result)) if form == "html" else page.markdown(read(result))


def read(result: Path) -> Document:
    """Read the result file into a document; ValueError where it is neither a benchmark's nor a run's."""
    from refimpl.report import bench, races, run, sweep
    from refimpl.report.fields import Fields

    content = _parsed(result)
    fields = Fields(content, result.name)
    if content.get("schema") == run.SCHEMA:
        return run.document(fields, f"Retrieval on {fields.sub('dataset').text('name', 'unnamed data')}")
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
