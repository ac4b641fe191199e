"""docs/oracle.md: its files are written and its commands run in order, with the stated exit status and output."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
BLOCKS = [
    (language, attributes.strip(), body)
    for language, attributes, body in BLOCK.findall((ROOT / "docs/oracle.md").read_text())
]
PLUGIN = f'"{sys.executable}" -m pytest -p no:cacheprovider'


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("docs-oracle")


def shell(command: str, url: str) -> str:
    command = command.replace("http://127.0.0.1:8080", url)
    command = command.replace("python foreign.py", f'"{sys.executable}" foreign.py')  # quoted for paths with spaces
    command = re.sub(r"^refimpl ", f'"{sys.executable}" -m refimpl ', command)
    return re.sub(r"^pytest ", f"{PLUGIN} ", command)


def test_every_block_is_run(folder: Path, docs_url: str) -> None:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{folder}", "COLUMNS": "200"}
    done, run = None, 0
    for language, attributes, body in BLOCKS:
        if language == "python" and attributes.startswith("file="):
            (folder / attributes.removeprefix("file=")).write_text(body)
        elif language == "python":
            assert attributes == "run"
            subprocess.run([sys.executable, "-c", body], cwd=folder, env=environment, check=True)
        elif language == "sh" and body.startswith("pip install"):
            assert "check = [" in (ROOT / "pyproject.toml").read_text()
        elif language == "sh":
            done = subprocess.run(
                shell(body, docs_url),
                shell=True,
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert f"exit={done.returncode}" == attributes, f"{body}{done.stdout}{done.stderr}"
            run += 1
        else:
            assert (language, attributes) == ("text", "contains")
            assert done is not None
            missing = [line for line in body.splitlines() if line not in " ".join(done.stdout.split())]
            assert missing == [], done.stdout
    assert run == 10
    assert (folder / "outcome.html").is_file()
    assert (folder / "vectors" / "rerank" / "model" / "config.json").is_file()


@pytest.fixture(scope="module")
def docs_url(folder: Path):
    """`refimpl serve`, as the page has it."""
    command = [sys.executable, "-m", "refimpl", "serve", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().split()[0]
        server.terminate()
