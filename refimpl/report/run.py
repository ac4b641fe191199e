"""A result of `refimpl run` as a document: which system retrieves best, at what cost, and what the judge found."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from statistics import quantiles

from refimpl.report import figures, plots
from refimpl.report.document import NOTHING, Document, Plot, Row, Section, Table
from refimpl.report.fields import Fields
from refimpl.report.stamps import rows as stamp_rows

SCHEMA = "refimpl.run/1"
MAIN = "nDCG@10"
ALPHA = 0.05


@dataclass(frozen=True)
class System:
    """One retrieval system of the run: its measures, and its raw latencies of one query at a time, in seconds."""

    name: str
    about: str
    metrics: dict[str, float | None]
    latency_s: tuple[float, ...]

    @property
    def quality(self) -> float:
        """nDCG@10; below all others where it is absent."""
        value = self.metrics.get(MAIN)
        return -1.0 if value is None else value

    @property
    def quartiles_s(self) -> tuple[float, float, float] | None:
        """First quartile, median and third quartile of the latencies."""
        if len(self.latency_s) < 2:
            return (self.latency_s[0],) * 3 if self.latency_s else None
        low, middle, high = quantiles(self.latency_s, n=4, method="inclusive")
        return low, middle, high


def document(result: Fields, title: str) -> Document:
    """The report of one run; ValueError names the field that is not as schema refimpl.run/1 has it."""
    held = result.sub("systems")
    systems = sorted((_system(held.sub(name), name) for name in held.values), key=lambda system: system.quality)
    if not systems:
        raise ValueError(f"{result.where} holds no systems: nothing was run, so there is nothing to report")
    return Document(
        title=title,
        headline=tuple(_headline(result, systems)),
        sections=(
            _quality(systems),
            *_significance(result),
            *_cost(systems, result),
            _correctness(result),
            *_departures(result),
        ),
        stamp=stamp_rows({"dataset": result.sub("dataset").values, **result.sub("stamp").values, **_store(result)}),
    )


def _system(held: Fields, name: str) -> System:
    metrics = held.sub("metrics")
    return System(
        name=name,
        about=held.text("about", ""),
        metrics={measure: metrics.number(measure) for measure in metrics.values},
        latency_s=tuple(ms / 1e3 for ms in held.numbers("latency_ms")),
    )


def _store(result: Fields) -> dict[str, object]:
    return {"store": result.sub("store").values}


def _headline(result: Fields, systems: Sequence[System]) -> list[str]:
    data = result.sub("dataset")
    failed = [one for one in result.items("verdicts") if one.values.get("passed") is not True]
    said = [f"The judge does not agree: {one.text('what', '')} ({one.text('metric', '')})." for one in failed]
    counts = [f"{int(n):,} {key}" for key in ("documents", "queries") if (n := data.not_negative(key)) is not None]
    said.append(f"{data.text('name', 'unnamed data')}: {', '.join(counts)}; {len(systems)} systems.")
    best, worst = systems[-1], systems[0]
    if len(systems) > 1:
        said.append(f"Lowest {MAIN}: {worst.name}, {figures.score(worst.metrics.get(MAIN))}.")
    said.append(f"Highest {MAIN}: {best.name}, {figures.score(best.metrics.get(MAIN))}.")
    if not failed and result.items("verdicts"):
        said.append(f"Milvus' answers equal the judge's in all {len(result.items('verdicts'))} checks.")
    bad = data.values.get("bad_lines")
    if bad:
        said.append(f"{len(bad) if isinstance(bad, list) else bad} malformed lines of the data were skipped.")
    return said


def _quality(systems: Sequence[System]) -> Section:
    measures = tuple(dict.fromkeys(measure for system in systems for measure in system.metrics))
    rows = tuple(
        Row((system.name, *(figures.score(system.metrics.get(m)) for m in measures), _median(system), system.about))
        for system in systems
    )
    columns = ("system", *measures, "median latency", "about")
    return Section("Quality", tables=(Table(f"Systems, lowest {MAIN} first", columns, rows),))


def _median(system: System) -> str:
    return figures.seconds(system.quartiles_s[1]) if system.quartiles_s else NOTHING


def _significance(result: Fields) -> list[Section]:
    tests = sorted(result.items("significance"), key=lambda test: -(test.number("p_value") or 0.0))
    rows = []
    for test in tests:
        p, difference = test.fraction("p_value"), test.number("difference")
        outcome = "no difference shown" if p is None or p >= ALPHA else "differs"
        numbers = (f"{difference:+.4f}" if difference is not None else NOTHING, NOTHING if p is None else f"{p:.4f}")
        rows.append(Row((f"{test.text('a', '')} − {test.text('b', '')}", test.text("measure", ""), *numbers, outcome)))
    if not rows:
        return []
    note = f"Paired randomisation test over queries, two-sided; p below {ALPHA} is called a difference."
    table = Table(
        "Pairs of systems, least sure first", ("pair", "measure", "difference", "p", "outcome"), tuple(rows), note
    )
    return [Section("Significance", tables=(table,))]


def _cost(systems: Sequence[System], result: Fields) -> list[Section]:
    palette = plots.Palette.of([sorted(system.name for system in systems)])
    timed = sorted((s for s in systems if s.quartiles_s), key=lambda s: -s.quartiles_s[1] if s.quartiles_s else 0.0)
    drawn: list[Plot] = []
    bars, dots = [], []
    for system in timed:
        assert system.quartiles_s is not None
        low, middle, high = system.quartiles_s
        bars.append(plots.Bar(system.name, middle, low, high, system.latency_s))
        dots.append(plots.Dot(system.name, middle, max(system.quality, 0.0)))
    if bars:
        alt = "Latency of each system, one query at a time, every query a dot; medians stand in the table of systems."
        groups = [plots.Group("one query at a time", tuple(bars))]
        drawn.append(Plot("Latency", alt, partial(plots.boxes, groups, palette, "time a query (less is better)", alt)))
        alt = f"{MAIN} of each system over its median latency; the upper left is best."
        labels = ("median time a query (less is better)", f"{MAIN} (more is better)")
        drawn.append(Plot(f"{MAIN} against time", alt, partial(plots.scatter, dots, palette, labels, alt)))
    tables = _timings(result)
    return [Section("Cost", plots=tuple(drawn), tables=tables)] if drawn or tables else []


def _timings(result: Fields) -> tuple[Table, ...]:
    rows = []
    for timing in sorted(result.items("timings"), key=lambda timing: -(timing.not_negative("seconds") or 0.0)):
        items, skipped = timing.not_negative("items"), timing.not_negative("skipped")
        cells = (timing.text("stage", ""), timing.text("what", ""), figures.seconds(timing.not_negative("seconds")))
        counts = NOTHING if items is None else f"{items:,.0f}", "" if not skipped else f"{skipped:,.0f}"
        rows.append(Row((*cells, figures.rate(timing.not_negative("per_second"), "items"), *counts)))
    if not rows:
        return ()
    columns = ("stage", "what", "time", "rate", "items", "skipped")
    note = "Skipped: cached, or in the store already; the rate is of those that were done."
    return (Table("Stages, longest first", columns, tuple(rows), note),)


def _correctness(result: Fields) -> Section:
    verdicts = sorted(
        result.items("verdicts"), key=lambda v: (v.values.get("passed") is True, v.number("recall") or 0.0)
    )
    rows = tuple(_verdict(verdict) for verdict in verdicts)
    if not rows:
        return Section("Correctness", prose=("This run holds no verdict: nothing was checked against exact search.",))
    columns = ("answers", "metric", "verdict", "recall", "largest score error", "allowed", "queries")
    note = "The judge is exact search over all documents; recall counts ties at the k-th score."
    return Section("Correctness", tables=(Table("Milvus against the judge", columns, rows, note, "verdict"),))


def _verdict(verdict: Fields) -> Row:
    passed = verdict.values.get("passed") is True
    problems = verdict.values.get("problems")
    found = "; ".join(map(str, problems[:3])) if isinstance(problems, list) and problems else ""
    error, allowed = verdict.number("max_error"), verdict.number("tolerance")
    k, queries = verdict.not_negative("k"), verdict.not_negative("queries")
    cells = (
        verdict.text("what", ""),
        verdict.text("metric", ""),
        "equal" if passed else f"differs: {found}" if found else "differs",
        figures.score(verdict.fraction("recall")) + (f" @{k:.0f}" if k is not None else ""),
        NOTHING if error is None else f"{error:.1e}",
        NOTHING if allowed is None else f"{allowed:.0e}",
        NOTHING if queries is None else f"{queries:,.0f}",
    )
    return Row(cells, "" if passed else "loss")


def _departures(result: Fields) -> list[Section]:
    rows = []
    for one in result.items("departures"):
        numbers = ", ".join(f"{name} {_number(value)}" for name, value in one.sub("figures").values.items())
        rows.append(Row((one.text("what", ""), one.text("why", ""), numbers)))
    if not rows:
        return []
    prose = "Where the engine answers otherwise than Milvus' definitions say, in figures of this run."
    return [
        Section("Departures", prose=(prose,), tables=(Table("In figures", ("what", "why", "figures"), tuple(rows)),))
    ]


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
