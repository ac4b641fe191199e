"""Imports of optional packages, whose absence is reported with the extra that installs them."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing(extra: str) -> Iterator[None]:
    """Import optional packages in the block; ModuleNotFoundError for a missing one names the extra to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "refimpl").partition(".")[0] == "refimpl":
            raise
        message = f"expected the package {error.name}, got none: install it with pip install 'refimpl[{extra}]'"
        raise ModuleNotFoundError(message, name=error.name) from error
