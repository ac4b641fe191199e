"""Pages in Debian's Chromium, driven by Playwright, offline; axe-core in them."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

SCHEMES, WIDTHS = ("light", "dark"), (380, 1280)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A running browser; skips where Chromium is not installed."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


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
