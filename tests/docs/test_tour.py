"""docs/tour/: every chapter and its solutions run as a notebook; its prose contains no computed figure."""

import json
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
FIELD = {
    row["name"]: " ".join(map(str, row.values()))
    for row in json.loads((ROOT / "data/field/results.json").read_text("utf-8"))["rows"]
}
MINUTES, WORDS_PER_MINUTE, CODE_LINES_PER_MINUTE = 10, 200, 25


@pytest.fixture(scope="module")
def notebooks():
    with ThreadPoolExecutor(KERNELS) as pool:
        yield started(pool)


def cells(chapter, kind):
    return [cell for cell in jupytext.read(chapter).cells if cell.cell_type == kind]


def prose(chapter):
    """The text without inline code, the targets of links, and numbers of papers' sections."""
    text = "\n".join(cell.source for cell in cells(chapter, "markdown"))
    return re.sub(r"`[^`]*`|\]\([^)\"]*(?:\"[^\"]*\")?\)|\bsection \d+(\.\d+)*", "", text)


def quotes(box: str) -> list[tuple[str, str]]:
    """Package and quotation of each link to docs/field.md that has them as its title."""
    return re.findall(r"\]\(\.\./field\.md\s+\"([^:\"]+): ([^\"]+)\"\)", box)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=NAMES)
def test_it_and_its_solutions_run(chapter, notebooks):
    notebook = notebooks[chapter].result()
    solutions = [cell for cell in notebook.cells if "solution" in cell.metadata.get("tags", [])]
    assert all("assert" in cell.source and cell.outputs for cell in solutions)
    page = rendered(notebook)
    assert page.count('<img class="picture" alt="') >= 1
    assert page.count("A solution, and its output") == len(solutions)
    assert page.count(f'!!! info "{chapters.DEVIATIONS[3:]}"\n\n    - ') == 1
    assert f"\n{chapters.DEVIATIONS}" not in page
    assert not [o for cell in notebook.cells for o in cell.get("outputs", []) if o.get("name") == "stderr"]


@pytest.mark.parametrize("chapter", CHAPTERS, ids=NAMES)
def test_figures_in_prose_are_computed(chapter):
    """Numbers that the chapter computes are only in outputs; years are allowed."""
    decimal, thousands, percent = r"(?<![\w#])\d+\.\d+\b", r"\b\d{1,3}(?:,\d{3})+\b", r"\b\d+ ?%"
    long = r"(?<![\w-])(?!(?:19|20)\d\d\b)\d{3,}\b"
    assert re.findall("|".join((decimal, thousands, percent, long)), prose(chapter)) == []


@pytest.mark.parametrize("chapter", CHAPTERS, ids=NAMES)
def test_it_reads_in_less_than_ten_minutes_without_its_exercises(chapter):
    read = (cell for cell in cells(chapter, "code") if not {"solution", "picture"} & {*cell.metadata.get("tags", [])})
    code = [line for cell in read for line in cell.source.splitlines() if line.strip()]
    words = prose(chapter).partition("\n## Exercises")[0].split()
    assert len(words) / WORDS_PER_MINUTE + len(code) / CODE_LINES_PER_MINUTE < MINUTES


@pytest.mark.parametrize("chapter", CHAPTERS, ids=NAMES)
def test_it_has_prerequisites_goal_paper_deviations_and_three_exercises(chapter):
    text = chapter.read_text("utf-8")
    introduction = text.partition("\n# ")[2].split("\n\n")[1]
    assert re.findall(r"^- \*\*(.+?)\*\*: ", introduction, re.MULTILINE) == ["Prerequisites", "Learning goal", "Paper"]
    assert re.search(r"\b(19|20)\d\d\b", introduction.partition("**Paper**")[2])
    assert text.count(f"\n{chapters.DEVIATIONS}\n") == text.count("\n## Exercises\n") == 1
    exercises = text.partition("\n## Exercises\n")[2]
    assert re.findall(r"^### (\d) · ", exercises, re.MULTILINE) == ["1", "2", "3"]
    parts = re.split(r"^### ", exercises, flags=re.MULTILINE)[1:]
    assert [part.count('```python tags=["solution"]') for part in parts] == [1, 1, 1]
    assert text.count('tags=["solution"]') == 3


@pytest.mark.parametrize("chapter", CHAPTERS, ids=NAMES)
def test_its_deviations_are_measured(chapter):
    """Each bullet links where it was measured; a link to the field names a package and quotes its row."""
    box = chapter.read_text("utf-8").partition(f"{chapters.DEVIATIONS}\n")[2].partition("\n## ")[0]
    bullets = re.split(r"^- ", box, flags=re.MULTILINE)[1:]
    assert len(bullets) >= 2
    assert [bullet for bullet in bullets if "](../" not in bullet] == []
    for name, quote in quotes(box):
        assert name in FIELD, name
        assert quote in FIELD[name], (name, quote)


def test_quotes_are_found():
    assert quotes('([a](../field.md "txtai bm25: factor k1 + 1"),\n  [b](../field.md))') == [
        ("txtai bm25", "factor k1 + 1")
    ]


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
