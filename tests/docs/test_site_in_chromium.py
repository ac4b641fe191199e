"""The built site in a browser: its search, its links, messages and requests, and what axe-core finds."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from browser import SCHEMES, contrast, serious_faults

from docs.hooks.programs import PROGRAMS

ROOT = Path(__file__).parents[2]
HOOKS = ("programs.py", "fences.py", "extend.py", "home.py", "terms.py", "accessible.py")
API = ("BM25Index", "CohereEmbeddingFunction")  # with an example's output, and tables wider than a phone
GUIDES = sorted(file.stem for file in (ROOT / "docs").glob("*.md"))
PAGES = [
    *("index.html", *(f"{name}.html" for name in GUIDES), *(f"api/{name}.html" for name in API)),
    *(
        f"{folder}/{file.stem}.html"
        for folder in ("tour", "one_page")
        for file in sorted((ROOT / "docs" / folder).glob("*.md"))
    ),
    *(f"one_page/{file.stem}.html" for file in PROGRAMS),
    *("extend/index.html", "extend/bm25-variant.html"),
]
ONE_OF_EACH_KIND = [
    *("index.html", "glossary.html", "gallery.html", "commands.html", "benchmarks.html"),
    *("tour/06-bm25.html", "one_page/minilm.html", "api/BM25Index.html", "extend/index.html"),
]
PARTS = """
from docs.hooks import chapters, reference
from mkdocs.structure.files import File
from nbformat.v4 import new_output
import jupytext

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 3"></svg>'

def on_files(files, config):
    for entry in reference.entries():
        if entry.name in %s:
            files.append(File.generated(config, entry.page, content=reference.page(entry)))
    return files

def on_page_markdown(markdown, page, **_):
    chapter = chapters.ROOT / "docs" / page.file.src_uri
    if chapter not in chapters.CHAPTERS:
        return markdown
    notebook = jupytext.read(chapter)
    for cell in notebook.cells:
        if cell.cell_type == "code" and "picture" in cell.metadata.get("tags", []):
            cell.outputs = [new_output("display_data", {"image/svg+xml": SVG})]
        elif cell.cell_type == "code":
            cell.outputs = [new_output("stream", text="printed " * 30)]
    return chapters.rendered(notebook)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site without its gallery, with two pages of its API; the chapters of the tour have outputs that stand in."""
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    folder = tmp_path_factory.mktemp("site")
    (folder / "parts.py").write_text(PARTS % (API,), encoding="utf-8")
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))
    (mkdocstrings,) = (plugin for plugin in settings["plugins"] if "mkdocstrings" in plugin)
    mkdocstrings["mkdocstrings"]["handlers"]["python"]["paths"] = [str(ROOT)]
    hooks = [str(folder / "parts.py"), *(str(ROOT / "docs" / "hooks" / name) for name in HOOKS)]
    changed = {
        "docs_dir": str(ROOT / "docs"),
        "site_dir": str(folder / "site"),
        "nav": [item for item in settings["nav"] if item != {"API": []}],
        "hooks": hooks,
        "exclude_docs": settings["exclude_docs"],
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
    """Links of the guides to a file or an anchor that is not there; API and gallery are not built."""
    for page in (one for one in site.glob("*.html") if one.name != "404.html"):  # that of a server
        for target, anchor in re.findall(r'href="([^"#:?]*)(?:#([^"]*))?"', page.read_text("utf-8")):
            file = (page.parent / target).resolve() if target else page
            if target.startswith(("api/", "gallery/")) or file.suffix != ".html":
                continue
            if not file.is_file() or (anchor and f'id="{anchor}"' not in file.read_text("utf-8")):
                yield f"{page.name}: {target}#{anchor}"


def test_every_link_between_the_guides_has_its_target(site: Path) -> None:
    assert list(broken(site)) == []


@pytest.mark.parametrize(
    ("page", "width", "scheme"),
    [*((page, 380, "dark") for page in PAGES), *((page, 1280, "light") for page in ONE_OF_EACH_KIND)],
)
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


def test_the_keyboard_scrolls_a_wide_table_and_does_not_stop_at_a_narrow_one(site: Path, chromium: Any) -> None:
    context = chromium.new_context(viewport={"width": 380, "height": 900}, offline=True)
    tab = context.new_page()
    tab.goto((site / "field.html").as_uri())
    wide = tab.locator(".md-typeset__scrollwrap[tabindex='0']").first
    named = "boxes => boxes.map(box => `${box.getAttribute('role')} ${box.getAttribute('aria-label')}`)"
    assert "region Table: BM25" in tab.eval_on_selector_all(".md-typeset__scrollwrap", named)
    wide.focus()
    tab.keyboard.press("ArrowRight")
    tab.wait_for_function("document.activeElement.scrollLeft > 0")
    boxes = "boxes => boxes.map(box => [box.scrollWidth > box.clientWidth, box.tabIndex === 0])"
    found = tab.eval_on_selector_all(".md-typeset__scrollwrap", boxes)
    assert len(found) > 1
    assert all(scrolls == focusable for scrolls, focusable in found)
    tab.set_viewport_size({"width": 4000, "height": 900})
    tab.wait_for_function("document.querySelectorAll('.md-typeset__scrollwrap[tabindex]').length === 0")
    context.close()


COLOURS = """() => {
  const names = "number special function constant keyword string name operator punctuation comment generic variable";
  return names.split(" ").map(name => {
    const code = document.createElement("code");
    code.style.color = `var(--md-code-hl-${name}-color)`;
    document.querySelector(".md-typeset").append(code);
    const style = getComputedStyle(code);
    return [name, style.color, style.backgroundColor];
  });
}"""


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_colour_of_code_has_enough_contrast(site: Path, chromium: Any, scheme: str) -> None:
    """Also those of languages that no page shows today."""
    context = chromium.new_context(color_scheme=scheme, offline=True)
    tab = context.new_page()
    tab.goto((site / "ci.html").as_uri())
    for name, colour, background in tab.evaluate(COLOURS):
        assert contrast(colour, background) >= 4.5, f"{name}: {colour} on {background}"
    context.close()
