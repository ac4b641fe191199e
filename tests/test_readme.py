"""What README.md and docs/commands.md show is executed: examples, `refimpl` commands, `make` targets (dry run)."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS_PAGE = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README + COMMANDS_PAGE, flags=re.DOTALL | re.MULTILINE)
EXAMPLES = re.findall(r"^```python\n(.*?)^```\n```text\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)
COMMANDS = [line.split("#")[0].strip() for language, block in BLOCKS if language == "sh" for line in block.splitlines()]
BY_HAND = ("python3 -m venv ", ".venv/bin/")  # what `make demo` does
ELSEWHERE = (
    "refimpl demo",
    "refimpl run --dataset beir:",
    "refimpl reproduce",
)  # executed by CI; they need collections that are not part of the repository


def test_it_is_short_and_has_an_example_with_its_output_for_each_reader():
    assert len(README.splitlines()) < 120
    assert len(EXAMPLES) == 3
    assert all(len(code.splitlines()) <= 18 for code, _ in EXAMPLES)
    assert len(COMMANDS) >= 8


@pytest.mark.parametrize(("code", "output"), EXAMPLES, ids=["checker", "measurer", "learner"])
def test_an_example_prints_what_stands_below_it(code, output):
    done = subprocess.run([sys.executable, "-"], input=code, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout == output


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("make ")])
def test_make_targets_exist(command):
    done = subprocess.run([*command.split(), "--dry-run"], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_the_commands_without_make_are_those_that_make_runs(tmp_path):
    for file in ("Makefile", "pyproject.toml", "requirements"):
        (tmp_path / file).symlink_to(ROOT / file)
    make = ["make", "--dry-run", "PYTHON=python3", "demo"]
    done = subprocess.run(make, cwd=tmp_path, capture_output=True, text=True, check=True)
    dry = done.stdout.replace(" --disable-pip-version-check", "").replace(" --quiet", "")
    by_hand = [command for command in COMMANDS if command.startswith(BY_HAND)]
    assert len(by_hand) == 4
    assert [command for command in by_hand if command not in dry] == []


@pytest.fixture(scope="module")
def scratch(tmp_path_factory) -> Path:
    """A folder for the commands' files, with the texts that the README embeds and the function that it checks."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "texts.txt").write_text("one\ntwo\n")
    (folder / "mine.py").write_text(
        "from refimpl import MiniLMEmbeddingFunction\nencode = MiniLMEmbeddingFunction().encode_documents\n"
        "from bm25_zoo import Zoo\nscores = Zoo({'idf': 'base 10', 'query': 'set'})\n"
    )
    return folder


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("refimpl ") and not c.startswith(ELSEWHERE)])
def test_commands_run(command, scratch):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests" / "helpers")])}
    shell = command.replace("refimpl ", f'"{sys.executable}" -m refimpl ', 1)
    done = subprocess.run(shell, shell=True, capture_output=True, text=True, check=False, cwd=scratch, env=environment)
    assert done.returncode == 0, done.stderr


def test_every_command_is_run_by_one_of_the_tests_above():
    unknown = [c for c in COMMANDS if c and not c.startswith(("make ", "refimpl ", "pytest ", "pip install", *BY_HAND))]
    assert unknown == []


def test_every_path_in_the_map_exists():
    listed = re.search(r"^## Map\n\n```text\n(.*?)^```", CONTRIBUTING, flags=re.DOTALL | re.MULTILINE).group(1)
    paths = [line.split()[0] for line in listed.splitlines() if line.strip()]
    assert len(paths) > 15
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_tests_have_one_folder_per_package_as_the_map_says():
    assert re.search(
        r"^tests +one folder per package of refimpl, one file per topic$", CONTRIBUTING, flags=re.MULTILINE
    )
    packages = {file.parent.name for file in (ROOT / "refimpl").glob("*/__init__.py")}
    folders = {file.parent.name for file in (ROOT / "tests").glob("*/*.py")}
    tested = {file.relative_to(ROOT / "tests").parts[0] for file in (ROOT / "tests").glob("*/**/test_*.py")}
    assert packages <= tested
    assert folders - packages == {"attack", "bench", "compat", "docs", "helpers"}
