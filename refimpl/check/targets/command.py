"""A command in any language: JSON lines on standard input, JSON lines on standard output."""

import io
import json
import os
import re
import shlex
import subprocess
import weakref
from collections.abc import Sequence
from typing import Any

from refimpl.check.targets.base import ALL_TASKS, AnswerError, TargetError, Task
from refimpl.check.targets.conversation import Conversation
from refimpl.check.targets.processes import MARKER, new_marker
from refimpl.common.json_size import MAX_MEMORY, parsed_bytes

MAX_BYTES = 256 << 20
LONGEST_INTEGER = 300  # digits


class CommandTarget:
    """Starts `command` once per task and sends it one list of inputs after another; `close` ends it.

    It reads one JSON value per line, and the task's name in the environment variable REFIMPL_TASK; it writes one JSON
    value per line, in the same order. A command that answers only at the end of its input, or ends by itself, is
    started again for each list, and must exit with status 0. With its descendants it is killed when a list takes longer
    than `timeout_s`. Its standard error is shown when it fails.
    """

    traits = frozenset({"any_input", "top_k"})

    def __init__(
        self, command: str, timeout_s: float = 300.0, max_bytes: int = MAX_BYTES, max_memory: int = MAX_MEMORY
    ) -> None:
        self.name = command
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes
        self._max_memory = max_memory
        self._running: dict[Task, Conversation] = {}
        self._reading_to_end: set[Task] = set()
        self._finalize = weakref.finalize(self, _kill_all, self._running)
        try:
            self._arguments = split(command)
        except ValueError as error:
            raise TargetError(f"expected a command by the shell's rules, got {command!r}: {error}") from error
        if not self._arguments:
            raise TargetError("expected a command, got an empty one")

    def tasks(self) -> frozenset[str]:
        """All tasks: REFIMPL_TASK has the name of the one to run."""
        return ALL_TASKS

    def close(self) -> None:
        """End the running processes."""
        _kill_all(self._running)

    def run(self, task: Task, inputs: Sequence[Any]) -> list[Any]:
        """Return what the command wrote; TargetError with its standard error, AnswerError for anything but JSON."""
        data = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in inputs).encode()
        running = self._running.pop(task, None)
        if running is not None and running.pending:
            running.kill()
            raise AnswerError("expected one answer per input of the call before, got more")
        if running is not None:
            written = self._exchanged(task, running, data, len(inputs))
            if written.strip() or task in self._running:
                return self._parsed(task, running, written, len(inputs))
            self._reading_to_end.add(task)  # it ended by itself after the call before
        started = self._start(task)
        return self._parsed(task, started, self._exchanged(task, started, data, len(inputs)), len(inputs))

    def _exchanged(self, task: Task, conversation: Conversation, data: bytes, lines: int) -> bytes:
        """What the command wrote; it is kept running unless it has ended."""
        ended = True
        try:
            written, ended = conversation.exchange(data, lines, self._timeout_s, end=task in self._reading_to_end)
        finally:
            if conversation.reads_to_end:
                self._reading_to_end.add(task)
            if ended:  # at SystemExit by a signal too
                conversation.kill()
        if not ended:
            self._running[task] = conversation
        return written

    def _parsed(self, task: Task, conversation: Conversation, written: bytes, inputs: int) -> list[Any]:
        """The answers; a command that wrote anything else is ended."""
        try:
            return _values(written, inputs, self._max_memory)
        except AnswerError as error:
            self._running.pop(task, None)
            conversation.kill()
            if isinstance(error, _NumberError):
                raise AnswerError(f"{error}{conversation.errors()}") from None
            raise

    def _start(self, task: Task) -> Conversation:
        pipe, marker = subprocess.PIPE, new_marker()
        try:
            process = subprocess.Popen(
                self._arguments,
                stdin=pipe,
                stdout=pipe,
                stderr=pipe,
                env={**os.environ, "REFIMPL_TASK": task, MARKER: marker},
                start_new_session=True,  # so that its children can be ended with it
            )
        except OSError as error:
            raise TargetError(f"{self._arguments[0]!r} cannot be started: {error.strerror}") from error
        return Conversation(process, marker, self._max_bytes)


def _kill_all(running: dict[Task, Conversation]) -> None:
    while running:
        running.popitem()[1].kill()


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
