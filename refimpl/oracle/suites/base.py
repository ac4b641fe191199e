"""What a suite of cases is: golden inputs with their expected answers, and behaviours that need no expected number."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, runtime_checkable

from refimpl.oracle.outcome import Case, Finding
from refimpl.oracle.subjects.base import AnswerError, RefusedError, Subject, SubjectError, Task
from refimpl.oracle.tolerance import Tolerance

Failure = SubjectError | AnswerError
Answer = Any
"""What a suite's `read` makes of a subject's raw answer: an array, a list of ids, a dict."""


@dataclass(frozen=True)
class Settings:
    """How a check is done: what is allowed, the BM25 variant that the subject claims, whether to look for causes."""

    tolerance: Tolerance
    variant: str = "pymilvus"
    diagnose: bool = True


@dataclass
class Asking:
    """One subject asked for one suite; `golden` holds the answers to its inputs, a `Failure` where there is none."""

    suite: "Suite"
    subject: Subject
    settings: Settings
    golden: dict[str, Any] = field(default_factory=dict)

    @property
    def tolerance(self) -> Tolerance:
        """What is allowed."""
        return self.settings.tolerance

    def answers(self, inputs: Sequence[Any]) -> list[Answer]:
        """The subject's answers in one call, read and checked; raises SubjectError or AnswerError."""
        raw = self.subject.ask(self.suite.task, inputs)
        return [self.suite.read(answer, f"input {number}") for number, answer in enumerate(raw)]

    def ask_golden(self, inputs: Mapping[str, Any]) -> None:
        """Ask the golden inputs in one call, those that may be refused each in one of its own.

        Where the one call fails and calls are cheap, each is asked alone, so that only the culprits fail.
        """
        live = "again" in self.subject.traits
        alone = [name for name in inputs if name in self.suite.refusable and live]
        together = [name for name in inputs if name not in alone]
        for name in alone:
            self._ask_one(name, inputs[name])
        if not together:
            return
        try:
            raw = self.subject.ask(self.suite.task, [inputs[name] for name in together])
        except (SubjectError, AnswerError) as error:
            for name in together:
                if "cheap" in self.subject.traits and len(together) > 1:
                    self._ask_one(name, inputs[name])
                else:
                    self.golden[name] = error
            return
        for name, answer in zip(together, raw, strict=True):
            self.golden[name] = self._read(name, answer)

    def _ask_one(self, name: str, value: Any) -> None:
        try:
            self.golden[name] = self._read(name, self.subject.ask(self.suite.task, [value])[0])
        except (SubjectError, AnswerError) as error:
            self.golden[name] = error

    def _read(self, name: str, answer: Any) -> Answer | Failure:
        try:
            return self.suite.read(answer, name)
        except AnswerError as error:
            return error


@dataclass(frozen=True)
class Behaviour:
    """A case without an expected number: what must hold between answers; `needs` are traits of the subject."""

    case: Case
    check: Callable[[Asking], Finding]
    needs: frozenset[str] = frozenset({"again"})


@runtime_checkable
class Suite(Protocol):
    """Named cases for one task; `form` states the JSON of an input and an answer."""

    name: ClassVar[str]
    task: ClassVar[Task]
    about: ClassVar[str]
    form: ClassVar[str]
    refusable: ClassVar[frozenset[str]]

    def inputs(self, settings: Settings) -> Mapping[str, Any]:
        """The golden inputs by case name."""
        ...

    def cases(self, settings: Settings) -> Sequence[Case]:
        """The golden cases, in the order of `inputs`."""
        ...

    def behaviours(self) -> Sequence[Behaviour]:
        """The cases that hold answers against each other."""
        ...

    def read(self, answer: Any, where: str) -> Answer:
        """A raw answer in its own form; AnswerError says what is wrong with it."""
        ...

    def judge(self, name: str, answer: Answer, settings: Settings) -> Finding:
        """One golden answer against the expected one."""
        ...

    def diagnose(self, answers: Mapping[str, Answer], failed: Sequence[str], settings: Settings) -> str | None:
        """The likely cause of what departs, in words; None where there is nothing to say."""
        ...


NEEDS_WORDS = {
    "again": "the answers are in a file: nothing else can be asked",
    "parallel": "this kind of subject is asked one at a time",
    "top_k": "the protocol has no top_k",
    "echo": "the protocol echoes no documents",
    "cheap": "too many calls for a command",
}

__all__ = ["NEEDS_WORDS", "Asking", "Behaviour", "Failure", "RefusedError", "Settings", "Suite"]
