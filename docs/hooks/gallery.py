"""The gallery: the page of each question in docs/gallery/questions.yaml, written by `refimpl explain`, and the list."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from mkdocs.structure.files import File, Files

from refimpl import explain
from refimpl.explain.collection import Collection

QUESTIONS = Path(__file__).parents[1] / "gallery" / "questions.yaml"
MARKER = "<!-- gallery -->"


@dataclass(frozen=True)
class Entry:
    """A question with its documents, why it is shown, and the number of the first document of each ranking."""

    name: str
    question: str
    why: str
    documents: list[str]
    first: dict[str, int]
    add: list[str]

    @property
    def page(self) -> str:
        """The path of its page within the site."""
        return f"gallery/{self.name}.html"


def entries() -> list[Entry]:
    """The questions in their order."""
    return [Entry(**entry) for entry in yaml.safe_load(QUESTIONS.read_text("utf-8"))]


def html(entry: Entry) -> str:
    """The page of a question."""
    ids = [f"line {i}" for i in range(1, len(entry.documents) + 1)]
    collection = Collection("the gallery", ids, entry.documents)
    with TemporaryDirectory() as folder:
        out = Path(folder) / "page.html"
        return explain.write(entry.question, collection, out, most=12, add=entry.add).read_text("utf-8")


def listed() -> str:
    """The Markdown of the list: each question linked to its page."""
    return "\n".join(f"- **[{entry.question}]({entry.page})** {entry.why}" for entry in entries())


def on_files(files: Files, config: Any) -> Files:
    """Add the pages."""
    for entry in entries():
        files.append(File.generated(config, entry.page, content=html(entry)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the marker by the list."""
    return markdown.replace(MARKER, listed())
