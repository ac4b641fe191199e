"""The gallery's pages: small, without serious faults for a screen reader, with the rankings that the list claims."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from browser import cells, serious_faults

from docs.hooks import gallery

ENTRIES = gallery.entries()


@pytest.fixture(scope="module")
def page_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[gallery.Entry], Path]:
    """The page of an entry, built once."""
    folder = tmp_path_factory.mktemp("gallery")

    def built(entry: gallery.Entry) -> Path:
        file = folder / f"{entry.name}.html"
        if not file.exists():
            file.write_text(gallery.html(entry), encoding="utf-8")
        return file

    return built


def test_there_are_five_and_each_is_listed_with_its_page():
    assert len({entry.page for entry in ENTRIES}) == len(ENTRIES) == 5
    markdown = gallery.on_page_markdown((gallery.QUESTIONS.parents[1] / "gallery.md").read_text("utf-8"))
    for entry in ENTRIES:
        assert f"[{entry.question}]({entry.page})" in markdown
        assert entry.why in markdown


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_a_page_is_small_accessible_and_has_the_claimed_rankings(entry: Any, page_of: Any, opened: Any) -> None:
    file = page_of(entry)
    assert file.stat().st_size < 2_000_000
    for width, scheme in ((380, "dark"), (1280, "light")):
        tab = opened(file, width, scheme)
        assert serious_faults(tab) == []
        assert tab.evaluate("document.documentElement.scrollWidth") == width
    orders = {name: cells(tab, "what-if-2", column)[0] for name, column in (("dense", 2), ("lexical", 3))}
    assert {name: int(order.split("\u00a0")[0]) for name, order in orders.items()} == entry.first


def test_removing_without_changes_the_first_document(page_of: Any, opened: Any) -> None:
    """What the list says about that question."""
    (entry,) = [entry for entry in ENTRIES if entry.name == "without"]
    tab = opened(page_of(entry))
    names, orders = cells(tab, "what-if-2", 1), cells(tab, "what-if-2", 2)
    after = orders[names.index("without ‘without’")]
    assert int(after.split("\u00a0")[0]) != entry.first["dense"]
