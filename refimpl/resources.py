"""Where refimpl's own files live: the data that comes with the package, and the user's cache."""

import os
from pathlib import Path


def data_path(name: str) -> Path:
    """Folder `name` of the shipped data: inside an installed package, or `data/` of a checkout.

    Raises FileNotFoundError when neither holds it.
    """
    package = Path(__file__).parent
    for folder in (package / "data" / name, package.parent / "data" / name):
        if folder.exists():
            return folder
    raise FileNotFoundError(
        f"refimpl's data folder {name!r} is missing: reinstall refimpl, or run from a whole checkout"
    )


def cache_dir() -> Path:
    """Folder for downloaded models and computed embeddings: `REFIMPL_CACHE`, else the XDG cache."""
    if chosen := os.environ.get("REFIMPL_CACHE"):
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "refimpl"
