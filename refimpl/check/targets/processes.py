"""A command's process with all its descendants: each inherits a marker in its environment, and ends with the run."""

import contextlib
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

MARKER = "REFIMPL_CHECK_RUN"
PASSES = 50  # a process may start another one while it is being killed
PAUSE_S = 0.02


def new_marker() -> str:
    """Return an unpredictable value of the environment variable MARKER."""
    return secrets.token_hex(16)


def kill_tree(process: "subprocess.Popen[bytes]") -> None:
    """Kill the process with its session, or on Windows with its descendants (taskkill), and wait for it."""
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            taskkill = ["taskkill", "/F", "/T", "/PID", str(process.pid)]
            subprocess.run(taskkill, capture_output=True, check=False)
    with contextlib.suppress(OSError):
        process.kill()
    process.wait()


def kill_marked(marker: str) -> None:
    """Kill every process with this marker, also those that left the session, until there is none.

    Does nothing where processes' environments are not visible: not on Linux, and psutil not installed.
    """
    for _ in range(PASSES):
        pids = list(_marked(marker))
        if not pids:
            return
        for pid in pids:
            with contextlib.suppress(OSError):
                os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))
        time.sleep(PAUSE_S)


def work_of(marker: str) -> tuple[int, bool]:
    """The processor's time of the processes with this marker, in ticks, and whether one waits for it or for a disk.

    0 and False where processes' environments are not visible: not on Linux.
    """
    used, waiting = 0, False
    for pid in _marked(marker) if Path("/proc/self/stat").exists() else ():
        with contextlib.suppress(OSError):
            fields = (Path("/proc") / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
            used += int(fields[11]) + int(fields[12])  # utime and stime; the name, in parentheses, may have blanks
            waiting |= fields[0] in "RD"
    return used, waiting


def _marked(marker: str) -> Iterator[int]:
    entry = f"{MARKER}={marker}"
    if Path("/proc/self/environ").exists():
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if entry.encode() in (folder / "environ").read_bytes().split(b"\0"):
                    yield int(folder.name)
        return
    try:
        import psutil
    except ModuleNotFoundError:
        return
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARKER) == marker:
                yield process.pid


@contextlib.contextmanager
def exit_at_signals() -> Iterator[None]:
    """Raise SystemExit at SIGTERM and SIGHUP in the block, so that what it started ends with it.

    For a program's main thread. A signal that is ignored, as SIGHUP by nohup, or handled already, is left alone.
    """

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    signals = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    replaced = [number for number in signals if signal.getsignal(number) is signal.SIG_DFL]
    for number in replaced:
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number in replaced:
            signal.signal(number, signal.SIG_DFL)
