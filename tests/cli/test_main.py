"""The command line's root: `--version`, and a bare `refimpl`."""

import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import refimpl as package

ROOT = Path(__file__).parents[2]


def test_the_version_is_that_of_the_package_and_of_its_metadata():
    done = subprocess.run(
        [sys.executable, "-m", "refimpl", "--version"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"refimpl {package.__version__}\n", "")
    assert package.__version__ == version("refimpl")
    assert package.__version__ == tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
