"""Code blocks of pages whose examples are tests: `sh exit=1`, `python file=mine.py`, `text contains`.

The page shows the language alone; what follows it in the first line is for the tests, and no syntax of the renderer's.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError

FENCE = re.compile(r"^(```\w+)[ \t]+\S.*$", re.MULTILINE)
SHOWN = re.compile(r"(^|>)```", re.MULTILINE)


def plain(markdown: str) -> str:
    """Return the text with each block's language alone in its first line."""
    return FENCE.sub(r"\1", markdown)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Remove what is for the tests."""
    return plain(markdown)


def on_post_build(config: Any, **_: Any) -> None:
    """Fail the build where a page shows a fence as text: a block that was not rendered."""
    for page in sorted(Path(config["site_dir"]).rglob("*.html")):
        if SHOWN.search(page.read_text(encoding="utf-8")):
            raise PluginError(f"{page.name} shows ``` as text: a code block is not rendered")
