"""Types and shapes of refimpl's functions, checked in tests: by beartype, and by jaxtyping only where there are shapes.

jaxtyping binds and checks the arguments twice per call, which takes longer than most functions without an array. Making
the checks takes a thousand times as long as a call, so they are made once for all closures of the same code. A function
is checked at its first CALLS calls in each test: searches call some a million times, which took as long as the search.
"""

import dataclasses
import functools
import inspect
import threading
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any, ForwardRef, Literal, get_args, get_origin

import jaxtyping
from beartype import BeartypeConf, beartype

with_shapes = jaxtyping.jaxtyped
CALLS = 200

Checked = Callable[..., Any]
"""Takes a function and its arguments; returns its result, both checked."""
_closures: dict[CodeType, tuple[dict[str, Any], Checked, "Calls"]] = {}
"""The annotations, the checks and the calls of closures, by their code."""
_test = 0


class Calls:
    """Counts the calls of a function in the running test."""

    def __init__(self) -> None:
        self.test, self.number = _test, 0

    def are_checked(self) -> bool:
        """Count a call; whether it is one of the first of this test, and `unchecked` does not disable the checks."""
        if self.test != _test:
            self.test, self.number = _test, 0
        self.number += 1
        return self.number <= CALLS and not jaxtyping.config.jaxtyping_disable


def next_test() -> None:
    """Let another test begin: each function's first calls are checked again."""
    global _test
    _test += 1


def install() -> None:
    """Check every function and dataclass of refimpl that is imported from now on."""
    jaxtyping.jaxtyped = typed  # jaxtyping's import hook adds this decorator, by this name
    jaxtyping.install_import_hook("refimpl", "beartype.beartype")


def typed(*, typechecker: Any) -> Callable[[Any], Any]:
    """The decorator of functions and classes; jaxtyping's own for functions with a shape among their annotations."""

    def decorate(given: Any) -> Any:
        if is_plain_closure(given):
            return of_closure(given, typechecker)
        if not inspect.isclass(given):
            checked = with_shapes(given, typechecker=typechecker) if has_shape(given) else without_shapes(given)
            return at_first_calls(given, checked)
        if dataclasses.is_dataclass(given) and not hasattr(given.__init__, "__wrapped__"):
            given.__init__ = decorate(given.__init__)  # type: ignore[misc]
        return given

    return decorate


def has_shape(function: Callable[..., Any]) -> bool:
    """Whether an annotation is a shape of jaxtyping's, or a string, which jaxtyping resolves where it can."""
    return any(map(_is_shape, inspect.get_annotations(function).values()))


def _is_shape(annotation: Any) -> bool:
    if isinstance(annotation, str | ForwardRef):
        return True
    if get_origin(annotation) is Literal:
        return False
    if inspect.isclass(annotation) and issubclass(annotation, jaxtyping.AbstractArray):
        return True
    parts = annotation if isinstance(annotation, list) else get_args(annotation)  # Callable has a list of arguments
    return any(map(_is_shape, parts))


def without_shapes(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with its types checked."""
    return beartype(conf=BeartypeConf(violation_type=TypeError))(function)


def at_first_calls(function: Callable[..., Any], checked: Callable[..., Any]) -> Callable[..., Any]:
    """The function, `checked` at its first calls in each test, unless the fixture `unchecked` disables that."""
    calls = Calls()

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        return checked(*args, **kwargs) if calls.are_checked() else function(*args, **kwargs)

    return called


def is_plain_closure(function: Any) -> bool:
    """Whether a function is made anew by each call of another; not a generator or a coroutine, nor with defaults."""
    if not isinstance(function, FunctionType) or "<locals>" not in function.__qualname__:
        return False
    special = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
    return not (function.__code__.co_flags & special or function.__defaults__ or function.__kwdefaults__)


def of_closure(function: FunctionType, typechecker: Any) -> Callable[..., Any]:
    """The closure with the checks of the first one that has its code and annotations."""
    annotations = inspect.get_annotations(function)
    made = _closures.get(function.__code__)
    if made is None or made[0] != annotations:
        made = _closures[function.__code__] = annotations, _checked(function, typechecker), Calls()
    _, checked, calls = made

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        return checked(function, *args, **kwargs) if calls.are_checked() else function(*args, **kwargs)

    return called


def _checked(like: FunctionType, typechecker: Any) -> Checked:
    """The checks of the signature of `like`, around a call of any function that has the same one."""
    given = threading.local()

    @functools.wraps(like)
    def run(*args: Any, **kwargs: Any) -> Any:
        return given.__dict__.pop("function")(*args, **kwargs)

    checked = with_shapes(run, typechecker=typechecker) if has_shape(like) else without_shapes(run)
    del run.__wrapped__  # what the first closure refers to is released with it

    def call(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        given.function = function
        return checked(*args, **kwargs)

    return call
