"""A Python callable, named `module:attribute`."""

import importlib
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from refimpl.oracle.subjects.base import ALL_TASKS, TEXT_TASKS, RefusedError, SubjectError, Task, counted


class PythonSubject:
    """Calls `function(texts)` for tasks of texts, and `function(**input)` once an input for the others.

    A call that takes longer than `timeout_s` is an error; its thread is left behind.
    """

    traits = frozenset(
        (
            "again",
            "cheap",
            "parallel",
            "top_k",
        )
    )

    def __init__(self, function: Callable[..., Any], name: str, timeout_s: float = 300.0) -> None:
        self.name = name
        self._function = function
        self._timeout_s = timeout_s

    def tasks(self) -> frozenset[str]:
        """All of them: what the callable is for, its owner knows."""
        return ALL_TASKS

    def ask(self, task: Task, inputs: Sequence[Any]) -> list[Any]:
        """The function's answers; what it raises is a SubjectError (RefusedError for a ValueError)."""
        if task not in TEXT_TASKS:
            return [self._call(**one) for one in inputs]
        answer = self._call(list(inputs))
        try:
            answers = list(answer)
        except TypeError:
            raise SubjectError(
                f"{self.name} returned {type(answer).__name__}: one answer a text, as a list or array, is asked"
            ) from None
        return counted(answers, inputs, self.name)

    def _call(self, *args: Any, **kwargs: Any) -> Any:
        outcome: list[Any] = []

        def work() -> None:
            try:
                outcome.extend((True, self._function(*args, **kwargs)))
            except BaseException as error:  # the subject is a stranger: whatever it raises is its answer
                outcome.extend((False, error))

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(self._timeout_s)
        if not outcome:
            raise SubjectError(f"{self.name} did not return within {self._timeout_s:g} s: raise --timeout")
        returned, value = outcome
        if returned:
            return value
        kind = RefusedError if isinstance(value, ValueError) else SubjectError
        raise kind(f"{self.name} raised {type(value).__name__}: {value}") from value


def load(path: str, timeout_s: float = 300.0) -> PythonSubject:
    """The callable at `module:attribute`, the working folder searched first; SubjectError says what is missing."""
    module_name, colon, attribute = path.partition(":")
    if not (module_name and colon and attribute):
        raise SubjectError(f"a Python subject is written module:attribute, got {path!r}")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found: Any = importlib.import_module(module_name)
    except Exception as error:  # a module may raise anything while it is imported
        raise SubjectError(f"{module_name} cannot be imported: {type(error).__name__}: {error}") from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise SubjectError(f"{path}: {getattr(found, '__name__', type(found).__name__)} has no {part!r}")
        found = getattr(found, part)
    if isinstance(found, type):
        raise SubjectError(
            f"{path} is a class: name a function, or a method of an object, such as module:object.encode"
        )
    if not callable(found):
        raise SubjectError(f"{path} is {type(found).__name__}, which cannot be called")
    return PythonSubject(found, path, timeout_s)
