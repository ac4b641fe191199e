"""docs/tour/: every chapter and its solutions run as a notebook; its prose contains no computed figure."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jupytext
import pytest
import yaml
from nbclient.exceptions import CellExecutionError

from docs.hooks import chapters
from docs.hooks.chapters import CHAPTERS, KERNELS, ROOT, executed, rendered, started

NAMES = [chapter.stem for chapter in CHAPTERS]
MINUTES, WORDS_PER_MINUTE, CODE_LINES_PER_MINUTE = 10, 200, 25


@pytest.fixture(scope="module")
def notebooks():
    with ThreadPoolExecutor(KERNELS) as pool:
        yield started(pool)


def cells(chapter, kind):
    return [cell for cell in jupytext.read(chapter).cells if cell.cell_type == kind]


def prose(chapter):
    """The text without inline code and without the targets of links."""
    text = "\n".join(cell.source for cell in cells(chapter, "markdown"))
    return re.sub(r"`[^`]*`|\]\([^)]*\)", "", text)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=NAMES)
def test_it_and_its_solutions_run(chapter, notebooks):
    notebook = notebooks[chapter].result()
    solutions = [cell for cell in notebook.cells if "solution" in cell.metadata.get("tags", [])]
    assert solutions, "a chapter has an exercise with a solution"
    assert all("assert" in cell.source and cell.outputs for cell in solutions)
    page = rendered(notebook)
    assert page.count('<img class="picture" alt="') >= 1
    assert page.count("A solution, and its output") == len(solutions)
    assert not [o for cell in notebook.cells for o in cell.get("outputs", []) if o.get("name") == "stderr"]


@pytest.mark.parametrize("chapter", CHAPTERS, ids=NAMES)
def test_figures_in_prose_are_computed(chapter):
    """Numbers that the chapter computes are only in outputs; years are allowed."""
    decimal, thousands, percent = r"(?<![\w#])\d+\.\d+\b", r"\b\d{1,3}(?:,\d{3})+\b", r"\b\d+ ?%"
    long = r"(?<![\w-])(?!(?:19|20)\d\d\b)\d{3,}\b"
    assert re.findall("|".join((decimal, thousands, percent, long)), prose(chapter)) == []


@pytest.mark.parametrize("chapter", CHAPTERS, ids=NAMES)
def test_it_takes_less_than_ten_minutes(chapter):
    code = [line for cell in cells(chapter, "code") for line in cell.source.splitlines() if line.strip()]
    minutes = len(prose(chapter).split()) / WORDS_PER_MINUTE + len(code) / CODE_LINES_PER_MINUTE
    assert minutes < MINUTES


@pytest.mark.parametrize("chapter", CHAPTERS, ids=NAMES)
def test_it_opens_as_a_notebook(chapter):
    notebook = jupytext.read(chapter)
    assert notebook.metadata["kernelspec"]["name"] == "python3"
    assert notebook.metadata["jupytext"]["text_representation"]["format_name"] == "markdown"
    assert jupytext.writes(notebook, fmt="ipynb")


def test_the_notebook_of_the_site_runs_beside_tour_py(notebooks, tmp_path):
    chapter = CHAPTERS[0]
    file = chapters.write_notebook(notebooks[chapter].result(), chapter, tmp_path)
    assert {written.name for written in tmp_path.iterdir()} == {"01-tokens.ipynb", "tour.py"}
    again = executed(file)
    outputs = [cell.outputs for cell in again.cells if cell.cell_type == "code"]
    assert outputs
    assert not [output for listed in outputs for output in listed if output.output_type == "error"]


@pytest.mark.parametrize("chapter", CHAPTERS, ids=NAMES)
def test_the_notebook_of_the_site_has_outputs_links_to_pages_and_no_other_files(chapter, notebooks, tmp_path):
    written = jupytext.read(chapters.write_notebook(notebooks[chapter].result(), chapter, tmp_path))
    code = [cell for cell in written.cells if cell.cell_type == "code"]
    assert [cell.outputs for cell in code] == [
        cell.outputs for cell in notebooks[chapter].result().cells if cell.cell_type == "code"
    ]
    assert not re.search(r"""["']\.\./""", "\n".join(cell.source for cell in code))
    text = "\n".join(cell.source for cell in written.cells if cell.cell_type == "markdown")
    assert "glossary.html#" in text
    assert not re.search(r"\]\([^)\s]*\.md[)#]", text)


def test_the_chapters_are_listed_in_order():
    contents = (ROOT / "docs/tour/index.md").read_text("utf-8")
    assert re.findall(r"\]\((\d\d-[a-z0-9-]+\.md)\)", contents) == [chapter.name for chapter in CHAPTERS]
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))["nav"]
    (tour,) = (item["The tour"] for item in nav if "The tour" in item)
    assert tour == ["tour/index.md", *(f"tour/{chapter.name}" for chapter in CHAPTERS)]


def test_a_chapter_that_fails_is_reported(tmp_path):
    chapter = tmp_path / "wrong.md"
    chapter.write_text("# Wrong\n\n```python\nassert 1 == 2\n```\n")
    with pytest.raises(CellExecutionError, match="assert 1 == 2"):
        executed(chapter)


def test_a_picture_needs_alternative_text(tmp_path):
    chapter = tmp_path / "wordless.md"
    chapter.write_text('```python tags=["picture"]\nimport matplotlib.pyplot as plt\nimport tour\nplt.plot([1])\n```\n')
    (tmp_path / "tour.py").write_bytes((chapters.TOUR / "tour.py").read_bytes())
    with pytest.raises(ValueError, match="no alternative text"):
        rendered(executed(chapter))
    assert Path(chapter).exists()
