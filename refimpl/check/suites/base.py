"""Suites of cases: golden inputs with expected answers, and behaviours, which compare a target with itself."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, runtime_checkable

from refimpl import golden
from refimpl.check.result import Case
from refimpl.check.targets.base import AnswerError, Target, TargetError, Task
from refimpl.compare import Comparison, Tolerance


@runtime_checkable
class Found(Protocol):
    """A diagnosis: words, and causes, which are dataclasses; `refimpl.diagnosis.Diagnosis` is one."""

    @property
    def causes(self) -> Sequence[Any]:
        """The causes, best first."""
        ...


UNEXPECTED = (ArithmeticError, LookupError, TypeError, ValueError, RecursionError, MemoryError)
"""What an answer with extreme values may raise where it is parsed or compared: it fails its case, not the check."""

Answer = Any
"""What a suite's `read` returns for a target's raw answer: an array, a list of ids, a dict."""


@dataclass(frozen=True)
class Settings:
    """Settings of a check: the tolerance, the BM25 that the target implements, whether to search for causes.

    `k1` and `b` replace those of every BM25 case: for a target with fixed ones. `own_tokens` allows a BM25 that answers
    tokens to split texts otherwise than at whitespace.
    """

    tolerance: Tolerance
    variant: str = "pymilvus"
    diagnose: bool = True
    k1: float | None = None
    b: float | None = None
    own_tokens: bool = False


@dataclass
class Session:
    """One suite run on one target; `golden` has the answers to the golden inputs, an error where there is none."""

    suite: "Suite"
    target: Target
    settings: Settings
    golden: dict[str, Any] = field(default_factory=dict)
    raw: dict[str, Any] = field(default_factory=dict)
    """The answers to the golden inputs as the target gave them."""
    seconds: dict[str, float] = field(default_factory=dict)
    """By golden input: the time of its call, divided by the inputs of the call."""
    decode: Callable[[Any], Any] = lambda answer: answer
    """Applied to every raw answer before it is parsed."""

    @property
    def tolerance(self) -> Tolerance:
        """The tolerance of the settings."""
        return self.settings.tolerance

    def run(self, inputs: Sequence[Any]) -> list[Answer]:
        """Return the target's answers to `inputs` from one call, parsed; raises TargetError or AnswerError."""
        answers = self.target.run(self.suite.task, inputs)
        pairs = zip(inputs, answers, strict=True)
        return [self._parsed(value, answer, f"input {number}") for number, (value, answer) in enumerate(pairs)]

    def run_golden(self, inputs: Mapping[str, Any]) -> None:
        """Run the golden inputs in one call, then those that may be refused in a call of their own each.

        Where the one call fails and calls are cheap, each input is run alone, so that only the failing ones fail.
        """
        separate = [name for name in inputs if name in self.suite.refusable and "any_input" in self.target.traits]
        together = [name for name in inputs if name not in separate]
        if together:
            self._run_together({name: inputs[name] for name in together})
        for name in separate:
            self._run_one(name, inputs[name])

    def decode_by(self, decode: Callable[[Any], Any]) -> None:
        """Parse the golden answers again, each decoded first, and decode every later one."""
        self.decode = decode
        inputs = self.suite.inputs(self.settings)
        for name, answer in self.raw.items():
            self.golden[name] = self._read(name, inputs[name], answer)

    def _run_together(self, inputs: Mapping[str, Any]) -> None:
        started = time.perf_counter()
        try:
            answers = self.target.run(self.suite.task, list(inputs.values()))
        except (TargetError, AnswerError) as error:
            for name in inputs:
                if "many_calls" in self.target.traits and len(inputs) > 1:
                    self._run_one(name, inputs[name])
                else:
                    self.golden[name] = error
            return
        finally:
            elapsed = (time.perf_counter() - started) / len(inputs)
            self.seconds.update(dict.fromkeys(inputs, elapsed))
        for name, answer in zip(inputs, answers, strict=True):
            self.golden[name] = self._read(name, inputs[name], answer)

    def _run_one(self, name: str, value: Any) -> None:
        started = time.perf_counter()
        try:
            (answer,) = self.target.run(self.suite.task, [value])
            self.golden[name] = self._read(name, value, answer)
        except (TargetError, AnswerError) as error:
            self.golden[name] = error
        self.seconds[name] = time.perf_counter() - started

    def _read(self, name: str, value: Any, answer: Any) -> Answer | AnswerError:
        self.raw[name] = answer
        try:
            return self._parsed(value, answer, name)
        except AnswerError as error:
            return error

    def _parsed(self, value: Any, answer: Any, where: str) -> Answer:
        try:
            return self.suite.read_for(value, self.decode(answer), where)
        except AnswerError:
            raise
        except UNEXPECTED as error:
            raise AnswerError(f"{where}: the answer cannot be read ({type(error).__name__}: {error})") from error


@dataclass(frozen=True)
class Behaviour:
    """A case without an expected value: a property of the answers; `needs` are traits of the target."""

    case: Case
    check: Callable[[Session], Comparison]
    needs: frozenset[str]


def behaviour(
    name: str, reason: str, who: str = "", needs: Sequence[str] = ("any_input",)
) -> Callable[[Callable[[Session], Comparison]], Behaviour]:
    """Decorate a function that checks a property of a target's answers, to make it a Behaviour."""
    return lambda check: Behaviour(Case(name, reason, who), check, frozenset(needs))


class Suite(ABC):
    """Named cases for one task; `form` describes the JSON of an input and an answer.

    `refusable` are the names of inputs that a target may refuse.
    """

    name: ClassVar[str]
    task: ClassVar[Task]
    about: ClassVar[str]
    form: ClassVar[str]
    refusable: ClassVar[frozenset[str]] = frozenset()
    behaviours: ClassVar[tuple[Behaviour, ...]] = ()

    def inputs(self, settings: Settings) -> Mapping[str, Any]:
        """Return the golden inputs by case name."""
        return {}

    def cases(self, settings: Settings) -> Sequence[Case]:
        """Return the golden cases, in the order of `inputs`."""
        return ()

    @abstractmethod
    def read(self, answer: Any, where: str) -> Answer:
        """Parse a raw answer; AnswerError, which begins with `where`, when it does not have the form."""

    def read_for(self, value: Any, answer: Any, where: str) -> Answer:
        """Parse the raw answer to the input `value` as `read` does; a suite may need the input for it."""
        return self.read(answer, where)

    def other_form(self, session: Session) -> str | None:
        """What all golden answers are where they have one other form than the expected; None where they do not.

        Where such answers can be compared nevertheless, the suite sets the session's `decode` and returns None.
        """
        return None

    def compare(self, name: str, answer: Answer, settings: Settings) -> Comparison:
        """Compare the answer to the golden input `name` with the expected one."""
        raise LookupError(f"the suite {self.name} has no golden case {name!r}")

    def diagnose(self, answers: Mapping[str, Answer], failed: Sequence[str], settings: Settings) -> Found | str | None:
        """Return the likely cause of the `failed` cases, or None; `answers` are those of all golden inputs."""
        return None

    def diagnose_target(
        self, session: Session, answers: Mapping[str, Answer], failed: Sequence[str]
    ) -> Found | str | None:
        """Return the likely cause as `diagnose` does; a suite may run the session's target on more inputs for it."""
        return self.diagnose(answers, failed, session.settings)


class TextSuite(Suite):
    """A suite whose inputs are the golden texts; `who` names implementations known to fail a text."""

    who: ClassVar[Mapping[str, str]] = {}

    def inputs(self, settings: Settings) -> Mapping[str, Any]:
        """Return the golden texts."""
        return golden.texts()

    def cases(self, settings: Settings) -> Sequence[Case]:
        """Return one case per text, with the text's reason."""
        reasons = golden.reasons()
        return [Case(name, reasons[name], self.who.get(name, "")) for name in self.inputs(settings)]


class CaseSuite(Suite):
    """A suite whose cases are those of `data/vectors/FILE/cases.json`."""

    file: ClassVar[str]

    def golden(self, name: str) -> golden.GoldenCase:
        """Return the case called `name`."""
        return golden.cases(self.file)[name]

    def inputs(self, settings: Settings) -> Mapping[str, Any]:
        """Return the inputs by case name."""
        return {name: case.input for name, case in golden.cases(self.file).items()}

    def cases(self, settings: Settings) -> Sequence[Case]:
        """Return the cases of `inputs`, in its order."""
        return [Case(name, self.golden(name).reason, self.golden(name).who) for name in self.inputs(settings)]
