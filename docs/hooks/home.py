"""The site's first page: README.md, with its links as the site has them."""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

WIDE = "---\nhide: [navigation, toc]\n---\n\n"  # its code and tables need the width of both columns
README = Path(__file__).parents[2] / "README.md"
LINK = re.compile(r"\[([^\]]+)\]\((?!https?:|#)([^)]+)\)")


def in_site(readme: str) -> str:
    """Return the text with links and pictures of docs/ as the site has them; links to other files become text."""
    readme = re.sub(r'href="docs/([^"]+)\.md"', r'href="\1.html"', readme.replace('src="docs/', 'src="'))
    return LINK.sub(_link, readme)


def _link(found: re.Match[str]) -> str:
    label, target = found.groups()
    return f"[{label}]({target.removeprefix('docs/')})" if target.startswith("docs/") else label


def on_files(files: Files, config: Any) -> Files:
    """Add the page."""
    files.append(File.generated(config, "index.md", content=WIDE + in_site(README.read_text("utf-8"))))
    return files
