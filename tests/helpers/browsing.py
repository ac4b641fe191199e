"""What tests of pages in a browser share."""

from time import monotonic
from typing import Any

from axe_playwright_python.sync_playwright import Axe


def serious_faults(tab: Any) -> list[tuple[str, Any]]:
    """What axe-core calls serious or critical, with the first elements concerned."""
    response = Axe().run(tab).response
    assert len(response["passes"]) > 20, "axe must have checked something"
    return [
        (fault["id"], [node["target"] for node in fault["nodes"][:3]])
        for fault in response["violations"]
        if fault["impact"] in ("serious", "critical")
    ]


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
