"""`refimpl report --into`: the ratios of a benchmark between the comments of a page, and nothing else of it changed."""

import re
from pathlib import Path

import pytest
from report_results import benchmarks, saved
from typer.testing import CliRunner

from refimpl.cli import app
from refimpl.report import into, replace_in

PAGE = f"# Before\n\n{into.START}\nold\n{into.END}\n\nafter | it\n"


def test_the_part_between_the_comments_becomes_the_table_of_ratios(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    replace_in(saved(tmp_path, benchmarks()), page)
    text = page.read_text()
    assert text.startswith(f"# Before\n\n{into.START}\n\n- ")
    assert text.endswith(f".\n\n{into.END}\n\nafter | it\n")
    assert "old" not in text
    rows = dict(re.findall(r"^\| encode: (\w+) \| ([\d.]+)×", text, re.MULTILINE))
    assert rows == {"lost": "1.50", "even": "0.990", "won": "0.250"}, "3 of 2, 1 of 1.01, 1 of 4 seconds"
    assert not re.search(r"\d m?s\b", text), "no absolute times"
    replace_in(saved(tmp_path, benchmarks()), page)
    assert page.read_text() == text, "the second time changes nothing"


@pytest.mark.parametrize("text", ["# no comments\n", f"{into.END}\n{into.START}\n", f"{into.START}\n"])
def test_a_page_without_both_comments_is_refused_and_kept(tmp_path: Path, text: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(ValueError, match="expected a page with <!-- results"):
        replace_in(saved(tmp_path, benchmarks()), page)
    assert page.read_text() == text


def test_the_command_takes_no_other_output_beside_it(tmp_path: Path) -> None:
    arguments = ["report", str(saved(tmp_path, benchmarks())), "--into", "page.md", "--out", "x.html"]
    done = CliRunner().invoke(app.app, arguments)
    assert done.exit_code == 2


def test_the_page_of_the_documentation_has_both_comments() -> None:
    text = (Path(__file__).parents[2] / "docs" / "benchmarks.md").read_text("utf-8")
    assert text.count(into.START) == text.count(into.END) == 1
