"""What `refimpl identify` prints."""

from collections.abc import Mapping

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from refimpl.cli.tables import print_filled
from refimpl.identify import Factor, Identification
from refimpl.identify.describe import Status

COLOURS: Mapping[Status, str] = {
    "known form": "green",
    "by its probe alone": "yellow",
    "measured curve": "yellow",
    "undetermined": "red",
}


def show(found: Identification, verbose: bool) -> None:
    """Print the sentence, the formula, the factors and the nearest implementations."""
    console = Console()
    console.print(Text(f"{found.sentence}\n"))
    if found.text:
        console.print(Text(f"{found.text}\n\nLaTeX: {found.latex}\n"))
    if found.factors:
        print_filled(console, _table(found, verbose))
    if verbose:
        for factor in found.factors:
            if factor.curve:
                points = "  ".join(f"({', '.join(f'{number:.6g}' for number in point)})" for point in factor.curve)
                console.print(Text(f"{factor.name}, {factor.evidence}:\n{points}\n"))
    for match in found.nearest:
        differs = "; ".join(f"{name}: {theirs}, measured {own}" for name, theirs, own in match.different)
        console.print(
            Text(
                f"{match.implementation.name} ({match.implementation.source}): {len(match.same)} features are the same"
                + (f", {len(match.different)} differ: {differs}" if differs else "")
            )
        )
    console.print(Text(f"\n{found.target}, {found.seconds:.1f} s"), soft_wrap=True)


def _table(found: Identification, verbose: bool) -> Table:
    columns = ("factor", "value", "status", "error") + (("evidence",) if verbose else ())
    table = Table(*columns, box=SIMPLE_HEAD)
    table.columns[1].overflow = "fold"
    table.columns[2].no_wrap = table.columns[3].no_wrap = True
    table.columns[3].justify = "right"
    for factor in found.factors:
        table.add_row(*_cells(factor), *([Text(factor.evidence)] if verbose else []))
    return table


def _cells(factor: Factor) -> tuple[Text, Text, Text, Text]:
    error = "" if factor.error is None else f"{factor.error:.1e}"
    status = Text(factor.status, style=COLOURS[factor.status])
    return Text(factor.name), Text(factor.value), status, Text(error)
