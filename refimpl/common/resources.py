"""Paths of refimpl's own files: the data shipped with the package, and the user's cache."""

import hashlib
import os
import re
from pathlib import Path

FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f]')  # in a file's name on Windows
DEVICES = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?", re.IGNORECASE)
LONGEST_NAME = 60  # characters of at most 4 bytes; file systems allow 255 bytes, extension included


def data_path(name: str) -> Path:
    """Return folder `name` of the shipped data: in an installed package, or in `data/` of a checkout.

    Raises FileNotFoundError if it is in neither.
    """
    package = Path(__file__).parent.parent
    for folder in (package / "data" / name, package.parent / "data" / name):
        if folder.exists():
            return folder
    raise FileNotFoundError(
        f"refimpl's data folder {name!r} is missing: reinstall refimpl, or run from a whole checkout"
    )


def cache_dir() -> Path:
    """Return the folder for downloaded models and computed embeddings, which need not exist.

    It is `REFIMPL_CACHE`, else `refimpl` in the user's cache: XDG_CACHE_HOME, else LOCALAPPDATA on Windows and ~/.cache
    on other systems.
    """
    if configured := os.environ.get("REFIMPL_CACHE"):
        return Path(configured).expanduser()
    usual = os.environ.get("LOCALAPPDATA") or "~/AppData/Local" if os.name == "nt" else "~/.cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or usual).expanduser() / "refimpl"


def file_name(name: str) -> str:
    """Return `name` in a form that is valid on every file system, without an extension of its own.

    Characters that Windows forbids become "_". A name that differs from `name` ends in 8 hex digits of its sha256, so
    that different names remain different files.
    """
    valid = FORBIDDEN.sub("_", name).rstrip(". ")[:LONGEST_NAME]
    if DEVICES.fullmatch(valid):
        valid = f"_{valid}"
    if valid == name and valid:
        return name
    return f"{valid}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
