"""A browser to open reports in."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from browser import pages


@pytest.fixture
def opened(chromium: Any) -> Iterator[Callable[..., Any]]:
    with pages(chromium, "#machine") as show:
        yield show
