"""Everything that README.md shows is run: its Python, its `refimpl` commands, and its `make` targets (dry)."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)
PYTHON = [block for language, block in BLOCKS if language == "python"]
COMMANDS = [line.split("#")[0].strip() for language, block in BLOCKS if language == "sh" for line in block.splitlines()]
ELSEWHERE = ("refimpl demo", "refimpl run --dataset beir:")  # run by CI itself; need collections that are not ours


def test_there_is_something_to_run():
    assert len(PYTHON) >= 2
    assert len(COMMANDS) >= 8


@pytest.mark.parametrize("block", PYTHON, ids=range(len(PYTHON)))
def test_python_runs_and_prints_what_the_readme_says(block):
    done = subprocess.run([sys.executable, "-"], input=block, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    said = re.findall(r"print\(.*\)  # (.*)", block)
    assert done.stdout.splitlines() == said


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("make ")])
def test_make_targets_exist(command):
    done = subprocess.run([*command.split(), "--dry-run"], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def scratch(tmp_path_factory) -> Path:
    """A folder for the commands' files, with the texts that the README embeds and the function that it checks."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "texts.txt").write_text("one\ntwo\n")
    (folder / "mine.py").write_text(
        "from refimpl import MiniLMEmbeddingFunction\nencode = MiniLMEmbeddingFunction().encode_documents\n"
    )
    return folder


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("refimpl ") and not c.startswith(ELSEWHERE)])
def test_commands_run(command, scratch):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    shell = command.replace("refimpl ", f'"{sys.executable}" -m refimpl ', 1)
    done = subprocess.run(shell, shell=True, capture_output=True, text=True, check=False, cwd=scratch, env=environment)
    assert done.returncode == 0, done.stderr


def test_every_command_is_run_by_one_of_the_tests_above():
    unknown = [c for c in COMMANDS if c and not c.startswith(("make ", "refimpl ", "pytest ", "pip install"))]
    assert unknown == []


def test_every_path_in_the_map_exists():
    listed = re.search(r"^```text\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE).group(1)
    paths = [line.split()[0] for line in listed.splitlines() if line.strip()]
    assert len(paths) > 15
    assert [path for path in paths if not (ROOT / path).exists()] == []
