"""The protocol of a target: it runs a task on a list of inputs and returns one answer per input."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, Protocol, runtime_checkable

Task = Literal["embed", "tokens", "trace", "bm25", "splade", "rerank", "fuse", "metrics"]


class TargetError(RuntimeError):
    """The target gave no answer: it crashed, timed out, or could not be reached or loaded; the message has which."""


class TargetTimeoutError(TargetError):
    """The target did not answer in time."""


class RefusedError(TargetError):
    """The target rejected the input (HTTP 4xx, ValueError)."""


class AnswerError(ValueError):
    """The target's answer does not have the form of the task."""


class UnsupportedError(LookupError):
    """The kind of target cannot run the task or input; the message has the reason."""


@runtime_checkable
class Target(Protocol):
    """An implementation to check.

    `traits`: "any_input" (it runs inputs other than the suite's own, any number of times), "many_calls" (many small
    calls cost little), "parallel" (several threads may call it), "top_k" and "echo" (a rerank input may have these).
    """

    name: str
    traits: frozenset[str]

    def tasks(self) -> frozenset[str]:
        """Return the tasks that it can run."""
        ...

    def run(self, task: Task, inputs: Sequence[Any]) -> list[Any]:
        """Return one answer per input, in order, as plain JSON values or arrays; TargetError where there is none."""
        ...


ALL_TASKS: frozenset[str] = frozenset(("embed", "tokens", "trace", "bm25", "splade", "rerank", "fuse", "metrics"))
TEXT_TASKS: frozenset[str] = frozenset(("embed", "tokens", "trace", "splade"))  # an input is one text


@contextmanager
def closing(target: Target) -> Iterator[None]:
    """Close the target, if it can be closed, at the end of the block."""
    try:
        yield
    finally:
        if (close := getattr(target, "close", None)) is not None:
            close()


class StoppedAtTimeout:
    """A target that is not run again once it has timed out: a hung one takes one timeout, not one per case."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._timeout: TargetTimeoutError | None = None
        self.name = target.name
        self.traits = target.traits

    def tasks(self) -> frozenset[str]:
        """Return the tasks of the target."""
        return self._target.tasks()

    def run(self, task: Task, inputs: Sequence[Any]) -> list[Any]:
        """Return the target's answers; TargetTimeoutError, without running it, after it has timed out once."""
        if self._timeout is not None:
            raise TargetTimeoutError(f"not run, because an earlier case timed out: {self._timeout}")
        try:
            return self._target.run(task, inputs)
        except TargetTimeoutError as error:
            self._timeout = error
            raise


def counted(answers: list[Any], inputs: Sequence[Any], name: str) -> list[Any]:
    """Return `answers`; AnswerError unless there is one per input."""
    if len(answers) != len(inputs):
        raise AnswerError(f"expected {len(inputs)} answers from {name}, one per input in order, got {len(answers)}")
    return answers
