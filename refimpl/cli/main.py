"""The command line's entry point: collects the commands and reports expected errors in one sentence, exit status 1."""

import errno
import io
import os
import sys
from importlib import import_module
from pathlib import Path

from refimpl.cli.app import app
from refimpl.common.resources import cache_dir
from refimpl.common.texts import visible

COMMANDS = (
    *("check", "encoder", "explain", "field", "identify", "models", "report", "reproduce", "retrieval", "serve"),
    *("sweep", "vectors"),
)


def write_any_text() -> None:
    """Make standard output and error accept every character: UTF-8 for files and pipes, escapes on a terminal.

    Python writes files and pipes in the locale's encoding (cp1252 on Windows), which lacks most of Unicode.
    PYTHONIOENCODING takes precedence.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            redirected = not stream.isatty() and not os.environ.get("PYTHONIOENCODING")
            stream.reconfigure(encoding="utf-8" if redirected else None, errors="backslashreplace")


def main() -> None:
    """Run `refimpl`; an error that a user can fix is printed as one sentence, without a traceback."""
    for module in COMMANDS:  # importing one registers its commands
        import_module(f"refimpl.cli.{module}")

    write_any_text()
    try:
        app()
    except (ValueError, TypeError, OSError, LookupError, ImportError) as error:
        print(f"refimpl: {visible(str(error))}{_remedy(error)}", file=sys.stderr)
        sys.exit(1)


def _remedy(error: Exception) -> str:
    """What to do where the cache's folder is closed to this user or on a read-only disk; else nothing."""
    if not isinstance(error, OSError) or error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
        return ""
    cache, file = cache_dir(), Path(str(error.filename))
    inside = file.is_relative_to(cache) or cache.is_relative_to(file) or str(cache) in str(error)
    return ": set REFIMPL_CACHE to a folder that you can write" if inside else ""
