"""The built site in a browser: its search, its links, messages and requests, and what axe-core finds."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from browser import serious_faults

ROOT = Path(__file__).parents[2]
HOOKS = ("fences.py", "home.py", "terms.py", "accessible.py")


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
        "hooks": [str(ROOT / "docs" / "hooks" / name) for name in HOOKS],
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


def broken(site: Path) -> Iterator[str]:
    """Links of the guides to a file or an anchor that is not there; the tour, the API and the gallery are not built."""
    for page in (one for one in site.glob("*.html") if one.name != "404.html"):  # that of a server
        for target, anchor in re.findall(r'href="([^"#:?]*)(?:#([^"]*))?"', page.read_text("utf-8")):
            file = (page.parent / target).resolve() if target else page
            if target.startswith(("tour/", "api/", "gallery/")) or file.suffix != ".html":
                continue
            if not file.is_file() or (anchor and f'id="{anchor}"' not in file.read_text("utf-8")):
                yield f"{page.name}: {target}#{anchor}"


def test_every_link_between_the_guides_has_its_target(site: Path) -> None:
    assert list(broken(site)) == []


@pytest.mark.parametrize(("width", "scheme"), [(380, "dark"), (1280, "light")])
@pytest.mark.parametrize("page", ["index.html", "glossary.html", "gallery.html", "commands.html", "benchmarks.html"])
def test_a_page_fits_is_accessible_and_requests_nothing(
    site: Path, chromium: Any, page: str, width: int, scheme: str
) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
    tab, messages, requests = context.new_page(), [], []
    tab.on("console", lambda message: messages.append(message.text))
    tab.on("pageerror", lambda error: messages.append(str(error)))
    tab.on("request", lambda request: requests.append(request.url))
    tab.goto((site / page).as_uri())
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    assert messages == []
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []
    assert serious_faults(tab) == []  # last: axe-core requests the style sheets, which a file may not
    context.close()
