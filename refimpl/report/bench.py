"""A benchmark result as a document: who won and lost, the races by stage, the verdicts, the machine."""

from collections.abc import Sequence
from functools import partial
from itertools import groupby

from refimpl.report import figures, plots
from refimpl.report.document import NOTHING, Document, Plot, Row, Section, Table
from refimpl.report.races import Race, Races, Side
from refimpl.report.stamps import rows as stamp_rows

EVEN = 1.02  # medians nearer than this to each other are called even, as are rounds that do not agree who is faster
SUMMARY_COLUMNS = ("race", "× the fastest other", "round by round", "outcome", "refimpl", "fastest other")
SIDE_COLUMNS = ("case", "competitor", "median", "middle half", "throughput", "× the fastest", "peak memory", "recall")


def document(result: Races, title: str) -> Document:
    """The report of a benchmark session."""
    races = result.races
    stages = sorted({race.stage for race in races}, key=[race.stage for race in races].index)
    by_stage = [(stage, [race for race in races if race.stage == stage]) for stage in stages]
    palette = plots.Palette.of([_names(own) for _, own in by_stage])
    return Document(
        title=title,
        headline=_headline(result),
        sections=(
            *_summary(races),
            *(_stage(stage, own, palette) for stage, own in by_stage),
            _verdicts(result),
        ),
        stamp=stamp_rows(result.stamp),
    )


def _headline(result: Races) -> tuple[str, ...]:
    met = [race for race in result.races if race.slowdown is not None]
    lost = [race for race in met if _outcome(race) == "slower"]
    won = [race for race in met if _outcome(race) == "faster"]
    said = [f"Disqualified in {one['group']}: {one['competitor']} ({one['why']})." for one in result.disqualified]
    if met:
        counts = f"{len(lost)} lost, {len(met) - len(lost) - len(won)} even, {len(won)} won"
        said.append(f"refimpl against the fastest other, {len(met)} races: {counts}.")
    if lost:
        said.append(f"Worst: {_compared(lost[0])}.")
    if won:
        said.append(f"Best: {_compared(won[-1])}.")
    if len(result.races) > len(met):
        said.append(f"{len(result.races) - len(met)} of {len(result.races)} races had no other side to compare with.")
    said.extend(f"Absent, so not raced: {name} ({why})." for name, why in sorted(result.absent.items()))
    return tuple(said)


def _compared(race: Race) -> str:
    assert race.rival is not None  # only races with a slowdown come here
    assert race.slowdown is not None
    rival = race.rival.name
    if race.slowdown >= 1:
        return f"{race.name}, where refimpl takes {figures.times(race.slowdown)} the time of {rival}"
    return f"{race.name}, where {rival} takes {figures.times(1 / race.slowdown)} the time of refimpl"


def _outcome(race: Race) -> str:
    if race.slowdown is None:
        return ""
    low, high = race.spread or (race.slowdown, race.slowdown)
    if low <= 1 <= high:
        return "even"
    if race.slowdown > EVEN:
        return "slower"
    return "faster" if race.slowdown < 1 / EVEN else "even"


TONES = {"slower": "loss", "faster": "win"}


def _summary(races: Sequence[Race]) -> tuple[Section, ...]:
    met = [race for race in races if race.slowdown is not None]
    if not met:
        return ()
    rows = tuple(_summary_row(race) for race in met)
    note = (
        "Median time of refimpl over the median time of the fastest other side. Round by round: the middle half of the "
        "ratios within each interleaved round; where it holds 1, the rounds do not agree and the race is called even."
    )
    return (Section("All races", tables=(Table("Worst first", SUMMARY_COLUMNS, rows, note, "outcome"),)),)


def _summary_row(race: Race) -> Row:
    assert race.ours is not None  # only races with both come here
    assert race.rival is not None
    ours, rival = figures.seconds(race.ours.median_s), figures.seconds(race.rival.median_s)
    outcome = _outcome(race)
    spread = f"{figures.times(race.spread[0])} to {figures.times(race.spread[1])}" if race.spread else NOTHING
    cells = (race.name, figures.times(race.slowdown), spread, outcome, ours, f"{rival} ({race.rival.name})")
    return Row(cells, TONES.get(outcome, ""))


def _stage(stage: str, races: Sequence[Race], palette: plots.Palette) -> Section:
    drawn: list[Plot] = []
    for unit, own in groupby(sorted(races, key=lambda race: race.sides[0].unit), key=lambda race: race.sides[0].unit):
        kept = sorted(own, key=races.index)
        groups = [plots.Group(race.case or race.stage, tuple(_rate(s) for s in race.sides)) for race in kept]
        alt = f"Throughput of {stage} in {unit} a second; the table below holds its numbers."
        drawn.append(
            Plot("Throughput", alt, partial(plots.bars, groups, palette, f"{unit} a second (more is better)", alt))
        )
    groups = [plots.Group(race.case or race.stage, tuple(_time(s) for s in race.sides)) for race in races]
    alt = f"Time a run of {stage}, every round a dot; the table below holds the medians."
    drawn.append(Plot("Latency", alt, partial(plots.boxes, groups, palette, "time a run (less is better)", alt)))
    drawn += _recall(stage, races, palette) + _cost(stage, races, palette)
    note = "Middle half: first to third quartile. Peak memory: what one run adds to the process."
    table = Table("Every side, slowest first", SIDE_COLUMNS, _sides(races), note, "× the fastest")
    return Section(stage.capitalize(), plots=tuple(drawn), tables=(table.compact(),))


def _sides(races: Sequence[Race]) -> tuple[Row, ...]:
    rows = []
    for race in races:
        fastest = min(side.median_s for side in race.sides)
        rows += [_side_row(race, side, side.median_s / fastest) for side in race.sides]
    return tuple(rows)


def _side_row(race: Race, side: Side, ratio: float) -> Row:
    cells = (
        race.case or race.stage,
        side.name,
        figures.seconds(side.median_s),
        f"{figures.seconds(side.q1_s)} to {figures.seconds(side.q3_s)}",
        figures.rate(side.throughput, side.unit),
        figures.times(ratio),
        figures.size(side.peak_rss_bytes),
        figures.score(side.recall),
    )
    return Row(cells, TONES.get(_outcome(race), "") if side.ours else "")


def _recall(stage: str, races: Sequence[Race], palette: plots.Palette) -> list[Plot]:
    dots = [
        plots.Dot(s.name, s.median_s / s.work, s.recall) for race in races for s in race.sides if s.recall is not None
    ]
    if not dots:
        return []
    unit = races[0].sides[0].unit
    alt = f"Recall of {stage} against exact search over the time of one of its {unit}; the upper left is best."
    labels = (f"time / number of {unit} (less is better)", "recall")
    return [Plot("Recall against time", alt, partial(plots.scatter, dots, palette, labels, alt))]


def _cost(stage: str, races: Sequence[Race], palette: plots.Palette) -> list[Plot]:
    drawn = []
    for series in dict.fromkeys(race.series for race in races):
        sides = [side for race in races if race.series == series for side in race.sides]
        dots = [plots.Dot(side.name, side.size, side.median_s) for side in sides if side.size]
        if len({dot.x for dot in dots}) < 2:
            continue
        title = "Cost against size" if series == stage else f"Cost against size: {series}"
        alt = f"Time a run of {stage} ({series}) as the size grows, both axes logarithmic."
        drawn.append(Plot(title, alt, partial(plots.lines, dots, palette, ("size", "time a run"), alt)))
    return drawn


def _verdicts(result: Races) -> Section:
    wrong = [
        Row((one["group"], one["competitor"], f"wrong or failed, so not timed: {one['why']}"), "loss")
        for one in result.disqualified
    ]
    right = [Row((race.name, side.name, side.verdict or "not checked")) for race in result.races for side in race.sides]
    unchecked = [row for row in right if row.cells[2] == "not checked"]
    rows = (*wrong, *unchecked, *(row for row in right if row not in unchecked))
    prose = "Every side answered before it was timed; what was wrong was not timed." if not unchecked else NOTHING
    table = Table("What each check found", ("race", "competitor", "verdict"), rows, toned="verdict")
    return Section("Correctness", prose=() if prose == NOTHING else (prose,), tables=(table,))


def _names(races: Sequence[Race]) -> tuple[str, ...]:
    """All competitors, ours first, then by name."""
    sides = {(not side.ours, side.name) for race in races for side in race.sides}
    return tuple(dict.fromkeys(name for _, name in sorted(sides)))


def _rate(side: Side) -> plots.Bar:
    return plots.Bar(side.name, side.throughput, side.work / side.q3_s, side.work / side.q1_s)


def _time(side: Side) -> plots.Bar:
    return plots.Bar(side.name, side.median_s, side.q1_s, side.q3_s, side.rounds_s)
