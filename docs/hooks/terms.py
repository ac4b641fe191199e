"""Links from the first use of a term on each page, API included, to its definition in the glossary."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from markdown.extensions.toc import slugify
from mkdocs.utils import get_relative_url

GLOSSARY = Path(__file__).parents[1] / "glossary.md"
PAGE = "glossary.html"
ORDINARY = ("Expansion", "Head", "Normalisation", "Oracle", "Run", "Saturation", "Segment", "Significance", "Term")
AMBIGUOUS = frozenset((*ORDINARY, "Precision", "Threshold", "Trace", "Upper bound"))  # pages link these by themselves
HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6", "th", "summary")
CLOSED = frozenset((*HEADINGS, "a", "code", "pre", "script", "style", "svg", "button", "label", "nav"))
TAG = re.compile(r"(<[^>]+>)")


@cache
def terms() -> dict[str, re.Pattern[str]]:
    """The anchor of each term and the pattern of its uses, longer terms first: mean pooling before pooling."""
    names = re.findall(r"^### (.+)$", GLOSSARY.read_text("utf-8"), re.MULTILINE)
    kept = sorted((name for name in names if name not in AMBIGUOUS), key=len, reverse=True)
    return {slugify(name, "-"): _pattern(name) for name in kept}


def _pattern(name: str) -> re.Pattern[str]:
    exact = name.islower() or name[1:] != name[1:].lower()  # tf and BM25, but not a word that begins a heading
    return re.compile(rf"(?<![\w-]){re.escape(name)}s?(?![\w-])", 0 if exact else re.IGNORECASE)


def linked(html: str, glossary: str) -> str:
    """Return the page with the first use of each term as a link to its anchor in `glossary`.

    Uses within links, code, headings and column titles stay, and so do terms that the page already links.
    """
    missing = {anchor: pattern for anchor, pattern in terms().items() if f'{PAGE}#{anchor}"' not in html}
    return "".join(_pieces(html, glossary, missing))


def _pieces(html: str, glossary: str, missing: dict[str, re.Pattern[str]]) -> Iterator[str]:
    closed = 0
    for piece in TAG.split(html):
        if tag := re.match(r"<(/?)(\w+)", piece):
            if tag[2] in CLOSED and not piece.endswith("/>"):
                closed += -1 if tag[1] else 1
            yield piece
        else:
            yield piece if closed or not piece.strip() else _with_links(piece, glossary, missing)


def _with_links(text: str, glossary: str, missing: dict[str, re.Pattern[str]]) -> str:
    """Link each term's first use in a text without tags; a use inside a longer term's link is not one."""
    found: list[tuple[int, int, str]] = []
    for anchor, pattern in list(missing.items()):
        for match in pattern.finditer(text):
            if all(match.end() <= start or match.start() >= end for start, end, _ in found):
                found.append((match.start(), match.end(), anchor))
                del missing[anchor]
                break
    for start, end, anchor in sorted(found, reverse=True):
        text = f'{text[:start]}<a class="term" href="{glossary}#{anchor}">{text[start:end]}</a>{text[end:]}'
    return text


def on_page_content(html: str, page: Any, **_: Any) -> str:
    """Link the terms of every page but the glossary itself."""
    return html if page.file.dest_uri == PAGE else linked(html, get_relative_url(PAGE, page.url))
