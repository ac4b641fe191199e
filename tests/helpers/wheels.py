"""Downloads of wheels that contain models, for tests that are run by hand."""

import subprocess
import sys
from pathlib import Path


def download(folder: Path, *requirements: str) -> list[Path]:
    """Download the wheels of `requirements`, without dependencies, into `folder` and return them by name."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), *requirements]
    subprocess.run(command, check=True)
    return sorted(folder.glob("*.whl"))
