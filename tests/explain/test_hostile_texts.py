"""Texts that contain markup or scripts, or that could break the layout, are shown as text."""

from pathlib import Path
from typing import Any

import pytest

from refimpl import explain
from refimpl.explain.collection import Collection

SCRIPTS = '</script><script>window.caught = 1</script><img src=x onerror="window.caught = 2"><!--'
RIGHT_TO_LEFT = "\u202eשלום עולם مرحبا\u202c 🙂🏳️‍🌈 \u2028 {{ 7 * 7 }} &lt;b&gt; \x00"
LONG = "word <b>bold</b> " * 600  # more than 10,000 characters
QUESTION = f"What is {SCRIPTS} {RIGHT_TO_LEFT}? {LONG}"
DOCUMENTS = [SCRIPTS, RIGHT_TO_LEFT, LONG, "🙂🙂🙂", "W" * 10_000]


@pytest.fixture(scope="module")
def hostile_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    ids = [f'"><script>window.caught = {i}</script>' for i in range(len(DOCUMENTS))]
    return explain.write(
        QUESTION, Collection("<i>name</i>", ids, DOCUMENTS), tmp_path_factory.mktemp("hostile") / "page.html"
    )


@pytest.mark.parametrize("width", [380, 1280])
def test_they_are_shown_as_text_and_never_executed(hostile_page: Path, opened: Any, width: int) -> None:
    tab = opened(hostile_page, width, "dark")
    for panel in ("pooling-against", "splade-text", "reranking-document", "lexical-document"):
        for option in tab.eval_on_selector_all(f"#{panel} option", "all => all.map(one => one.value)"):
            tab.select_option(f"#{panel}", option)
    tab.locator("[data-chart=attention-1] .mark-rect.role-mark path").nth(5).hover()
    assert tab.evaluate("window.caught") is None
    assert tab.locator("img, b, i, main script, header script").count() == 0
    shown = tab.locator("header").evaluate("header => header.textContent")
    for text in (SCRIPTS, LONG, "{{ 7 * 7 }} &lt;b&gt;", "שלום עולם مرحبا", "🙂🏳️‍🌈", "W" * 10_000, "<i>name</i>"):
        assert text in shown
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    tokens = tab.locator("[data-panel=tokens]").inner_text()
    assert "256 tokens of at most 256" in tokens
    assert "more were truncated" in tokens


def test_a_long_question_sums_the_tokens_that_are_not_shown(hostile_page: Path, opened: Any) -> None:
    tab = opened(hostile_page)
    tokens = tab.eval_on_selector_all("#attention-token option", "all => all.length")
    assert tokens == 48
    assert tab.locator("[data-chart=attention-1] .mark-rect.role-mark path").count() == 48 * 49
    assert "208 more" in tab.locator("[data-chart=attention-2] svg").inner_html()
    assert hostile_page.stat().st_size < 2_000_000


def test_texts_without_any_term_make_a_page(tmp_path: Path, opened: Any) -> None:
    page = explain.write("Of the and?", Collection("x", ["1"], ["The and of."]), tmp_path / "page.html")
    tab = opened(page)
    assert "No term of the question is left" in tab.locator("[data-panel=lexical] .summary").inner_text()
    assert tab.locator("[data-table=fusion-2] tbody tr").count() == 1
    assert "NaN" not in tab.locator("body").inner_text()
