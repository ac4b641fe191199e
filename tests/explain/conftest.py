"""One page, built once per session, and a browser to open it in: Debian's Chromium, driven by Playwright, offline."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import pages

from refimpl.explain import all_panels, page
from refimpl.explain.collection import Collection
from refimpl.explain.panel import Panel
from refimpl.explain.scene import Scene, build

QUESTION = "Where was Alan Turing born, and when did Turing test machines?"
DOCUMENTS = [
    "Artificial intelligence was founded as an academic discipline in 1956.",
    "Alan Turing was the first person to conduct substantial research in AI.",
    "Born in Maida Vale, London, Turing was raised in southern England.",
    "The Turing test asks whether a machine can imitate a human; Turing proposed it in 1950; Turing called it a game. "
    + " ".join(
        f"Person number {i} asked machine number {i} about weather, music, arithmetic and chess." for i in range(9)
    ),
    "Of the and to, which they were.",  # stop words alone: without a term, though not without text
]


@pytest.fixture(scope="session")
def scene() -> Scene:
    """Five documents: one longer than Lucene's exact lengths, one without any term, a term in more than half."""
    return build(QUESTION, Collection("five.txt", [f"line {i}" for i in range(1, 6)], DOCUMENTS), most=5)


@pytest.fixture(scope="session")
def panels(scene: Scene) -> list[Panel]:
    return all_panels(scene, "splade-tiny", None)


@pytest.fixture(scope="session")
def panel_data(panels: list[Panel]) -> dict[str, Any]:
    """Each panel's data by its key."""
    return {panel.key: panel.data for panel in panels}


@pytest.fixture(scope="session")
def page_file(scene: Scene, panels: list[Panel], tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("page") / "page.html"
    file.write_text(page.html("How a query is matched with documents", scene, panels), encoding="utf-8")
    return file


@pytest.fixture
def opened(chromium: Any) -> Iterator[Callable[..., Any]]:
    with pages(chromium, "html[data-ready=true]") as show:
        yield show
