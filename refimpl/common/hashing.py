"""Hashes of files and of refimpl's own code."""

import hashlib
from functools import cache
from pathlib import Path


def sha256(file: Path) -> str:
    """Return the hex sha256 of a file's bytes, without reading the whole file into memory."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@cache
def code_hash(version: str, *modules: str) -> str:
    """Return 16 hex digits that identify a version and the sources of these modules of refimpl, such as "bert".

    After a change in the modules that compute vectors, stored vectors are not reused.
    """
    root = Path(__file__).parent.parent
    digest = hashlib.sha256(version.encode())
    for module in modules:
        file = root / f"{module}.py"
        for source in [file] if file.is_file() else sorted((root / module).rglob("*.py")):
            digest.update(source.relative_to(root).as_posix().encode() + source.read_bytes())
    return digest.hexdigest()[:16]
