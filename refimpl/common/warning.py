"""Warnings that a caller within the package can silence in its own thread.

`warnings.catch_warnings` exchanges the filters of the whole process: of two overlapping threads, the second restores
those of the first, so that a category stays silent, or a warning of another thread is lost.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_silenced: ContextVar[tuple[type[Warning], ...]] = ContextVar("silenced", default=())


@contextmanager
def silenced(*categories: type[Warning]) -> Iterator[None]:
    """Drop warnings of `categories` that `warn` is called with in this thread."""
    token = _silenced.set(_silenced.get() + categories)
    try:
        yield
    finally:
        _silenced.reset(token)


def warn(message: str, category: type[Warning], stacklevel: int) -> None:
    """Emit a warning unless `silenced`; `stacklevel` counts from the caller, as in `warnings.warn`."""
    if not issubclass(category, _silenced.get()):
        warnings.warn(message, category, stacklevel=stacklevel + 1)
