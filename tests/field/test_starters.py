"""The starters of docs/ci.md: built and run as the page has it, each passes the suite whose formula it computes."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from refimpl.check.result import Status
from refimpl.check.runner import check
from refimpl.check.suites.base import Settings
from refimpl.check.targets.command import CommandTarget
from refimpl.compare.tolerance import named

ROOT = Path(__file__).parents[2]
STARTERS = ROOT / "data" / "field" / "starters"
ROW = re.compile(r"^\| (\w+) \| `(\S+)` \| (?:`([^`]+)`)? ?\| `([^`]+)` \|$", re.MULTILINE)
ROWS = ROW.findall((ROOT / "docs" / "ci.md").read_text("utf-8"))
REPLACED = {  # one change of each source that is a mistake of its formula
    "Python": ("1 + (size - n + 0.5)", "(size - n + 0.5)"),
    "JavaScript": ("1 + (size - n + 0.5)", "(size - n + 0.5)"),
    "Go": ("1 + (size-df[term]+0.5)", "(size-df[term]+0.5)"),
    "Rust": ("1.0 + (size - n + 0.5)", "(size - n + 0.5)"),
    "Java": ("1 + (size - n + 0.5)", "(size - n + 0.5)"),
    "C": ("1 + (size - n + 0.5)", "(size - n + 0.5)"),
}


def test_the_page_has_every_starter():
    assert {file for _, file, _, _ in ROWS} == {file.name for file in STARTERS.iterdir() if file.is_file()}
    assert [language for language, _, _, _ in ROWS] == list(REPLACED)


def checked(folder, source, text, build, command):
    """The built starter as a target, and the result of the suite."""
    (folder / source).write_text(text, "utf-8")
    if build:
        subprocess.run(shlex.split(build), cwd=folder, check=True, capture_output=True, text=True)
    command = command.replace("./bm25", shlex.quote(str(folder / "bm25"))).replace(
        "java Bm25", f"java -cp {shlex.quote(str(folder))} Bm25"
    )
    command = command.replace("python ", f"{shlex.quote(sys.executable)} ").replace(
        source, shlex.quote(str(folder / source))
    )
    target = CommandTarget(command, 60.0)
    return target, check(target, ["bm25"], Settings(named("float32"), "lucene", False))


@pytest.mark.parametrize(("language", "source", "build", "command"), ROWS, ids=[row[0] for row in ROWS])
def test_a_starter_passes_and_its_mistaken_copy_does_not(language, source, build, command, tmp_path):
    for program in filter(None, (build.split(" ")[0], command.split(" ")[0])):
        if program not in ("python", "./bm25") and shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    text = (STARTERS / source).read_text("utf-8")
    target, result = checked(tmp_path, source, text, build, command)
    assert result.ok, result.summary()
    assert result.count(Status.passed) == 22
    escaped = {"corpus": ['a"b\\c/\t\n\x01é', "x"], "queries": ['a"b\\c/', "\x01é"], "k1": 1e-1, "b": 0}
    (rows,) = target.run("bm25", [escaped])
    # ln(1 + (2 - 1 + 0.5) / 1.5) / (1 + 0.1) = ln(2) / 1.1
    assert rows == [pytest.approx([0.6301338, 0.0]), pytest.approx([0.6301338, 0.0])]
    mistaken = text.replace(*REPLACED[language])
    assert mistaken != text
    assert not checked(tmp_path, source, mistaken, build, command)[1].ok
