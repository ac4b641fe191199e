"""The generated parts of README.md, written by `python -m docs.landing`, and the first page of the site."""

import re
from pathlib import Path

import pytest

from docs import landing, pictures
from docs.hooks import home

README = landing.README.read_text("utf-8")
REMEDY = "run `python -m docs.landing`"


def rows(text: str) -> list[list[str]]:
    part = text.split(landing.START)[1].split(landing.END)[0]
    return [line.strip("| ").split(" | ") for line in part.strip().splitlines()][2:]


def test_the_differences_are_those_of_the_golden_vectors():
    expected = [list(row) for row in landing.of_vectors()]
    assert rows(README)[: len(expected)] == expected, REMEDY


@pytest.mark.slow
def test_the_checks_find_as_many_cases_and_no_larger_difference_than_allowed():
    expected, shown = list(landing.of_checks()), rows(README)[-5:]
    assert [row[:3] for row in shown] == [list(row[:3]) for row in expected], REMEDY
    shares = [int(row[3].split("%")[0]) for row in shown if "%" in row[3]]
    assert len(shares) == 4
    assert max(shares) < 100


@pytest.mark.parametrize("name", pictures.PICTURES)
def test_a_picture_is_the_one_that_is_drawn(name):
    drawn, saved = pictures.PICTURES[name](), (pictures.ASSETS / name).read_text("utf-8")
    assert saved == drawn, REMEDY
    assert len(saved) < 10_000
    assert "prefers-color-scheme: dark" in saved


def test_only_the_part_between_the_comments_is_replaced():
    text = f"before\n{landing.START}\nold\n{landing.END}\nafter"
    row = ("a", "b", "1 case", "equal", "equal")
    once = landing.replaced(text, [row])
    assert once.startswith("before\n")
    assert once.endswith("\nafter")
    assert "| a | b | 1 case | equal | equal |" in once
    assert landing.replaced(once, [row]) == once


def test_the_first_page_of_the_site_links_within_it():
    text = home.in_site(README)
    assert not re.search(r"""(\]\(|src="|href=")docs/""", text)
    for target in re.findall(r"\]\(([\w./-]+\.md)", text):
        assert (Path(landing.README).parent / "docs" / target).exists(), target
    assert home.in_site("[a](docs/b.md#c) [S](SECURITY.md) [u](https://x.org)") == "[a](b.md#c) S [u](https://x.org)"
