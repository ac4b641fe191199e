"""docs/identify.md: its file is written, its command run, with the stated exit status and output."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from refimpl.identify import idf_forms, implementations, reference, tokens, writing

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "identify.md").read_text(encoding="utf-8")


BLOCKS = re.findall(r"^```(\w+) ([^\n]+)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def test_the_commands_print_what_the_page_shows(tmp_path):
    done, run = None, 0
    for language, attributes, body in BLOCKS:
        if language == "python":
            (tmp_path / attributes.removeprefix("file=")).write_text(body, encoding="utf-8")
        elif language == "sh":
            done = subprocess.run(
                [sys.executable, "-m", *body.split()],
                cwd=tmp_path,
                env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"},
                capture_output=True,
                text=True,
                check=False,
            )
            assert f"exit={done.returncode}" == attributes, done.stderr
            run += 1
        else:
            assert done is not None
            printed = " ".join(done.stdout.split())
            assert [line for line in body.splitlines() if line not in printed] == [], done.stdout
    assert run == 4
    written = json.loads((tmp_path / "identified.json").read_text(encoding="utf-8"))
    assert written["confirmed"] is True
    assert {factor["name"]: factor["value"] for factor in written["factors"]}[
        "length normalisation"
    ] == "distinct terms"


def test_the_page_counts_what_there_is():
    assert f"{len(idf_forms.LOGS)} logarithms" in PAGE
    assert f"{len(tokens.PAIRS) + len(tokens.PARTS) + len(tokens.WHOLES) + 1} written forms" in PAGE
    assert f"{len(reference.PREFIXES)} documented prefixes" in PAGE
    assert f"| {len(writing.FORMS) + 1}, each compared" in PAGE
    number = re.search(r"nearest of (\d+) published ones", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert number is not None
    assert len(implementations()) == int(number[1]) >= 40
