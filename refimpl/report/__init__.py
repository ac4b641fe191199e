"""Reports: a result file in, one HTML page or Markdown out; what raced and who lost, or which system retrieves best.

Takes the JSON of `pytest --benchmark` and the results.json of `refimpl run`, and nothing else. Needs the extra `bench`.
"""

import json
from pathlib import Path
from typing import Any, Literal

from refimpl.report.document import Document

Format = Literal["html", "md"]
SUFFIXES: dict[str, Format] = {".html": "html", ".htm": "html", ".md": "md", ".markdown": "md"}


def write(result: Path, out: Path, form: Format | None = None) -> Path:
    """Write the report of `result` to `out` and return that; `form` follows `out`'s suffix unless given.

    Raises ValueError where `result` is no result of ours or pytest-benchmark's, or `out` tells no format.
    """
    chosen = form or SUFFIXES.get(out.suffix.lower())
    if chosen is None:
        raise ValueError(f"{out.name} tells no format: end it in .html or .md, or give --format html or md")
    text = render(result, chosen)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
    return out


def render(result: Path, form: Format) -> str:
    """The report of the result file, as text."""
    try:
        from refimpl.report import page
    except ImportError as error:
        raise ImportError(f"reports need {error.name}: pip install 'refimpl[bench]'", name=error.name) from error
    return page.html(read(result)) if form == "html" else page.markdown(read(result))


def read(result: Path) -> Document:
    """What the report of the result file says; ValueError tells what the file is not."""
    from refimpl.report import bench, races, run
    from refimpl.report.fields import Fields

    held = _parsed(result)
    fields = Fields(held, result.name)
    if held.get("schema") == run.SCHEMA:
        return run.document(fields, f"Retrieval on {fields.sub('dataset').text('name', 'unnamed data')}")
    if str(held.get("schema", "")).startswith("refimpl.run/"):
        raise ValueError(f"{result.name} has schema {held['schema']}, this refimpl reads {run.SCHEMA}: run it again")
    if isinstance(held.get("benchmarks"), list) and "machine_info" in held:
        return bench.document(races.parse(fields), "Benchmarks")
    keys = ", ".join(list(held)[:8]) or "none"
    raise ValueError(
        f"{result.name} is neither the JSON of `pytest --benchmark` (benchmarks, machine_info) "
        f"nor the results.json of `refimpl run` (schema {run.SCHEMA}); its keys are {keys}"
    )


def _parsed(result: Path) -> dict[str, Any]:
    try:
        held = json.loads(result.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{result.name} is no JSON: {error}") from error
    if not isinstance(held, dict):
        raise ValueError(f"{result.name} must hold a JSON object, got {type(held).__name__}")
    return held
