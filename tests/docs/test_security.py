"""Every test that SECURITY.md names exists."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_tests_of_the_promises_exist():
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text)
    assert len(named) > 20
    for file, test in named:
        source = (ROOT / file).read_text(encoding="utf-8")
        assert f"def {test}(" in source if test else "def " in source, f"{file}::{test}"


def test_every_promise_names_a_test():
    promises = (ROOT / "SECURITY.md").read_text(encoding="utf-8").split("## What is promised")[1]
    rows = re.findall(r"^\| (.+) \| (.+) \|$", promises, re.MULTILINE)
    assert len(rows) > 15
    assert [promise for promise, tests in rows if promise != "promise" and "`tests/" not in tests] == []
