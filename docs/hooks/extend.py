"""The pages under Extend: one for each kind of addition in CONTRIBUTING.md, and the list of them."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markdown.extensions.toc import slugify
from mkdocs.structure.files import File, Files

CONTRIBUTING = Path(__file__).parents[2] / "CONTRIBUTING.md"
TABLE = "| file | change |"


@dataclass(frozen=True)
class Addition:
    """A kind of addition: its title and the text of its section."""

    title: str
    text: str

    @property
    def page(self) -> str:
        """The path of its page within the site's sources."""
        return f"extend/{slugify(self.title.removeprefix('An ').removeprefix('A '), '-')}.md"


def additions() -> list[Addition]:
    """The sections of CONTRIBUTING.md that list the files of an addition."""
    sections = re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", CONTRIBUTING.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    return [Addition(title, in_site(text.strip())) for title, text in sections if TABLE in text]


def in_site(text: str) -> str:
    """Return the text with links to docs/ as the site has them, and those to other files as code."""
    text = re.sub(r"\]\(docs/([^)]+)\)", r"](../\1)", text)
    return re.sub(r"\[([^\]]+)\]\((?!\.\./|https?:|#)[^)]+\)", r"`\1`", text)


def rules() -> str:
    """The part of CONTRIBUTING.md before its first section: what applies to every change."""
    return in_site(CONTRIBUTING.read_text("utf-8").partition("\n## ")[0].partition("\n")[2].strip())


def index() -> str:
    """The Markdown of the first page: the rules, and the list."""
    pages = "\n".join(f"- [{one.title}]({one.page.removeprefix('extend/')})" for one in additions())
    return f"# Extend refimpl\n\n{rules()}\n\n{pages}\n"


def on_config(config: Any) -> Any:
    """Put the pages into the navigation."""
    pages = ["extend/index.md", *(one.page for one in additions())]
    config.nav = [{"Extend": pages} if item == {"Extend": []} else item for item in config.nav]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages."""
    files.append(File.generated(config, "extend/index.md", content=index()))
    for one in additions():
        files.append(File.generated(config, one.page, content=f"# {one.title}\n\n{one.text}\n"))
    return files
