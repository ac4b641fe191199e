"""Milvus Lite's folder on disk: where it is, and what a killed process leaves in it."""

import shutil
from pathlib import Path

from refimpl.search.file_locks import writable_folder


def lite_path(uri: str) -> Path:
    """Return the absolute path of a Milvus Lite folder; OSError where its parent is not writable."""
    path = Path(uri).expanduser().resolve()
    writable_folder(path.parent, "give another --out, or a writable --uri")
    return path


def discard_unfinished(path: Path, collection: str) -> None:
    """Delete the folder of a collection whose creation was killed before its schema was written: it has no documents.

    Milvus Lite 3 does not list such a collection and refuses to create it. Call only while this process holds the lock
    of `path`, which every client does.
    """
    folder = path / "collections" / collection
    if folder.is_dir() and {file.name for file in folder.iterdir()} <= {"schema.json.tmp"}:
        shutil.rmtree(folder)
