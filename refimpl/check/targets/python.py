"""A Python callable, written `module:attribute`."""

import importlib
import inspect
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from refimpl.check.targets.base import (
    ALL_TASKS,
    TEXT_TASKS,
    RefusedError,
    TargetError,
    TargetTimeoutError,
    Task,
    counted,
)

SETTINGS = ("k1", "b", "variant")


class PythonTarget:
    """Calls `function(texts)` for tasks of texts, and `function(**input)` once per input for the others.

    A BM25's `k1`, `b` and `variant` are left out for a function without such parameters.

    A call that takes longer than `timeout_s` is an error; its thread is not stopped.
    """

    traits = frozenset({"any_input", "many_calls", "parallel", "top_k"})

    def __init__(self, function: Callable[..., Any], name: str, timeout_s: float = 300.0) -> None:
        self.name = name
        self._function = function
        self._timeout_s = timeout_s

    def tasks(self) -> frozenset[str]:
        """All tasks: a callable does not declare which one it implements."""
        return ALL_TASKS

    def run(self, task: Task, inputs: Sequence[Any]) -> list[Any]:
        """Return the function's answers; an exception becomes a TargetError (a ValueError a RefusedError)."""
        if task not in TEXT_TASKS:
            return [self._call(**self._accepted(one)) for one in inputs]
        answer = self._call(list(inputs))
        try:
            answers = list(answer)
        except TypeError:
            raise TargetError(
                f"{self.name}: expected one answer per text, as a list or array, got {type(answer).__name__}"
            ) from None
        return counted(answers, inputs, self.name)

    def _accepted(self, one: Mapping[str, Any]) -> Mapping[str, Any]:
        """The input without the settings of BM25 that the function has no parameter for."""
        return {name: value for name, value in one.items() if name not in SETTINGS or self._takes(name)}

    def _takes(self, keyword: str) -> bool:
        try:
            inspect.signature(self._function).bind_partial(**{keyword: None})
        except TypeError:
            return False
        except ValueError:  # a built-in function without a signature
            return True
        return True

    def _call(self, *args: Any, **kwargs: Any) -> Any:
        outcome: list[Any] = []

        def work() -> None:
            try:
                outcome.extend((True, self._function(*args, **kwargs)))
            except BaseException as error:  # foreign code: whatever it raises is reported
                outcome.extend((False, error))

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(self._timeout_s)
        if not outcome:
            raise TargetTimeoutError(f"{self.name} did not return within {self._timeout_s:g} s: raise --timeout")
        returned, value = outcome
        if returned:
            return value
        kind = RefusedError if isinstance(value, ValueError) else TargetError
        raise kind(f"{self.name} raised {type(value).__name__}: {value}") from value


def load(path: str, timeout_s: float = 300.0) -> PythonTarget:
    """Return the target at `module:attribute`, the working folder searched first; TargetError names what is missing."""
    module_name, colon, attribute = path.partition(":")
    if not (module_name and colon and attribute):
        raise TargetError(f"expected a Python target as module:attribute, got {path!r}")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        value: Any = importlib.import_module(module_name)
    except Exception as error:  # a module may raise anything while it is imported
        raise TargetError(f"{module_name} cannot be imported: {type(error).__name__}: {error}") from error
    for part in attribute.split("."):
        if not hasattr(value, part):
            raise TargetError(f"{path}: {getattr(value, '__name__', type(value).__name__)} has no {part!r}")
        value = getattr(value, part)
    if isinstance(value, type):
        raise TargetError(f"{path}: expected a callable, got a class: name a function or module:object.method")
    if not callable(value):
        raise TargetError(f"{path}: expected a callable, got {type(value).__name__}")
    return PythonTarget(value, path, timeout_s)
