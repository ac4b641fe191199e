"""Hashes of files."""

import hashlib
from pathlib import Path


def sha256(file: Path) -> str:
    """Return the hex sha256 of a file's bytes, without reading the whole file into memory."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
