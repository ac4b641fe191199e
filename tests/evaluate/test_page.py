"""docs/evaluation.md: its Python runs, and its options are those of the command."""

import re
from pathlib import Path

from typer.main import get_command

from refimpl.cli.retrieval import app

PAGE = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text(encoding="utf-8")


def test_the_python_of_the_page_runs():
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert code.count("assert") == 2
    exec(compile(code, "docs/evaluation.md", "exec"), {})


def test_the_options_of_the_page_are_those_of_the_command():
    shown = {option for each in get_command(app).commands["run"].params for option in each.opts}
    options = set(re.findall(r"`?(--[a-z-]+)", PAGE.split("## Queries")[0])) - {"--suite", "--what"}
    assert len(options) == 4, options
    assert [option for option in options if option not in shown] == []
