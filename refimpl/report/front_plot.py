"""Recall against latency of a sweep, as ann-benchmarks draws it: every point, the Pareto front, wrong points hollow."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator

from refimpl.report import figures
from refimpl.report.plots import STYLED, WIDTH_IN, Palette
from refimpl.report.svg import INK, LINE, inline

COLOURS = Path(__file__).parent / "templates" / "report.css"  # those of a page, light and dark, by scheme
DARK = "@media (prefers-color-scheme: dark)"


@dataclass(frozen=True)
class Spot:
    """One point of a sweep: kind of vectors, index, recall in [0, 1], latency, correctness, place on the front."""

    kind: str
    index: str
    recall: float
    latency_s: float
    correct: bool
    on_front: bool


def front(spots: Sequence[Spot], xlabel: str, alt: str, number: int) -> str:
    """Draw latency on a logarithmic axis over recall; the lower right is best. Returns an `<svg>`."""
    names = list(dict.fromkeys(spot.index for spot in spots))
    palette = Palette.of([names])
    with STYLED:
        figure = Figure(figsize=(WIDTH_IN, 3.2 + 0.17 * (len(names) + 2)), layout="constrained")
        axes = figure.subplots()
        for kind in dict.fromkeys(spot.kind for spot in spots):
            best = sorted((spot.recall, spot.latency_s) for spot in spots if spot.on_front and spot.kind == kind)
            axes.step([x for x, _ in best], [y for _, y in best], "-", where="pre", color=INK, linewidth=1.0, zorder=1)
        for spot in spots:
            colour = palette.colour(spot.index)
            face = colour if spot.correct else "none"
            size = 6.5 if spot.on_front else 4.5
            marker = palette.marker(spot.index)
            axes.plot(spot.recall, spot.latency_s, marker, ms=size, mfc=face, mec=colour, mew=1.1, zorder=2)
        _axes(axes, [spot.latency_s for spot in spots], xlabel)
        figure.legend(handles=_legend(names, palette, spots), loc="outside upper left", ncols=2, handletextpad=0.2)
        return inline(figure, number, alt)


def standalone(svg: str) -> str:
    """The `<svg>` as a file of its own: with a page's colours in both schemes, a background and a size."""
    found = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    if found is None:
        raise ValueError("expected an svg with a viewBox")
    width, height = found.groups()
    light, dark = _colours()
    style = (
        f"<style>svg {{ {light}background: var(--card); color: var(--ink); font-family: sans-serif }} "
        f"{DARK} {{ svg {{ {dark}}} }}</style>"
    )
    start = svg.index(">") + 1
    opening = svg[: start - 1] + f' width="{float(width) * 2:.0f}" height="{float(height) * 2:.0f}">'
    return f"{opening}{style}{svg[start:]}\n"


def _colours() -> tuple[str, str]:
    """Return what a plot uses of the page's variables, in the light and in the dark scheme."""
    schemes = COLOURS.read_text(encoding="utf-8").split(DARK)[:2]
    found = [re.findall(r"(--(?:card|paper|ink|line|side-\d)): ([^;]+);", text.partition("}")[0]) for text in schemes]
    light, dark = ("".join(f"{name}: {colour}; " for name, colour in variables) for variables in found)
    return light, dark


def _axes(axes: Any, latencies: Sequence[float], xlabel: str) -> None:
    axes.set_yscale("log")
    axes.set_ylim(min(latencies) / 1.3, max(latencies) * 1.3)
    narrow = max(latencies) < 30 * min(latencies)
    labelled = FuncFormatter(lambda value, _: figures.seconds(value))
    axes.yaxis.set_major_formatter(labelled)
    axes.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    axes.yaxis.set_minor_formatter(labelled if narrow else FuncFormatter(lambda value, _: ""))
    axes.set_xlabel(xlabel)
    axes.set_ylabel("median time per query (less is better)")
    axes.grid(color=LINE, which="both")


def _legend(names: Sequence[str], palette: Palette, spots: Sequence[Spot]) -> list[Line2D]:
    handles = [Line2D([], [], color=palette.colour(n), marker=palette.marker(n), linestyle="", label=n) for n in names]
    handles.append(Line2D([], [], color=INK, linewidth=1.0, label="Pareto front"))
    if not all(spot.correct for spot in spots):
        handles.append(Line2D([], [], marker="o", mfc="none", mec=INK, linestyle="", label="hollow: wrong scores"))
    return handles
