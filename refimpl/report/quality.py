"""The systems of a run with their measures, in any order: the first section of its report."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import quantiles

from refimpl.report import figures, plots
from refimpl.report.document import NOTHING, Plot, Row, Section, Table
from refimpl.report.fields import Fields
from refimpl.search.results import MAIN, main_measure

LOWEST, GIVEN = "lowest", "given"
NOTE = "In brackets: 95% confidence interval of the mean over queries, by 9,999 bootstrap resamplings."


@dataclass(frozen=True)
class System:
    """One retrieval system of the run: its measures, their intervals, its raw latencies in seconds, one query each."""

    name: str
    about: str
    metrics: dict[str, float | None]
    intervals: dict[str, tuple[float, ...]]
    latency_s: tuple[float, ...]

    @property
    def main(self) -> str:
        """The measure by which systems are ordered: nDCG@10, or the first one of the run."""
        return main_measure(self.metrics or [MAIN])

    def value(self, measure: str) -> float:
        """A measure; -1 where it is absent."""
        value = self.metrics.get(measure)
        return -1.0 if value is None else value

    def written(self, measure: str) -> str:
        """A measure with its 95% confidence interval, where there is one."""
        bounds = self.intervals.get(measure)
        interval = f" [{figures.score(bounds[0])}, {figures.score(bounds[1])}]" if bounds else ""
        return figures.score(self.metrics.get(measure)) + interval

    @property
    def quartiles_s(self) -> tuple[float, float, float] | None:
        """First quartile, median and third quartile of the latencies."""
        if len(self.latency_s) < 2:
            return (self.latency_s[0],) * 3 if self.latency_s else None
        low, middle, high = quantiles(self.latency_s, n=4, method="inclusive")
        return low, middle, high


@dataclass(frozen=True)
class Order:
    """The systems in one order: its label in a choice, its description in a heading."""

    label: str
    heading: str
    systems: tuple[System, ...]


def read_systems(result: Fields) -> tuple[System, ...]:
    """The systems in the order of the run; ValueError where there are none."""
    fields = result.sub("systems")
    if not fields.values:
        raise ValueError(f"{result.where} contains no systems: nothing was run, run refimpl run again")
    return tuple(_system(fields.sub(name), name) for name in fields.values)


def best_first(systems: Sequence[System], measure: str) -> tuple[System, ...]:
    """The systems by a measure, descending; equal ones in their order."""
    return tuple(sorted(systems, key=lambda system: -system.value(measure)))


def section(systems: Sequence[System], order: str | None) -> Section:
    """The bars and the table of all measures, by the main measure unless `order` is another, LOWEST or GIVEN."""
    measures, main = _measures(systems), systems[0].main
    orders = _orders(systems, measures, main)
    chosen = main if order is None else order
    if chosen not in orders:
        raise ValueError(f"order must be one of {', '.join(orders)}, got {chosen!r}")
    first = orders.pop(chosen)
    others = tuple(_table(each, measures) for each in orders.values()) if len(systems) > 1 else ()
    measure = chosen if chosen in measures else main
    return Section(
        "Quality", plots=_bars(first.systems, measure), tables=(replace(_table(first, measures), others=others),)
    )


def _system(fields: Fields, name: str) -> System:
    metrics = fields.sub("metrics")
    return System(
        name=name,
        about=fields.text("about", ""),
        metrics={measure: metrics.number(measure) for measure in metrics.values},
        intervals=_intervals(fields),
        latency_s=tuple(ms / 1e3 for ms in fields.numbers("latency_ms")),
    )


def _intervals(fields: Fields) -> dict[str, tuple[float, ...]]:
    """Two bounds by measure; results of earlier releases have none."""
    if "intervals" not in fields.values:
        return {}
    intervals = fields.sub("intervals")
    return {measure: intervals.numbers(measure) for measure, bounds in intervals.values.items() if bounds is not None}


def _measures(systems: Sequence[System]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(measure for system in systems for measure in system.metrics))


def _orders(systems: Sequence[System], measures: Sequence[str], main: str) -> dict[str, Order]:
    """Every order, by its name in the option `order`."""
    orders = {
        measure: Order(f"best {measure}", f"highest {measure} first", best_first(systems, measure))
        for measure in measures or [main]
    }
    lowest = tuple(sorted(systems, key=lambda system: system.value(main)))
    orders[LOWEST] = Order(f"lowest {main}", f"lowest {main} first", lowest)
    orders[GIVEN] = Order("as given to the run", "as given to the run", tuple(systems))
    return orders


def _table(order: Order, measures: Sequence[str]) -> Table:
    rows = tuple(
        Row((system.name, *map(system.written, measures), _median(system), system.about)) for system in order.systems
    )
    note = NOTE if any(system.intervals for system in order.systems) else ""
    columns = ("system", *measures, "median latency", "about")
    return Table(f"Systems, {order.heading}", columns, rows, note, label=order.label)


def _bars(systems: Sequence[System], measure: str) -> tuple[Plot, ...]:
    bars = []
    for system in [system for system in systems if measure in system.intervals]:
        low, high = system.intervals[measure]
        bars.append(plots.Bar(system.name, system.value(measure), low, high))
    if not bars:
        return ()
    palette = plots.Palette.of([sorted(bar.name for bar in bars)])
    alt = f"{measure} of each system as a bar, with its 95% confidence interval; the table has the numbers."
    groups = [plots.Group("95% confidence intervals", tuple(bars))]
    return (Plot(measure, alt, partial(plots.bars, groups, palette, f"{measure} (more is better)", alt)),)


def _median(system: System) -> str:
    return figures.seconds(system.quartiles_s[1]) if system.quartiles_s else NOTHING
