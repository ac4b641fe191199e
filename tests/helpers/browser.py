"""Pages in Debian's Chromium, driven by Playwright, offline; axe-core in them."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

from axe_playwright_python.sync_playwright import Axe

SCHEMES, WIDTHS = ("light", "dark"), (380, 1280)


@contextmanager
def pages(chromium: Any, ready: str) -> Iterator[Callable[..., Any]]:
    """Open a file and wait for the selector `ready`; at the end fail on any console message, error or request."""
    contexts, messages, requests = [], [], []

    def show(file: Path, width: int = 1280, scheme: str = "light", height: int = 900) -> Any:
        context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, offline=True)
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: messages.append(f"{message.type}: {message.text}"))
        tab.on("pageerror", lambda error: messages.append(f"error: {error}"))
        tab.on("request", lambda request: requests.append(request.url))
        tab.goto(file.as_uri())
        tab.locator(ready).wait_for(state="attached", timeout=60_000)
        return tab

    yield show
    for context in contexts:
        context.close()
    assert messages == []
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []


def serious_faults(tab: Any) -> list[tuple[str, Any]]:
    """What axe-core calls serious or critical, with the first elements concerned."""
    response = Axe().run(tab).response
    assert len(response["passes"]) > 20, "axe must have checked something"
    return [
        (fault["id"], [node["target"] for node in fault["nodes"][:3]])
        for fault in response["violations"]
        if fault["impact"] in ("serious", "critical")
    ]


def rgba(colour: str) -> list[float]:
    """Red, green, blue and alpha, from 0 to 1, of `rgb(r, g, b)` or `rgba(r, g, b, a)`."""
    numbers = [float(part) for part in re.findall(r"[\d.]+", colour)]
    return [*(part / 255 for part in numbers[:3]), *(numbers[3:] or [1.0])]


def luminance(parts: Sequence[float]) -> float:
    """The relative luminance of WCAG 2.2 of an opaque colour, red, green and blue from 0 to 1."""
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts[:3])
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(colour: str, background: str) -> float:
    """WCAG's contrast ratio, from 1 to 21, of a colour, perhaps transparent, on an opaque background."""
    *above, alpha = rgba(colour)
    *below, opaque = rgba(background)
    assert opaque == 1.0, f"expected an opaque background, got {background}"
    mixed = [alpha * one + (1 - alpha) * other for one, other in zip(above, below, strict=True)]
    darker, lighter = sorted((luminance(mixed), luminance(below)))
    return (lighter + 0.05) / (darker + 0.05)


def until(tab: Any, expression: str, argument: Any = None) -> None:
    """Poll until the expression is true; Playwright's own waiting needs eval, which the page's policy forbids."""
    end = monotonic() + 20
    while not tab.evaluate(expression, argument):
        assert monotonic() < end, expression
        tab.wait_for_timeout(30)


def cells(tab: Any, table: str, column: int) -> list[str]:
    """A column's unrounded values where it has numbers, else its texts."""
    return tab.eval_on_selector_all(
        f"[data-table={table}] tbody tr > :nth-child({column})",
        "cells => cells.map(c => c.dataset.value ?? c.textContent)",
    )
