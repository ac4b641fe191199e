"""Types and shapes of refimpl's functions, checked in tests: by beartype, and by jaxtyping only where there are shapes.

jaxtyping binds and checks the arguments twice per call, which takes longer than most functions without an array.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any, ForwardRef, Literal, get_args, get_origin

import jaxtyping
from beartype import BeartypeConf, beartype

with_shapes = jaxtyping.jaxtyped


def install() -> None:
    """Check every function and dataclass of refimpl that is imported from now on."""
    jaxtyping.jaxtyped = typed  # jaxtyping's import hook adds this decorator, by this name
    jaxtyping.install_import_hook("refimpl", "beartype.beartype")


def typed(*, typechecker: Any) -> Callable[[Any], Any]:
    """The decorator of functions and classes; jaxtyping's own for functions with a shape among their annotations."""

    def decorate(given: Any) -> Any:
        if not inspect.isclass(given):
            return with_shapes(given, typechecker=typechecker) if has_shape(given) else without_shapes(given)
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
    """The function with its types checked, unless the fixture `unchecked` disables that."""
    checked, config = beartype(conf=BeartypeConf(violation_type=TypeError))(function), jaxtyping.config

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs) if config.jaxtyping_disable else checked(*args, **kwargs)

    return called
