"""The pages under Extend: one for each kind of addition, with links that the site has."""

import re
from pathlib import Path

import yaml

from docs.hooks import extend

ROOT = Path(__file__).parents[2]


def test_each_kind_of_addition_has_a_page_with_its_table():
    additions = extend.additions()
    assert len({one.page for one in additions}) == len(additions) >= 9
    assert "extend/bm25-variant.md" in {one.page for one in additions}
    assert all("| file | change |" in one.text for one in additions)
    assert [one.page for one in additions if f"]({one.page.removeprefix('extend/')})" not in extend.index()] == []
    assert "**Every check has been seen to fail once.**" in extend.index()


def test_every_link_is_to_a_page_of_the_site():
    text = "".join([extend.index(), *(one.text for one in extend.additions())])
    for target in re.findall(r"\]\(([^)#]+)", text):
        inside = (ROOT / "docs" / "extend" / target).resolve()
        assert (
            target.startswith("https:")
            or inside.exists()
            or f"extend/{target}" in {one.page for one in extend.additions()}
        ), target


def test_links_to_files_outside_the_site_become_code():
    assert (
        extend.in_site("[a](docs/b.md#c) [S](SECURITY.md) [u](https://x.org)")
        == "[a](../b.md#c) `S` [u](https://x.org)"
    )


def test_the_navigation_has_a_place_for_them():
    assert {"Extend": []} in yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))["nav"]
