"""A command in any language: JSON lines on standard input, JSON lines on standard output."""

import contextlib
import io
import json
import os
import re
import shlex
import signal
import subprocess
import threading
from collections.abc import Sequence
from typing import IO, Any

from refimpl.check.targets.base import ALL_TASKS, AnswerError, TargetError, TargetTimeoutError, Task
from refimpl.check.targets.processes import MARKER, kill_marked, kill_tree, new_marker
from refimpl.common.json_size import MAX_MEMORY, parsed_bytes
from refimpl.common.texts import visible

MAX_BYTES = 256 << 20
LONGEST_INTEGER = 300  # digits
SHOWN = 400


class CommandTarget:
    """Starts `command` once for each list of inputs; it ends with all its descendants, killed after `timeout_s`.

    It reads one JSON value per line, and the task's name in the environment variable REFIMPL_TASK; it writes one JSON
    value per line, in the same order, and exits with status 0. Its standard error is shown when it fails.
    """

    traits = frozenset({"any_input", "top_k"})

    def __init__(
        self, command: str, timeout_s: float = 300.0, max_bytes: int = MAX_BYTES, max_memory: int = MAX_MEMORY
    ) -> None:
        self.name = command
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes
        self._max_memory = max_memory
        try:
            self._arguments = split(command)
        except ValueError as error:
            raise TargetError(f"expected a command by the shell's rules, got {command!r}: {error}") from error
        if not self._arguments:
            raise TargetError("expected a command, got an empty one")

    def tasks(self) -> frozenset[str]:
        """All tasks: REFIMPL_TASK has the name of the one to run."""
        return ALL_TASKS

    def run(self, task: Task, inputs: Sequence[Any]) -> list[Any]:
        """Return what the command wrote; TargetError with its standard error, AnswerError for anything but JSON."""
        data = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in inputs).encode()
        written, stderr = self._execute(task, data)
        try:
            return _values(written, len(inputs), self._max_memory)
        except _NumberError as error:
            raise AnswerError(f"{error}{_shown(stderr)}") from None

    def _execute(self, task: Task, data: bytes) -> tuple[bytes, bytes]:
        marker = new_marker()
        try:
            process = self._start({**os.environ, "REFIMPL_TASK": task, MARKER: marker})
            try:
                written, stderr = self._exchange(process, data)
            except BaseException:  # SystemExit at a signal too
                kill_tree(process)
                raise
        finally:
            kill_marked(marker)
        if process.returncode:
            raise TargetError(f"the command {_ended(process.returncode)}{_shown(stderr)}")
        return written, stderr

    def _start(self, environment: dict[str, str]) -> "subprocess.Popen[bytes]":
        pipe = subprocess.PIPE
        try:
            return subprocess.Popen(
                self._arguments,
                stdin=pipe,
                stdout=pipe,
                stderr=pipe,
                env=environment,
                start_new_session=True,  # so that its children can be ended with it
            )
        except OSError as error:
            raise TargetError(f"{self._arguments[0]!r} cannot be started: {error.strerror}") from error

    def _exchange(self, process: "subprocess.Popen[bytes]", data: bytes) -> tuple[bytes, bytes]:
        """Send `data`, and return standard output and error once the process has ended."""
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        out, err = _Reader(process.stdout, self._max_bytes, process), _Reader(process.stderr, 1 << 20, None)
        threading.Thread(target=_write, args=(process.stdin, data), daemon=True).start()
        try:
            process.wait(self._timeout_s)
            late = False
        except subprocess.TimeoutExpired:
            late = True
        kill_tree(process)  # its children too: they may have the pipes open
        written, stderr = out.whole(), err.whole()
        if late:
            raise TargetTimeoutError(
                f"the command did not end within {self._timeout_s:g} s and was killed{_shown(stderr)}"
            )
        if out.overflowed:
            raise TargetError(f"the command wrote over {self._max_bytes} bytes and was killed{_shown(stderr)}")
        return written, stderr


class _Reader:
    """Reads a pipe to its end in a thread, keeps at most `most` bytes, and kills `process` when there are more."""

    def __init__(self, stream: IO[bytes], most: int, process: "subprocess.Popen[bytes] | None") -> None:
        self.overflowed = False
        self._parts: list[bytes] = []
        self._thread = threading.Thread(target=self._read, args=(stream, most, process), daemon=True)
        self._thread.start()

    def whole(self) -> bytes:
        """Return all bytes kept, once the pipe has ended (or seconds after the process has)."""
        self._thread.join(5.0)
        return b"".join(self._parts)

    def _read(self, stream: IO[bytes], most: int, process: "subprocess.Popen[bytes] | None") -> None:
        kept = 0
        with contextlib.suppress(ValueError, OSError):
            while part := stream.read1(1 << 16):  # type: ignore[attr-defined]  # a pipe's reader is buffered
                if kept + len(part) > most:
                    self.overflowed = True
                    if process is not None:
                        kill_tree(process)
                        return
                    continue
                kept += len(part)
                self._parts.append(part)


def _write(stream: IO[bytes], data: bytes) -> None:
    with contextlib.suppress(OSError):  # a command may end before it has read everything: its status is checked
        stream.write(data)
        stream.close()


def split(command: str, *, windows: bool = os.name == "nt") -> list[str]:
    """Split a command by the shell's rules; on Windows a backslash is part of a path, not an escape."""
    if not windows:
        return shlex.split(command)
    return [re.sub(r'^"(.*)"$', r"\1", argument) for argument in shlex.split(command, posix=False)]


class _NumberError(AnswerError):
    """Another number of answers than of inputs."""


def _values(written: bytes, inputs: int, max_memory: int) -> list[Any]:
    """Return the JSON value of each line that is not blank; stops at the first line too many, or too large."""
    values: list[Any] = []
    memory = 0
    for number, line in enumerate(io.BytesIO(written), 1):
        if not line.strip():
            continue
        memory += parsed_bytes(line)
        if memory > max_memory:
            raise AnswerError(
                f"line {number} of the command's output: expected answers that take at most {max_memory / 1e9:.3g} GB "
                f"of memory, got {memory / 1e9:.3g} GB: write only the answers"
            )
        value = _json(line.rstrip(b"\r\n"), number)
        if len(values) == inputs:
            raise _NumberError(f"expected {inputs} answers from the command, one per input in order, got more")
        values.append(value)
    if len(values) < inputs:
        raise _NumberError(f"expected {inputs} answers from the command, one per input in order, got {len(values)}")
    return values


def _json(line: bytes, number: int) -> Any:
    try:
        return json.loads(line, parse_int=_integer)
    except (ValueError, RecursionError):
        shown = line[:80].decode("utf-8", errors="replace")
        raise AnswerError(f"line {number} of the command's output: expected JSON, got {shown!r}") from None


def _integer(digits: str) -> int | float:
    """An int; a float, infinite if need be, for one beyond float64's range, which is wrong but JSON."""
    return int(digits) if len(digits) <= LONGEST_INTEGER else float(digits)


def _ended(status: int) -> str:
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with status {status}"


def _shown(stderr: bytes) -> str:
    """The first and the last part of the standard error: a cause is in the one or in the other."""
    text = visible(stderr.decode("utf-8", errors="replace").strip())
    if not text:
        return "; it wrote nothing on standard error"
    if len(text) <= 2 * SHOWN:
        return f"; its standard error: {text}"
    return f"; its standard error begins: {text[:SHOWN]}\n... and ends: {text[-SHOWN:]}"
