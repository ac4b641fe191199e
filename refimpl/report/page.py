"""Render a document as one self-contained HTML page, or as Markdown; every text is escaped where it is inserted."""

import re
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from refimpl.report.document import Document, Plot

MARKDOWN_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$!&])")


def html(document: Document) -> str:
    """Return one page without scripts and requests: inline SVG plots, light and dark, for phones and for print."""
    numbers = count(1)
    environment = _environment(autoescape=True)
    environment.globals["draw"] = partial(_drawn, numbers)
    style = (Path(__file__).parent / "templates" / "report.css").read_text(encoding="utf-8")
    return environment.get_template("report.html.j2").render(document=document.filled(), style=Markup(style))


def markdown(document: Document) -> str:
    """Return the document without its plots, as GitHub-flavoured Markdown."""
    return rendered_markdown("report.md.j2", document=document.filled())


def rendered_markdown(template: str, **values: Any) -> str:
    """Return a Markdown template of this package with `values`; its filter `escaped` is for every text."""
    environment = _environment(autoescape=False)
    environment.filters["escaped"] = escaped
    return environment.get_template(template).render(**values)


def _environment(*, autoescape: bool) -> Environment:
    loader = PackageLoader("refimpl.report")
    return Environment(
        loader=loader,
        autoescape=autoescape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _drawn(numbers: Any, plot: Plot) -> Markup:
    """Return the plot's SVG, generated from escaped text: the only markup that the template does not escape."""
    return Markup(plot.draw(next(numbers)))


def escaped(text: str) -> str:
    """Return the text on one line, with Markdown's special characters escaped."""
    return MARKDOWN_SPECIAL.sub(r"\\\1", " ".join(text.split()))
