"""Folders that must be writable, one run per folder, and the processes that have a file open."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

RUN_LOCK = ".refimpl-run.lock"


class InUseError(OSError):
    """Another process uses the folder or file; the message names the process where the system shows it."""


def writable_folder(folder: Path, remedy: str) -> Path:
    """Create `folder` and its parents where missing; OSError, ending in `remedy`, where it is not writable."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(None, "no permission to write")
    except OSError as error:
        reason = "it is a file" if folder.is_file() else error.strerror
        raise OSError(f"expected a writable folder, got {folder} ({reason}): {remedy}") from error
    return folder


@contextmanager
def exclusive_run(out: Path) -> Iterator[None]:
    """Create the folder `out` and lock it against other runs; InUseError where another run has locked it."""
    from filelock import FileLock, Timeout

    lock = FileLock(writable_folder(out, "give another --out") / RUN_LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        process = name_process(out / RUN_LOCK)
        raise InUseError(
            f"expected {out} to be free, but {process} runs in it: wait until it ends, or give another --out"
        ) from None
    try:
        yield
    finally:
        lock.release()


def name_process(file: Path) -> str:
    """`process N` for another process that has `file` open, or `another process` where none is visible."""
    pids = [pid for pid in pids_with_open(file) if pid != os.getpid()]
    return f"process {pids[0]}" if pids else "another process"


def pids_with_open(file: Path) -> list[int]:
    """Ids, ascending, of the processes that have `file` open, as far as Linux' /proc shows them to this user."""
    path = str(file.expanduser().resolve())
    pids = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if any(os.readlink(descriptor) == path for descriptor in os.scandir(folder / "fd")):
                pids.append(int(folder.name))
        except OSError:  # the process has ended, or belongs to another user
            continue
    return sorted(pids)
