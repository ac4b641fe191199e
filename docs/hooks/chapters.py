"""The tour's chapters as pages and notebooks: the build executes each and renders it with its outputs."""

import base64
import copy
import html
import os
import re
import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import jupytext
from nbclient import NotebookClient
from nbformat import NotebookNode

from refimpl import models
from refimpl.common.stamp import usable_cores

ROOT = Path(__file__).parents[2]
TOUR = ROOT / "docs" / "tour"
CHAPTERS = sorted(TOUR.glob("[0-9][0-9]-*.md"))
TIMEOUT_S = 120
DEVIATIONS = "## What libraries do differently"
PAGE_LINK = re.compile(r"(\]\((?:\.\./)*[\w/-]+)\.md([)#])")
KERNELS = usable_cores()  # number of concurrent kernels, with one BLAS thread each


def executed(chapter: Path) -> NotebookNode:
    """Execute the chapter in its own kernel and return the notebook; raises CellExecutionError where a cell does."""
    notebook = jupytext.read(chapter)
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OPENBLAS_NUM_THREADS": "1"}
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT_S,
        kernel_name="python3",
        coalesce_streams=True,  # what a cell prints is one output, however slowly it prints
        extra_arguments=["--Application.log_level=ERROR"],
    )
    client.execute(cwd=str(chapter.parent), env=environment)
    return notebook


def rendered(notebook: NotebookNode) -> str:
    """Return the Markdown of an executed notebook: code, then its outputs; solutions and plotting code folded."""
    cells = [cell for cell in notebook.cells if cell.cell_type != "raw"]  # raw: the header of the file
    return "\n\n".join(_code_cell(cell) if cell.cell_type == "code" else _boxed(cell.source) for cell in cells)


def _boxed(text: str) -> str:
    """The text with its section on what libraries do differently in a box."""
    before, heading, after = text.partition(f"{DEVIATIONS}\n")
    if not heading:
        return text
    section, next_heading, rest = after.partition("\n## ")
    return f"{before}{_box('!!! info', DEVIATIONS[3:], section.strip())}\n{next_heading}{rest}"


def _code_cell(cell: NotebookNode) -> str:
    tags = cell.metadata.get("tags", [])
    code = f"```python\n{cell.source}\n```"
    outputs = "\n\n".join(_output(output, cell.metadata.get("alt", "")) for output in cell.outputs)
    if "solution" in tags:
        return _box("??? success", "A solution, and its output", f"{code}\n\n{outputs}")
    if "picture" in tags:
        return f"{outputs}\n\n" + _box("??? note", "The code of this plot", code)
    return f"{code}\n\n{outputs}"


def _box(kind: str, title: str, body: str) -> str:
    indented = "\n".join(f"    {line}" if line else "" for line in body.split("\n"))
    return f'{kind} "{title}"\n\n{indented}'


def _output(output: NotebookNode, alt: str) -> str:
    if output.output_type == "stream":
        return _printed(output.text)
    data: dict[str, Any] = output.data
    if "image/svg+xml" in data:
        if not alt:
            raise ValueError('a picture has no alternative text: give its cell alt="..."')
        encoded = base64.b64encode(data["image/svg+xml"].encode()).decode()
        return f'<img class="picture" alt="{html.escape(alt)}" src="data:image/svg+xml;base64,{encoded}">'
    return _printed(data["text/plain"])


def _printed(text: str) -> str:
    return f"``` {{ .text .printed }}\n{text.rstrip()}\n```"


def prepare() -> None:
    """Do what a machine does once, and says on stderr: fetch the chapters' models, and read its fonts."""
    from matplotlib import font_manager

    font_manager.get_font_names()  # writes the cache of fonts
    texts = "".join(chapter.read_text("utf-8") for chapter in CHAPTERS)
    for name in ["all-MiniLM-L6-v2", *(name for name in models.SOURCES if f'"{name}"' in texts)]:
        models.path(name)


def started(pool: ThreadPoolExecutor) -> dict[Path, Future[NotebookNode]]:
    """Submit the execution of every chapter."""
    prepare()
    return {chapter: pool.submit(executed, chapter) for chapter in CHAPTERS}


@cache
def _all() -> dict[Path, Future[NotebookNode]]:
    return started(ThreadPoolExecutor(KERNELS))


def write_notebook(notebook: NotebookNode, chapter: Path, folder: Path) -> Path:
    """Write an executed chapter as .ipynb whose links open pages of the site, and beside it what it imports."""
    written = copy.deepcopy(notebook)
    for cell in written.cells:
        if cell.cell_type == "markdown":
            cell.source = PAGE_LINK.sub(r"\1.html\2", cell.source)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{chapter.stem}.ipynb"
    jupytext.write(written, file, fmt="ipynb")
    shutil.copy(TOUR / "tour.py", folder)
    return file


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Replace a chapter by its executed notebook, with a link to it; return every other page unchanged."""
    chapter = ROOT / "docs" / page.file.src_uri
    if chapter not in CHAPTERS:
        return markdown
    link = f'<a class="notebook" href="{chapter.stem}.ipynb" download>Open as a notebook</a>'
    heading, newline, rest = rendered(_all()[chapter].result()).partition("\n")
    return f"{heading}\n\n{link}\n{newline}{rest}"


def on_post_build(config: Any) -> None:
    """Add the notebooks to the site."""
    for chapter in CHAPTERS:
        write_notebook(_all()[chapter].result(), chapter, Path(config["site_dir"]) / "tour")
