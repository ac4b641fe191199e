"""The part of a run's report about time and money: sums by stage, and each timing."""

from refimpl.report import figures
from refimpl.report.document import NOTHING, Row, Table
from refimpl.report.fields import Fields


def tables(result: Fields) -> tuple[Table, ...]:
    """The tables for which the result has values; results of earlier releases have no stages and no costs."""
    return tuple(table.compact() for table in (_stages(result), _timings(result)) if table.rows)


def _stages(result: Fields) -> Table:
    stages = result.items("stages")
    total = sum(stage.not_negative("seconds") or 0.0 for stage in stages)
    rows = []
    for stage in stages:
        seconds, items = stage.not_negative("seconds"), stage.not_negative("items")
        share = NOTHING if seconds is None or not total else f"{seconds / total:.0%}"
        item = stage.text("item", "item")
        cells = (
            stage.text("stage", ""),
            figures.seconds(seconds),
            share,
            _each(stage.not_negative("seconds_per_item"), item),
            NOTHING if items is None else f"{items:,.0f}",
            figures.amount(stage.not_negative("cost")),
            figures.amount(stage.not_negative("cost_per_1000")),
        )
        rows.append(Row(cells))
    costs = [stage.not_negative("cost") for stage in stages]
    known = [cost for cost in costs if cost is not None]
    if rows:
        rows.append(Row(("all", figures.seconds(total), NOTHING, NOTHING, NOTHING, _sum(known, len(costs)), NOTHING)))
    columns = ("stage", "time", "share", "per item", "items", "cost", "cost per 1,000 items")
    return Table("Time and money by stage", columns, tuple(rows), _note(result, bool(known)))


def _timings(result: Fields) -> Table:
    rows = []
    for timing in sorted(result.items("timings"), key=lambda timing: -(timing.not_negative("seconds") or 0.0)):
        items, skipped, tokens = (timing.not_negative(key) for key in ("items", "skipped", "tokens"))
        cells = (
            timing.text("stage", ""),
            timing.text("what", ""),
            figures.seconds(timing.not_negative("seconds")),
            figures.rate(timing.not_negative("per_second"), "items"),
            *(NOTHING if value is None else f"{value:,.0f}" for value in (items, skipped, tokens)),
            figures.amount(timing.not_negative("cost")),
        )
        rows.append(Row(cells))
    columns = ("stage", "what", "time", "rate", "items", "skipped", "tokens", "cost")
    note = "Skipped: cached, or already stored; the rate is that of the others."
    return Table("Stages, longest first", columns, tuple(rows), note)


def _each(seconds: float | None, item: str) -> str:
    return NOTHING if seconds is None else f"{figures.seconds(seconds)}/{item}"


def _sum(known: list[float], stages: int) -> str:
    """The sum of the costs; of some stages alone, it is a lower bound."""
    if not known:
        return NOTHING
    return figures.amount(sum(known)) if len(known) == stages else f"at least {figures.amount(sum(known))}"


def _note(result: Fields, priced: bool) -> str:
    settings = result.sub("stamp").sub("settings")
    note = "Sums over fields and systems, without what was cached or stored already."
    if not priced:
        return note
    hour = settings.not_negative("price_per_hour")
    prices = [] if hour is None else [f"{figures.digits(hour)} per hour of the machine"]
    tokens = settings.sub("price_per_million_tokens")
    prices += [
        f"{figures.digits(tokens.not_negative(name) or 0.0)} per million tokens of {name}" for name in tokens.values
    ]
    return f"{note} Cost in the currency of the prices: {', '.join(prices)}. A stage without a known price has none."
