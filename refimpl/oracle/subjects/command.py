"""A command of any language: JSON lines in on standard input, JSON lines out on standard output."""

import contextlib
import json
import os
import shlex
import signal
import subprocess
import threading
from collections.abc import Sequence
from typing import IO, Any

from refimpl.oracle.subjects.base import ALL_TASKS, AnswerError, SubjectError, Task, counted

MAX_BYTES = 256 << 20
SHOWN = 400


class CommandSubject:
    """Starts `command` once for each list of inputs, and kills it with its children after `timeout_s`.

    It gets one JSON value a line, and the task's name in the environment variable REFIMPL_TASK; it writes one JSON
    value a line, in the same order, and exits with status 0. Its standard error is shown when it fails.
    """

    traits = frozenset(
        (
            "again",
            "top_k",
        )
    )

    def __init__(self, command: str, timeout_s: float = 300.0, max_bytes: int = MAX_BYTES) -> None:
        self.name = command
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes
        try:
            self._arguments = shlex.split(command)
        except ValueError as error:
            raise SubjectError(f"the command cannot be read ({error}): {command!r}") from error
        if not self._arguments:
            raise SubjectError("the command is empty")

    def tasks(self) -> frozenset[str]:
        """All of them: REFIMPL_TASK tells the command which is asked."""
        return ALL_TASKS

    def ask(self, task: Task, inputs: Sequence[Any]) -> list[Any]:
        """What the command wrote for these inputs; SubjectError with its standard error, AnswerError for garbage."""
        data = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in inputs).encode()
        written, said = self._run(task, data)
        answers = [_json(line, number) for number, line in enumerate(written.splitlines(), 1) if line.strip()]
        try:
            return counted(answers, inputs, "the command")
        except AnswerError as error:
            raise AnswerError(f"{error}{_told(said)}") from None

    def _run(self, task: Task, data: bytes) -> tuple[bytes, bytes]:
        try:
            process = subprocess.Popen(
                self._arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, "REFIMPL_TASK": task},
                start_new_session=True,  # so that its children can be ended with it
            )
        except OSError as error:
            raise SubjectError(f"{self._arguments[0]!r} cannot be started: {error.strerror}") from error
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
        finally:
            _kill(process)
        written, said = out.whole(), err.whole()
        if late:
            raise SubjectError(f"the command did not end within {self._timeout_s:g} s and was killed{_told(said)}")
        if out.overflowed:
            raise SubjectError(f"the command wrote over {self._max_bytes} bytes and was killed{_told(said)}")
        if process.returncode:
            raise SubjectError(f"the command {_ended(process.returncode)}{_told(said)}")
        return written, said


class _Reader:
    """Reads a pipe to its end in a thread, keeping at most `most` bytes; kills `process` when there are more."""

    def __init__(self, stream: IO[bytes], most: int, process: "subprocess.Popen[bytes] | None") -> None:
        self.overflowed = False
        self._parts: list[bytes] = []
        self._thread = threading.Thread(target=self._read, args=(stream, most, process), daemon=True)
        self._thread.start()

    def whole(self) -> bytes:
        """All that was kept, once the pipe has ended (or seconds after the process has)."""
        self._thread.join(5.0)
        return b"".join(self._parts)

    def _read(self, stream: IO[bytes], most: int, process: "subprocess.Popen[bytes] | None") -> None:
        kept = 0
        with contextlib.suppress(ValueError, OSError):
            while part := stream.read1(1 << 16):  # type: ignore[attr-defined]  # a pipe's reader is buffered
                if kept + len(part) > most:
                    self.overflowed = True
                    if process is not None:
                        _kill(process)
                        return
                    continue
                kept += len(part)
                self._parts.append(part)


def _write(stream: IO[bytes], data: bytes) -> None:
    with contextlib.suppress(OSError):  # a command may end before it has read everything: its status then tells
        stream.write(data)
        stream.close()


def _kill(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _json(line: bytes, number: int) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        shown = line[:80].decode("utf-8", errors="replace")
        raise AnswerError(f"line {number} of the command's output is no JSON: {shown!r}") from None


def _ended(status: int) -> str:
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with status {status}"


def _told(stderr: bytes) -> str:
    text = stderr.decode("utf-8", errors="replace").strip()
    return f"; its standard error ends: {text[-SHOWN:]}" if text else "; it wrote nothing on standard error"
