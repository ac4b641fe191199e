"""A started command: lines are written to it, and its answers read, once or several times."""

import contextlib
import signal
import subprocess
import threading
import time
from typing import IO

from refimpl.check.targets.base import TargetError, TargetTimeoutError
from refimpl.check.targets.processes import kill_marked, kill_tree, work_of
from refimpl.common.texts import visible

IDLE_S = 1.0  # without output and without work, after which a command waits for the end of its input
SHOWN = 400
PAUSE_S = 0.02
MOST_ERRORS = 1 << 20


class Conversation:
    """A process that answers lines.

    Parameters
    ----------
    process
        With pipes for standard input, output and error.
    marker
        That of its environment, which its descendants inherit.
    max_bytes
        Of standard output, beyond which it is killed.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", marker: str, max_bytes: int) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._process, self._marker, self._max_bytes = process, marker, max_bytes
        self._stdin = process.stdin
        self._out = Reader(process.stdout, max_bytes, process)
        self._err = Reader(process.stderr, MOST_ERRORS, None)
        self.reads_to_end = False
        """Whether it answers only once its input has ended."""

    def exchange(self, data: bytes, lines: int, timeout_s: float, *, end: bool) -> tuple[bytes, bool]:
        """Write `data`, and return what it wrote for it, `lines` lines or more, and whether it has ended.

        Its input is ended at once if `end`; else where it does nothing, since it may wait for that. Raises TargetError
        for a status other than 0, and for more than `max_bytes` of output; TargetTimeoutError after `timeout_s`.
        """
        writer = threading.Thread(target=_write, args=(self._stdin, data, end), daemon=True)
        writer.start()
        deadline = time.monotonic() + timeout_s
        quiet = _Quiet()
        while self._process.poll() is None:
            if time.monotonic() > deadline:
                self.kill()
                message = f"the command did not end within {timeout_s:g} s and was killed{self.errors()}"
                raise TargetTimeoutError(message)
            if not end and self._out.lines >= lines:
                return self._out.taken(), False
            if not end and quiet.lasts(self._marker, writer.is_alive(), self._out.size):
                end = self.reads_to_end = True
                with contextlib.suppress(OSError):
                    self._stdin.close()
            time.sleep(PAUSE_S)
        return self._rest(), True

    @property
    def pending(self) -> bool:
        """Whether it has written more than was taken."""
        return bool(self._out.so_far().strip())

    def _rest(self) -> bytes:
        """The output of an ended process."""
        self.kill()  # its children too: they may have the pipes open
        written = self._out.whole()
        if self._out.overflowed:
            raise TargetError(f"the command wrote over {self._max_bytes} bytes and was killed{self.errors()}")
        if status := self._process.returncode:
            raise TargetError(f"the command {ended(status)}{self.errors()}")
        return written

    def kill(self) -> None:
        """Kill the process with all its descendants."""
        kill_tree(self._process)
        kill_marked(self._marker)

    def errors(self) -> str:
        """The first and the last part of the standard error: a cause is in the one or in the other."""
        written = self._err.whole() if self._process.poll() is not None else self._err.so_far()
        text = visible(written.decode("utf-8", errors="replace").strip())
        if not text:
            return "; it wrote nothing on standard error"
        if len(text) <= 2 * SHOWN:
            return f"; its standard error: {text}"
        return f"; its standard error begins: {text[:SHOWN]}\n... and ends: {text[-SHOWN:]}"


class _Quiet:
    """For how long a command has done nothing: its processes' work is looked up a few times a second."""

    def __init__(self) -> None:
        self._state: object = None
        self._since = self._looked = time.monotonic()

    def lasts(self, marker: str, reading: bool, written: int) -> bool:
        """Whether it has neither read, written nor worked for `IDLE_S`."""
        now = time.monotonic()
        if now - self._looked > IDLE_S / 4:
            self._looked = now
            used, waiting = work_of(marker)
            state = (used, written)
            if waiting or reading or state != self._state:
                self._state, self._since = state, now
        return now - self._since > IDLE_S


class Reader:
    """Reads a pipe to its end in a thread, keeps at most `most` bytes, and kills `process` when there are more."""

    def __init__(self, stream: IO[bytes], most: int, process: "subprocess.Popen[bytes] | None") -> None:
        self.overflowed = False
        self.size = 0
        self.lines = 0
        """Number of whole lines that are not blank, and not taken yet."""
        self._kept = bytearray()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._read, args=(stream, most, process), daemon=True)
        self._thread.start()

    def whole(self) -> bytes:
        """Return all bytes kept and not taken, once the pipe has ended (or seconds after the process has)."""
        self._thread.join(5.0)
        return self.so_far()

    def so_far(self) -> bytes:
        """Return the bytes kept and not taken."""
        with self._lock:
            return bytes(self._kept)

    def taken(self) -> bytes:
        """Return the bytes kept, and forget them."""
        with self._lock:
            taken = bytes(self._kept)
            self._kept.clear()
            self.lines = 0
            return taken

    def _read(self, stream: IO[bytes], most: int, process: "subprocess.Popen[bytes] | None") -> None:
        with contextlib.suppress(ValueError, OSError):
            while part := stream.read1(1 << 16):  # type: ignore[attr-defined]  # a pipe's reader is buffered
                self.size += len(part)
                with self._lock:
                    full = len(self._kept) + len(part) > most
                    if not full:
                        self._add(part)
                self.overflowed |= full
                if full and process is not None:
                    kill_tree(process)
                    return

    def _add(self, part: bytes) -> None:
        begun = self._kept.rfind(b"\n") + 1
        self._kept += part
        end = self._kept.rfind(b"\n")
        if end >= begun:
            self.lines += sum(bool(line.strip()) for line in self._kept[begun:end].split(b"\n"))


def _write(stream: IO[bytes], data: bytes, end: bool) -> None:
    with contextlib.suppress(OSError, ValueError):  # a command may end before it has read everything
        stream.write(data)
        stream.flush()
        if end:
            stream.close()


def ended(status: int) -> str:
    """How a process ended with a status other than 0."""
    return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
