"""A benchmark result as a document: a summary of all races, the races by stage, the correctness checks, the machine."""

from collections.abc import Sequence
from functools import partial
from itertools import groupby

from refimpl.report import figures, plots
from refimpl.report.document import NOTHING, Document, Plot, Row, Section, Table
from refimpl.report.races import Race, Races, Side
from refimpl.report.stamps import rows as stamp_rows

EVEN = 1.02  # medians within this ratio are called even, as are races whose rounds disagree about which side is faster
SUMMARY_COLUMNS = ("race", "× the fastest other", "by round", "outcome", "refimpl", "fastest other")
SIDE_COLUMNS = ("case", "competitor", "median", "quartiles", "throughput", "× the fastest", "peak memory", "recall")


def document(result: Races, title: str) -> Document:
    """Return the report of a benchmark session."""
    races = result.races
    stages = sorted({race.stage for race in races}, key=[race.stage for race in races].index)
    by_stage = [(stage, [race for race in races if race.stage == stage]) for stage in stages]
    palette = plots.Palette.of([_names(of_stage) for _, of_stage in by_stage])
    return Document(
        title=title,
        headline=_headline(result),
        sections=(
            *_summary(races),
            *(_stage(stage, of_stage, palette) for stage, of_stage in by_stage),
            _correctness(result),
        ),
        stamp=stamp_rows(result.stamp),
    )


def _headline(result: Races) -> tuple[str, ...]:
    compared = [race for race in result.races if race.slowdown is not None]
    lost = [race for race in compared if _outcome(race) == "slower"]
    won = [race for race in compared if _outcome(race) == "faster"]
    sentences = [f"Disqualified in {one['group']}: {one['competitor']} ({one['why']})." for one in result.disqualified]
    if compared:
        counts = f"{len(lost)} lost, {len(compared) - len(lost) - len(won)} even, {len(won)} won"
        sentences.append(f"refimpl against the fastest other, {len(compared)} races: {counts}.")
    if lost:
        sentences.append(f"Worst: {_ratio(lost[0])}.")
    if won:
        sentences.append(f"Best: {_ratio(won[-1])}.")
    if alone := len(result.races) - len(compared):
        sentences.append(f"Races without another side to compare with: {alone} of {len(result.races)}.")
    sentences.extend(f"Not installed, so not timed: {name} ({why})." for name, why in sorted(result.absent.items()))
    return tuple(sentences)


def _ratio(race: Race) -> str:
    assert race.rival is not None  # only called for races with a slowdown
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
    compared = [race for race in races if race.slowdown is not None]
    if not compared:
        return ()
    rows = tuple(_summary_row(race) for race in compared)
    note = (
        "Median time of refimpl divided by the median time of the fastest other side. By round: first to third "
        "quartile of the ratios within each interleaved round; where that range contains 1, the race is called even."
    )
    return (Section("All races", tables=(Table("Worst first", SUMMARY_COLUMNS, rows, note, "outcome"),)),)


def _summary_row(race: Race) -> Row:
    assert race.ours is not None  # only called for races with both sides
    assert race.rival is not None
    ours, rival = figures.seconds(race.ours.median_s), figures.seconds(race.rival.median_s)
    outcome = _outcome(race)
    spread = f"{figures.times(race.spread[0])} to {figures.times(race.spread[1])}" if race.spread else NOTHING
    cells = (race.name, figures.times(race.slowdown), spread, outcome, ours, f"{rival} ({race.rival.name})")
    return Row(cells, TONES.get(outcome, ""))


def _stage(stage: str, races: Sequence[Race], palette: plots.Palette) -> Section:
    drawn: list[Plot] = []
    for unit, of_unit in groupby(sorted(races, key=_unit), key=_unit):
        ordered = sorted(of_unit, key=races.index)
        groups = [plots.Group(race.case or race.stage, tuple(_rate(s) for s in race.sides)) for race in ordered]
        alt = f"Throughput of {stage} in {unit} per second; the table below lists the numbers."
        drawn.append(Plot("Throughput", alt, partial(plots.bars, groups, palette, f"{unit}/s (more is better)", alt)))
    groups = [plots.Group(race.case or race.stage, tuple(_time(s) for s in race.sides)) for race in races]
    alt = f"Time per run of {stage}, one dot per round; the table below lists the medians."
    drawn.append(Plot("Latency", alt, partial(plots.boxes, groups, palette, "time per run (less is better)", alt)))
    drawn += _recall(stage, races, palette) + _cost(stage, races, palette)
    note = "Quartiles: the first and the third. Peak memory: the increase of the process's memory by one run."
    table = Table("Every side, slowest first", SIDE_COLUMNS, _sides(races), note, "× the fastest")
    return Section(stage.capitalize(), plots=tuple(drawn), tables=(table.compact(),))


def _unit(race: Race) -> str:
    return race.sides[0].unit


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
    unit = _unit(races[0])
    alt = f"Recall of {stage} against exact search over the time per item; the upper left is best."
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
        alt = f"Time per run of {stage} ({series}) by size, both axes logarithmic."
        drawn.append(Plot(title, alt, partial(plots.lines, dots, palette, ("size", "time per run"), alt)))
    return drawn


def _correctness(result: Races) -> Section:
    wrong = [
        Row((one["group"], one["competitor"], f"mismatch or error, so not timed: {one['why']}"), "loss")
        for one in result.disqualified
    ]
    right = [
        Row((race.name, side.name, side.correctness or "not checked")) for race in result.races for side in race.sides
    ]
    unchecked = [row for row in right if row.cells[2] == "not checked"]
    rows = (*wrong, *unchecked, *(row for row in right if row not in unchecked))
    prose = (
        () if unchecked else ("The result of every side was checked before it was timed; wrong ones were not timed.",)
    )
    table = Table("Results of the checks", ("race", "competitor", "result"), rows, toned="result")
    return Section("Correctness", prose=prose, tables=(table,))


def _names(races: Sequence[Race]) -> tuple[str, ...]:
    """Return all competitors, refimpl first, then by name."""
    sides = {(not side.ours, side.name) for race in races for side in race.sides}
    return tuple(dict.fromkeys(name for _, name in sorted(sides)))


def _rate(side: Side) -> plots.Bar:
    return plots.Bar(side.name, side.throughput, side.work / side.q3_s, side.work / side.q1_s)


def _time(side: Side) -> plots.Bar:
    return plots.Bar(side.name, side.median_s, side.q1_s, side.q3_s, side.rounds_s)
