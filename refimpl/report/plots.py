"""The plots, by matplotlib: each function takes plain numbers and returns an SVG for a phone's width."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib import rcParams
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator
from matplotlib.transforms import blended_transform_factory

from refimpl.common.shared import Restore, Shared
from refimpl.report import figures
from refimpl.report.svg import INK, LINE, PAPER, SIDES, STYLE, inline

WIDTH_IN = 4.3  # about 310 points: at a phone's width, a 9-point letter stays a 9-point letter
BAR_IN = 0.19
GROUP_IN = 0.27
MARKERS = "osD^vP*X"  # besides colour, for print and for colour-blind readers
LOG_FROM = 30.0  # larger ratios of maximum to minimum are drawn on a logarithmic axis


def _style() -> Restore:
    before = {name: rcParams[name] for name in STYLE}
    rcParams.update(STYLE)
    return lambda: rcParams.update(before)


STYLED = Shared(_style)


@dataclass(frozen=True)
class Bar:
    """One bar or box of a group: `low` and `high` are the quartiles, `points` the raw values."""

    name: str
    value: float
    low: float
    high: float
    points: tuple[float, ...] = ()


@dataclass(frozen=True)
class Group:
    """Bars that are comparable with each other, under one heading."""

    heading: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Dot:
    """A point of a scatter or line plot."""

    name: str
    x: float
    y: float


@dataclass(frozen=True)
class Palette:
    """The colour and marker of each name in all plots of a page."""

    places: Mapping[str, int]

    @classmethod
    def of(cls, together: Iterable[Iterable[str]]) -> "Palette":
        """Assign each name the lowest index that no name in the same plot has, while there are enough."""
        groups = [tuple(names) for names in together]
        places: dict[str, int] = {}
        for name in dict.fromkeys(name for names in groups for name in names):
            taken = {places.get(other) for names in groups if name in names for other in names}
            free = (place for place in range(len(SIDES)) if place not in taken)
            places[name] = next(free, len(places) % len(SIDES))
        return cls(places)

    def colour(self, name: str) -> str:
        """Return the name's placeholder colour, which the page replaces by its own."""
        return SIDES[self.places[name]]

    def marker(self, name: str) -> str:
        """Return the name's marker."""
        return MARKERS[self.places[name]]


def bars(groups: Sequence[Group], palette: Palette, xlabel: str, alt: str, number: int) -> str:
    """Draw grouped horizontal bars from zero with their quartiles; on a logarithmic axis, dots instead."""
    logarithmic = _wide([bar.value for group in groups for bar in group.bars])
    with STYLED:
        figure, axes, rows = _grouped(groups)
        for row, bar in rows:
            colour = palette.colour(bar.name)
            if not logarithmic:  # a logarithmic axis has no zero to draw a bar from
                axes.barh(row, bar.value, height=0.72, color=colour)
            else:
                axes.plot(bar.value, row, palette.marker(bar.name), color=colour, markersize=5)
            axes.plot([bar.low, bar.high], [row, row], color=INK, linewidth=1.1, solid_capstyle="butt")
        _finish(axes, xlabel, logarithmic)
        return inline(figure, number, alt)


def boxes(groups: Sequence[Group], palette: Palette, xlabel: str, alt: str, number: int) -> str:
    """Draw every raw round as a dot, with the median and the quartiles, grouped."""
    values = [value for group in groups for bar in group.bars for value in (bar.value, *bar.points)]
    with STYLED:
        figure, axes, rows = _grouped(groups)
        for row, bar in rows:
            colour = palette.colour(bar.name)
            axes.plot(bar.points, [row] * len(bar.points), "o", color=colour, alpha=0.5, markersize=3, mew=0)
            axes.plot([bar.low, bar.high], [row, row], color=colour, linewidth=4, alpha=0.6, solid_capstyle="butt")
            axes.plot(bar.value, row, "|", color=INK, markersize=9, mew=1.6)
        _finish(axes, xlabel, _wide(values), formatted=figures.seconds)
        return inline(figure, number, alt)


def scatter(dots: Sequence[Dot], palette: Palette, labels: tuple[str, str], alt: str, number: int) -> str:
    """Draw dots by name; the upper left is best where y is a measure and x a time."""
    with STYLED:
        figure, axes = _plain(dots, palette)
        for name in _names(dots):
            points = [(dot.x, dot.y) for dot in dots if dot.name == name]
            if points:
                axes.plot(*zip(*points, strict=True), palette.marker(name), color=palette.colour(name), mec=PAPER, ms=7)
        axes.set_ylabel(labels[1])
        axes.margins(y=0.15)
        if all(0 <= dot.y <= 1 for dot in dots):  # a fraction: the axis ends just above 1
            axes.set_ylim(top=min(axes.get_ylim()[1], 1.02))
        _finish(axes, labels[0], _wide([dot.x for dot in dots]), formatted=figures.seconds)
        return inline(figure, number, alt)


def per_query(points: Sequence[tuple[float, float]], names: tuple[str, str], alt: str, number: int) -> str:
    """Draw one dot per query, the measure by the second system over that by the first, and the diagonal."""
    with STYLED:
        figure = Figure(figsize=(WIDTH_IN, WIDTH_IN * 0.8), layout="constrained")
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color=LINE, linewidth=1.1)
        axes.plot(*zip(*points, strict=True), "o", color=SIDES[0], alpha=0.5, markersize=4, mew=0)
        axes.set_xlabel(_shortened(names[0], 48))
        axes.set_ylabel(_shortened(names[1], 48))
        axes.grid(color=LINE)
        return inline(figure, number, alt)


def lines(dots: Sequence[Dot], palette: Palette, labels: tuple[str, str], alt: str, number: int) -> str:
    """Draw one line per name over increasing x, both axes logarithmic: equal slopes are equal growth."""
    with STYLED:
        figure, axes = _plain(dots, palette)
        for name in _names(dots):
            points = sorted((dot.x, dot.y) for dot in dots if dot.name == name)
            if points:
                axes.plot(*zip(*points, strict=True), f"{palette.marker(name)}-", color=palette.colour(name), ms=5)
        sizes = sorted({dot.x for dot in dots})
        _logarithmic(axes.yaxis, [dot.y for dot in dots], figures.seconds)
        _logarithmic(axes.xaxis, sizes, figures.digits)
        axes.set_xticks(sizes, [_short(figures.digits(size)) for size in sizes])
        axes.set_xticks([], minor=True)
        axes.set_xlabel(_shortened(labels[0], 48))
        axes.set_ylabel(labels[1])
        return inline(figure, number, alt)


def _grouped(groups: Sequence[Group]) -> tuple[Figure, Any, list[tuple[float, Bar]]]:
    """Return an empty figure with the group headings, its axes, and the y position of each bar."""
    count = sum(len(group.bars) for group in groups)
    figure = Figure(figsize=(WIDTH_IN, 0.55 + BAR_IN * count + GROUP_IN * len(groups)), layout="constrained")
    axes = figure.subplots()
    rows: list[tuple[float, Bar]] = []
    y = 0.0
    for group in groups:
        transform = blended_transform_factory(figure.transFigure, axes.transData)
        heading = axes.text(0.01, y, _shortened(group.heading, 46), transform=transform, weight="bold", va="center")
        heading.set_in_layout(False)  # it may be as wide as the figure without narrowing the plot
        y += 1.05
        for bar in group.bars:
            rows.append((y, bar))
            y += 1.0
        y += GROUP_IN / BAR_IN - 1.05
    axes.set_yticks([row for row, _ in rows], [_shortened(bar.name, 24) for _, bar in rows])
    axes.set_ylim(y - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    return figure, axes, rows


def _plain(dots: Sequence[Dot], palette: Palette) -> tuple[Figure, Any]:
    shown = _names(dots)
    figure = Figure(figsize=(WIDTH_IN, 2.6 + 0.17 * len(shown)), layout="constrained")
    axes = figure.subplots()
    handles = [
        Line2D(
            [], [], color=palette.colour(name), marker=palette.marker(name), linestyle="", label=_shortened(name, 40)
        )
        for name in shown
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=1, handletextpad=0.2)
    axes.grid(color=LINE)
    return figure, axes


def _finish(axes: Any, xlabel: str, logarithmic: bool, formatted: Callable[[float], str] = figures.digits) -> None:
    axes.set_xlabel(_shortened(xlabel, 48))
    if logarithmic:
        _logarithmic(axes.xaxis, [], formatted)
    else:
        axes.set_xlim(left=0)
        axes.locator_params(axis="x", nbins=5)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(formatted(value)) if value else "0"))


def _logarithmic(axis: Any, values: Sequence[float], formatted: Callable[[float], str]) -> None:
    """Make the axis logarithmic, labelled at powers of ten, and between them where `values` span less than one."""
    axis._set_axes_scale("log")
    narrow = bool(values) and max(values) < 10 * min(values)
    axis.set_major_formatter(FuncFormatter(lambda value, _: _short(formatted(value))))
    if narrow:
        axis.set_minor_locator(LogLocator(subs=(2, 5)))
    axis.set_minor_formatter(FuncFormatter(lambda value, _: _short(formatted(value)) if narrow else ""))


def _names(dots: Sequence[Dot]) -> list[str]:
    return list(dict.fromkeys(dot.name for dot in dots))


def _shortened(text: str, most: int) -> str:
    """Shorten a label to leave space for the plot; the tables have the full name."""
    return text if len(text) <= most else text[: most - 1] + "…"


def _short(text: str) -> str:
    """Remove trailing zeros from a tick's label: 10.0 ms becomes 10 ms."""
    return re.sub(r"(\.\d*?)0+(?=\D|$)", r"\1", text).replace(". ", " ").rstrip(".")


def _wide(values: Sequence[float]) -> bool:
    return max(values) > LOG_FROM * min(values)
