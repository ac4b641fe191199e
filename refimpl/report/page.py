"""A document as one self-contained HTML page, or as Markdown; every text is escaped where it is put in."""

import re
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from refimpl.report.document import Document, Plot

MARKDOWN_SIGNS = re.compile(r"([\\`*_{}\[\]<>#|~$!&])")


def html(document: Document) -> str:
    """One page: no script, no request, plots as SVG in it, light and dark, for a phone and for paper."""
    numbers = count(1)
    environment = _environment(autoescape=True)
    environment.globals["draw"] = partial(_drawn, numbers)
    style = (Path(__file__).parent / "templates" / "report.css").read_text(encoding="utf-8")
    return environment.get_template("report.html.j2").render(document=document, style=Markup(style))


def markdown(document: Document) -> str:
    """The same without the plots: GitHub's tables."""
    environment = _environment(autoescape=False)
    environment.filters["said"] = _said
    return environment.get_template("report.md.j2").render(document=document)


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
    """The plot's SVG, made by our own code from escaped text: the only markup that the template takes as it is."""
    return Markup(plot.draw(next(numbers)))


def _said(text: str) -> str:
    """Text that no Markdown reader takes for a sign, on one line."""
    return MARKDOWN_SIGNS.sub(r"\\\1", " ".join(text.split()))
