"""What every subject of a check looks like: something that answers a list of inputs for a task."""

from collections.abc import Sequence
from typing import Any, Literal, Protocol, runtime_checkable

Task = Literal["embed", "tokens", "trace", "bm25", "splade", "rerank", "fuse", "metrics"]


class SubjectError(RuntimeError):
    """The subject gave no answer: it crashed, hung, could not be reached or found; the message tells which."""


class RefusedError(SubjectError):
    """The subject said that it will not answer this input (HTTP 4xx, ValueError)."""


class AnswerError(ValueError):
    """The subject answered, and not in the form that the task has."""


class NotAskableError(LookupError):
    """Not to be asked of this kind of subject; the message says why."""


@runtime_checkable
class Subject(Protocol):
    """An implementation under check.

    `traits`: "again" (it may be asked other inputs than the suite's own, as often as wanted), "cheap" (many small calls
    cost little), "parallel" (several threads may ask at once), "top_k" and "echo" (a rerank request may hold these).
    """

    name: str
    traits: frozenset[str]

    def tasks(self) -> frozenset[str]:
        """The tasks it can be asked."""
        ...

    def ask(self, task: Task, inputs: Sequence[Any]) -> list[Any]:
        """One answer an input, in order, as plain JSON values or arrays; SubjectError where there is none."""
        ...


ALL_TASKS: frozenset[str] = frozenset(("embed", "tokens", "trace", "bm25", "splade", "rerank", "fuse", "metrics"))
TEXT_TASKS: frozenset[str] = frozenset(("embed", "tokens", "trace", "splade"))  # an input is one text


def counted(answers: list[Any], inputs: Sequence[Any], who: str) -> list[Any]:
    """`answers`, one for each input; AnswerError when there are more or fewer."""
    if len(answers) != len(inputs):
        raise AnswerError(
            f"{who} gave {len(answers)} answers for {len(inputs)} inputs: one for each, in order, is asked"
        )
    return answers
