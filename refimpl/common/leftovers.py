"""Temporary files and folders that a killed process left behind: names, locks that end with their process, removal."""

import os
import re
import secrets
import shutil
import stat
import time
from contextlib import suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, where an open file cannot be removed
    fcntl = None  # type: ignore[assignment]

LEFTOVER = re.compile(r"\..*\.[0-9a-f]{16}\.partial", re.DOTALL)
UNLOCKED_AGE_S = 24 * 3600.0
"""Where the system has no locks, a leftover is removed only when it is older than this."""


def temporary_name(name: str) -> str:
    """Return an unpredictable name, for a file or folder beside the one called `name`, that `sweep` recognises."""
    return f".{name[:40]}.{secrets.token_hex(8)}.partial"


def lock(descriptor: int) -> bool:
    """Lock an open temporary file or folder until its process ends or closes it; False where it was swept before."""
    if fcntl is not None:
        with suppress(OSError):  # a file system without locks: `sweep` cannot lock it either, and leaves it
            fcntl.flock(descriptor, fcntl.LOCK_EX)
    return os.name == "nt" or os.fstat(descriptor).st_nlink > 0


def sweep(folder: Path) -> None:
    """Remove the temporary files and folders in `folder` that no process has locked; never raises, follows no link."""
    try:
        names = [name for name in os.listdir(folder) if LEFTOVER.fullmatch(name)]
    except OSError:
        return
    for name in names:
        with suppress(OSError):
            _remove_abandoned(folder / name)


def _remove_abandoned(path: Path) -> None:
    """Remove `path` while it is locked, so that no process can begin to use it; OSError where another one does."""
    kind = path.lstat().st_mode
    if os.name == "nt":
        if time.time() - path.lstat().st_mtime > UNLOCKED_AGE_S:
            _remove(path)
    elif stat.S_ISREG(kind) or stat.S_ISDIR(kind):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(path)
        finally:
            os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
