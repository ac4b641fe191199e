"""Atomic writes: a reader sees the old file or the new one, whole, also when the writing process is killed.

Every file that refimpl writes goes through this module; tests/common/test_writers.py fails for a writer that does not.
"""

import errno
import io
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from refimpl.common.inputs import is_piped
from refimpl.common.leftovers import lock, sweep, temporary_name

UNSUPPORTED = (errno.EACCES, errno.EINVAL, errno.ENOTSUP)
"""What systems report that cannot open a directory or flush one: Windows, some network file systems."""

ANOTHER = "or give another path"
REMEDIES = {
    errno.ENOSPC: f"free some disk space, {ANOTHER}",
    errno.EDQUOT: f"remove files of yours to get below the quota, {ANOTHER}",
    errno.EFBIG: f"raise the limit of a file's size (ulimit -f), {ANOTHER}",
    errno.EROFS: "the disk is read-only, give another path",
    errno.EACCES: f"get the permission to write there, {ANOTHER}",
    errno.EPERM: f"get the permission to write there, {ANOTHER}",
    errno.ENAMETOOLONG: "give a shorter name",
}


def write_atomically(path: Path, content: bytes | str) -> None:
    """Replace the file `path` by `content` in one step; a str is written as UTF-8, its line ends unchanged.

    A pipe or device, such as /dev/stdout, is written to instead. Raises as `open_atomically`.
    """
    data = content.encode() if isinstance(content, str) else content
    if is_piped(path):
        try:
            path.write_bytes(data)
        except OSError as error:
            raise _named(error, path) from error
        return
    with open_atomically(path) as stream:
        stream.write(data)


@contextmanager
def open_atomically(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path` for writing bytes, and rename it to `path` at the end of the block.

    File and directory are flushed to the disk. Where the block raises, `path` is unchanged and the temporary file is
    removed; the next write in the same directory removes those of killed processes. The new file has the permissions
    of the old one. A symbolic link at `path` is replaced, not followed.

    Parameters
    ----------
    path
        The file to create or replace; its directory must exist.

    Yields
    ------
    BinaryIO
        The temporary file, which can be read and sought too. Its name is unpredictable, and it is created by this call.

    Raises
    ------
    FileNotFoundError
        If the directory does not exist.
    IsADirectoryError
        If `path` is a directory.
    ValueError
        If `path` is a pipe or device.
    PermissionError
        If the directory is read-only, or on Windows if `path` is open.
    OSError
        With the path and a remedy, if the disk or a quota is full, or a write fails otherwise.
    """
    check_writable(path)
    sweep(path.parent)
    try:
        raw = _temporary(path)
    except OSError as error:
        raise _named(error, path) from error
    temporary = Path(str(raw.name))
    stream = io.BufferedRandom(raw)
    try:
        yield stream
        stream.flush()
        _finish(raw, temporary, path)
    except BaseException:
        with suppress(OSError):  # closing writes what is in the buffer, which may fail as the write before did
            stream.close()
        with suppress(OSError):
            raw.close()
        with suppress(OSError):
            temporary.unlink()
        raise
    stream.close()
    _flush_directory(path.parent)


@contextmanager
def folder_atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`, and rename it to `path`, absent or empty, at the end of the block.

    Where the block raises, `path` is unchanged and the temporary folder is removed; the next write in the same
    directory removes those of killed processes.

    Raises
    ------
    OSError
        With the path and a remedy, if the folder cannot be created or renamed.
    """
    sweep(path.parent)
    temporary = path.with_name(temporary_name(path.name))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir()
        descriptor = os.open(temporary, os.O_RDONLY) if os.name != "nt" else None
    except OSError as error:
        raise _named(error, path) from error
    try:
        if descriptor is not None:
            lock(descriptor)
        yield temporary
        try:
            if path.is_dir():
                path.rmdir()
            temporary.rename(path)
            _flush_directory(path.parent)
        except OSError as error:
            raise _named(error, path) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if descriptor is not None:
            os.close(descriptor)


def check_writable(path: Path) -> None:
    """Raise the error that `open_atomically` would raise for this path, before the work whose result it will have."""
    if path.is_dir():
        raise IsADirectoryError(f"expected the path of a file, got the folder {path}: give a file name")
    if is_piped(path):
        raise ValueError(f"expected a regular file to write, got {path}: give the path of a file")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"expected an existing folder for {path.name}, got {path.parent}: create it first")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        number = errno.EROFS if _is_read_only(path.parent) else errno.EACCES
        raise _named(OSError(number, os.strerror(number)), path)


def _is_read_only(folder: Path) -> bool:
    return hasattr(os, "statvfs") and bool(os.statvfs(folder).f_flag & os.ST_RDONLY)


def check_output(path: Path) -> None:
    """Create the missing folders of an output file, or raise what `write_atomically` would raise for it."""
    if is_piped(path):
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _named(error, path) from error
    check_writable(path)


class _TemporaryFile(io.FileIO):
    """A file whose failed writes name the file that it will become."""

    def __init__(self, temporary: Path, path: Path) -> None:
        super().__init__(str(temporary), "x+")
        self._path = path

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise _named(error, self._path) from error


def _temporary(path: Path) -> _TemporaryFile:
    """Create the temporary file, with the permissions of the file that it will replace."""
    mode = path.lstat().st_mode if path.is_file() and not path.is_symlink() else None
    while True:
        raw = _TemporaryFile(path.with_name(temporary_name(path.name)), path)
        if mode is not None:
            os.chmod(raw.fileno() if os.chmod in os.supports_fd else str(raw.name), stat.S_IMODE(mode))
        if lock(raw.fileno()):
            return raw
        raw.close()  # swept by another process between creation and lock


def _finish(raw: _TemporaryFile, temporary: Path, path: Path) -> None:
    """Flush the file to the disk and rename it, locked until then; Windows renames closed files only."""
    try:
        os.fsync(raw.fileno())
        if os.name == "nt":
            raw.close()
        temporary.replace(path)
    except PermissionError as error:
        raise PermissionError(
            f"{path} cannot be replaced ({error.strerror}): Windows refuses that for a file that is open or "
            "memory-mapped, such as a loaded index; close it, or give another path"
        ) from error
    except OSError as error:
        raise _named(error, path) from error


def _named(error: OSError, path: Path) -> OSError:
    """An error of the same class and number, whose message names the file and a remedy."""
    reason = error.strerror or str(error) or type(error).__name__
    remedy = REMEDIES.get(error.errno or 0, "give another path")
    kept = ", and its old content is unchanged" if path.is_file() else ""
    named = type(error)(f"{path} cannot be written ({reason}){kept}: {remedy}")
    named.errno = error.errno
    return named


def _flush_directory(directory: Path) -> None:
    """Make a rename in `directory` survive a power failure, on systems that can."""
    try:
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
