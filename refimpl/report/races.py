"""A pytest-benchmark result as races: competitors timed on the same work, with their raw rounds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any

from refimpl.report.fields import Fields


@dataclass(frozen=True)
class Side:
    """One competitor of one race; times are in seconds per run, `work` is the number of units per run."""

    name: str
    ours: bool
    median_s: float
    q1_s: float
    q3_s: float
    least_s: float
    most_s: float
    rounds: int
    rounds_s: tuple[float, ...]
    work: float
    unit: str
    recall: float | None
    peak_rss_bytes: float | None
    correctness: str | None
    size: float | None

    @property
    def throughput(self) -> float:
        """Units per second, by the median."""
        return self.work / self.median_s


@dataclass(frozen=True)
class Race:
    """The sides of one group, slowest first; races of one `series` differ only in `size`."""

    stage: str
    case: str
    series: str
    sides: tuple[Side, ...]

    @property
    def name(self) -> str:
        """The stage and the case."""
        return f"{self.stage}: {self.case}" if self.case else self.stage

    @property
    def ours(self) -> Side | None:
        """The side of refimpl, None where it did not run."""
        return next((side for side in self.sides if side.ours), None)

    @property
    def rival(self) -> Side | None:
        """The fastest other side."""
        return min((side for side in self.sides if not side.ours), key=lambda side: side.median_s, default=None)

    @property
    def slowdown(self) -> float | None:
        """The ratio of refimpl's median to the fastest other's, above 1 where refimpl is slower; None without both."""
        return self.ours.median_s / self.rival.median_s if self.ours and self.rival else None

    @property
    def spread(self) -> tuple[float, float] | None:
        """Quartiles of that ratio within each round; None where the rounds are not paired."""
        if self.ours is None or self.rival is None or len(self.ours.rounds_s) != len(self.rival.rounds_s):
            return None
        if len(self.ours.rounds_s) < 2 or min(self.rival.rounds_s) <= 0:
            return None
        ratios = [ours / rival for ours, rival in zip(self.ours.rounds_s, self.rival.rounds_s, strict=True)]
        low, _, high = quantiles(ratios, n=4, method="inclusive")
        return low, high


@dataclass(frozen=True)
class Races:
    """All races of a result, worst first, with the machine stamp, absent libraries and disqualified sides."""

    races: tuple[Race, ...]
    stamp: Mapping[str, Any]
    absent: Mapping[str, str] = field(default_factory=dict)
    disqualified: tuple[Mapping[str, str], ...] = ()


def parse(result: Fields) -> Races:
    """Parse the races of a pytest-benchmark JSON; entries of other projects are grouped by their file.

    Raises ValueError, with the field's name, for a number that is missing, not finite or not positive.
    """
    groups: dict[tuple[str, str], list[tuple[Side, str]]] = {}
    for entry in result.items("benchmarks"):
        facts = entry.sub("extra_info")
        group = entry.text("group", "") or entry.text("fullname", "").partition("::")[0] or "benchmarks"
        stage, case = facts.text("stage", group), facts.text("case", "")
        groups.setdefault((stage, case), []).append((_side(entry, facts), facts.text("series", stage)))
    if not groups:
        raise ValueError(f"{result.where} contains no benchmarks: nothing was timed, run pytest --benchmark again")
    races = [
        Race(stage, case, sides[0][1], tuple(sorted((s for s, _ in sides), key=lambda side: -side.median_s)))
        for (stage, case), sides in groups.items()
    ]
    own = result.sub("refimpl")
    return Races(
        races=tuple(sorted(races, key=_worst_first)),
        stamp=own.sub("stamp").values or _plain_stamp(result),
        absent={name: str(why) for name, why in own.sub("absent").values.items()},
        disqualified=tuple(
            {key: one.text(key, "") for key in ("group", "competitor", "why")} for one in own.items("disqualified")
        ),
    )


def _worst_first(race: Race) -> tuple[bool, float]:
    return race.slowdown is None, -(race.slowdown or 0.0)


def _side(entry: Fields, facts: Fields) -> Side:
    stats = entry.sub("stats")
    median = stats.positive("median")
    return Side(
        name=facts.text("competitor", "") or entry.text("name", "unnamed"),
        ours=facts.values.get("ours") is True,
        median_s=median,
        q1_s=stats.positive("q1", median),
        q3_s=stats.positive("q3", median),
        least_s=stats.positive("min", median),
        most_s=stats.positive("max", median),
        rounds=int(stats.positive("rounds", 1.0)),
        rounds_s=stats.numbers("data"),
        work=facts.positive("work", 1.0),
        unit=facts.text("unit", "runs"),
        recall=facts.fraction("recall"),
        peak_rss_bytes=facts.not_negative("peak_rss_bytes"),
        correctness=facts.text("verdict", "") or None,
        size=facts.not_negative("size"),
    )


def _plain_stamp(result: Fields) -> dict[str, Any]:
    """Return pytest-benchmark's own machine information, for results of other projects."""
    machine = result.sub("machine_info")
    return {
        "at": result.text("datetime", ""),
        "machine": {"cpu": machine.sub("cpu").text("brand_raw", ""), "os": machine.text("system", "")},
        "python": f"{machine.text('python_implementation', '')} {machine.text('python_version', '')}".strip(),
        "commit": result.sub("commit_info").text("id", ""),
    }
