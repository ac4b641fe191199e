"""The pictures of the documentation in a browser: each follows the reader's colour scheme, and its text is legible."""

import re
from pathlib import Path
from typing import Any

import pytest
from browser import SCHEMES, contrast, luminance, rgba

from refimpl.report.front_plot import Spot, front, standalone

PICTURES = sorted((Path(__file__).parents[2] / "docs" / "assets").glob("*.svg"))
COLOURS = """() => {
  const paper = document.querySelector("rect.paper");
  const background = paper ? getComputedStyle(paper).fill : getComputedStyle(document.documentElement).backgroundColor;
  return [background, [...document.querySelectorAll("text")].map(text => getComputedStyle(text).fill)];
}"""


def check(file: Path, chromium: Any, scheme: str) -> None:
    """Compare the brightness of background and text with the scheme and with WCAG's least contrast."""
    context = chromium.new_context(color_scheme=scheme, offline=True)
    tab = context.new_page()
    tab.goto(file.as_uri())
    background, texts = tab.evaluate(COLOURS)
    context.close()
    assert len(texts) > 3
    assert (luminance(rgba(background)) > 0.5) == (scheme == "light"), f"{background} in the {scheme} scheme"
    for text in texts:
        assert contrast(text, background) >= 4.5, f"{text} on {background}"


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("file", PICTURES, ids=lambda file: file.name)
def test_a_picture_follows_the_scheme(file: Path, chromium: Any, scheme: str) -> None:
    check(file, chromium, scheme)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_plot_of_a_sweep_follows_the_scheme(tmp_path: Path, chromium: Any, scheme: str) -> None:
    spots = [Spot("dense", "FLAT", 1.0, 0.002, True, True), Spot("dense", "HNSW", 0.9, 0.001, False, False)]
    (tmp_path / "front.svg").write_text(standalone(front(spots, "recall@10", "a plot", 1)), encoding="utf-8")
    check(tmp_path / "front.svg", chromium, scheme)


def test_the_saved_plot_has_the_style_of_one_that_is_written_now() -> None:
    saved = next(file for file in PICTURES if file.name == "sweep-nfcorpus.svg").read_text("utf-8")
    (style,) = re.findall(r"<style>svg .*?</style>", standalone('<svg viewBox="0 0 1 1"></svg>'))
    assert style in saved
