"""The search of the built site, typed into its own search box: a term of the glossary is found first."""

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The guides and the glossary, with the site's theme and search, without the tour, the API and the gallery."""
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    folder = tmp_path_factory.mktemp("site")
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))
    changed = {
        "docs_dir": str(ROOT / "docs"),
        "site_dir": str(folder / "site"),
        "nav": None,
        "hooks": [str(ROOT / "docs" / "hooks" / name) for name in ("fences.py", "terms.py")],
        "plugins": ["search", "offline"],
        "exclude_docs": "tour/\nhooks/\n*.py\n*.yaml\n",
        "validation": {},
    }
    (folder / "mkdocs.yml").write_text(yaml.safe_dump(settings | changed, sort_keys=False), encoding="utf-8")
    build(load_config(str(folder / "mkdocs.yml")))
    return folder / "site"


@pytest.mark.parametrize("term", ["mean pooling", "hidden state", "exact search"])
def test_the_search_box_finds_a_term_in_the_glossary_first(site: Path, chromium: Any, term: str) -> None:
    tab = chromium.new_page()
    tab.goto((site / "benchmarks.html").as_uri())
    tab.keyboard.press("/")
    tab.keyboard.type(term)
    results = tab.locator(".md-search-result__link")
    tab.locator(f".md-search-result__link[href*='h={term.replace(' ', '+')}']").first.wait_for(timeout=30_000)
    page, first = results.evaluate_all("links => links.slice(0, 2).map(link => link.href)")
    assert "glossary.html" in page
    assert first.endswith(f"glossary.html?h={term.replace(' ', '+')}#{term.replace(' ', '-')}")
    tab.close()


def test_a_page_links_its_terms_to_the_glossary(site: Path) -> None:
    html = (site / "performance.html").read_text("utf-8")
    assert '<a class="term" href="glossary.html#' in html
