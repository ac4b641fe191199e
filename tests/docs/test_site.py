"""The hooks of the site and its navigation; CI builds it strictly by `make docs`, links and anchors checked."""

import os
import re
from pathlib import Path

import pytest
import yaml

from docs.hooks import fences, sealed


@pytest.mark.parametrize(
    ("page", "fetched"),
    [
        ('<script src="https://cdn.example/x.js"></script>', ["https://cdn.example/x.js"]),
        ('<link rel="stylesheet" href="//fonts.example/css">', ["//fonts.example/css"]),
        ('<img src="http://pictures.example/a.png">', ["http://pictures.example/a.png"]),
        ('<a href="https://example.org">a link is only followed</a><img src="data:image/png;base64,xx">', []),
        ('<link rel="canonical" href="https://example.org"><script src="assets/x.js"></script>', []),
    ],
)
def test_requests_to_other_hosts_are_found(page, fetched):
    assert sealed.external(page) == fetched


def test_such_a_request_fails_the_build(tmp_path):
    from mkdocs.exceptions import PluginError

    (tmp_path / "a.html").write_text('<script src="https://cdn.example/x.js"></script>')
    with pytest.raises(PluginError, match=r"a\.html fetches https://cdn\.example/x\.js"):
        sealed.on_post_build({"site_dir": str(tmp_path)})


def unlinked(docs: Path, nav: object) -> list[str]:
    """The pages in `docs` that neither the navigation nor another page links."""
    pages = {file.relative_to(docs).as_posix(): file.read_text("utf-8") for file in docs.rglob("*.md")}
    linked = set(re.findall(r"[\w./-]+\.md", str(nav)))
    for name, text in pages.items():
        targets = re.findall(r"\]\(([^)#\s]+\.md)", text)
        linked |= {os.path.normpath(Path(name).parent / target) for target in targets} - {name}
    return sorted(pages.keys() - linked)


def test_every_page_is_in_the_navigation_or_linked_by_another():
    root = Path(__file__).parents[2]
    nav = yaml.safe_load((root / "mkdocs.yml").read_text("utf-8"))["nav"]
    assert unlinked(root / "docs", nav) == []
    (guides,) = (item["Guides"] for item in nav if "Guides" in item)
    assert "splade.md" in str(guides)


def test_a_page_without_links_to_it_is_reported(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "index.md").write_text("[there](sub/there.md#part) and [out](https://example.org/out.md)")
    (tmp_path / "sub" / "there.md").write_text("[self](there.md) [up](../up.md)")
    (tmp_path / "up.md").write_text("")
    (tmp_path / "out.md").write_text("[only itself](out.md)")
    assert unlinked(tmp_path, [{"Home": "index.md"}]) == ["out.md"]


def test_a_code_block_of_a_test_is_rendered_with_its_language_alone():
    written = "```python file=mine.py\nx = 1\n```\n\n```sh exit=1\nls\n```\n```text contains\na ```b\n```\n```sh\n```"
    assert fences.plain(written) == "```python\nx = 1\n```\n\n```sh\nls\n```\n```text\na ```b\n```\n```sh\n```"


def test_a_page_that_shows_a_fence_fails_the_build(tmp_path):
    from mkdocs.exceptions import PluginError

    (tmp_path / "a.html").write_text("<p>```python file=mine.py import math</p>")
    with pytest.raises(PluginError, match=r"a\.html shows ``` as text"):
        fences.on_post_build({"site_dir": str(tmp_path)})
