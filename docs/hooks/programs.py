"""The one-page programs as pages: each comment beside the lines of code that follow it."""

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

PROGRAMS = sorted((Path(__file__).parents[1] / "one_page").glob("*.py"))
LINK = re.compile(r"(\]\((?:\.\./)?(?:one_page/)?)(" + "|".join(file.stem for file in PROGRAMS) + r")\.py\)")


@dataclass(frozen=True)
class Section:
    """Lines of code and the comment above them; the comment without its `#`."""

    comment: str
    code: str


def sections(source: str) -> tuple[str, list[Section]]:
    """Split a program into its docstring and its sections, in order."""
    docstring = ast.get_docstring(ast.parse(source)) or ""
    _, _, body = source.partition('"""\n\n')
    parts = re.split(r"((?:^[ ]*#[^\n]*\n)+)", body, flags=re.MULTILINE)
    if parts[0].strip():
        raise ValueError("the first lines of code have no comment above them")
    comments = [re.sub(r"^[ ]*# ?", "", part, flags=re.MULTILINE).strip() for part in parts[1::2]]
    return docstring, [Section(*pair) for pair in zip(comments, parts[2::2], strict=True)]


def page(file: Path) -> str:
    """The Markdown of a program's page: the docstring, a link to the file, then comments beside their code."""
    docstring, listed = sections(file.read_text("utf-8"))
    title, _, introduction = docstring.partition("\n\n")
    blocks = [f"# {file.name}", title, introduction, f"[Download {file.name}]({file.name}){{ download }}"]
    blocks += [_beside(section) for section in listed]
    return "---\nhide: [navigation, toc]\n---\n\n" + "\n\n".join(blocks) + "\n"


def _beside(section: Section) -> str:
    code = section.code.strip("\n")
    return (
        f'<div class="explained" markdown="1">\n\n<div markdown="1">\n\n{section.comment}\n\n</div>\n\n'
        f'<div markdown="1">\n\n```python\n{code}\n```\n\n</div>\n\n</div>'
    )


def on_files(files: Files, config: Any) -> Files:
    """Add a page for each program; the programs themselves are in the site as they are."""
    for file in PROGRAMS:
        files.append(File.generated(config, f"one_page/{file.stem}.md", content=page(file)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links to a program open its page, except on that page."""
    if Path(page.file.src_uri).stem in [file.stem for file in PROGRAMS] and page.file.src_uri.startswith("one_page/"):
        return markdown
    return LINK.sub(r"\1\2.md)", markdown)
