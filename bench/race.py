"""A fair race: every competitor is checked for correctness first, then all are timed in turn, round by round.

pytest-benchmark runs one test after another, so a machine that slows down would affect only the later tests. Here one
test has all competitors of a group; each round times every one of them once, in a shuffled order, and each becomes an
entry of pytest-benchmark: same table, same JSON with raw times, same `--benchmark-compare`.
"""

import gc
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture, PauseInstrumentation
from pytest_benchmark.stats import Metadata
from threadpoolctl import threadpool_limits

from bench.memory import peak_growth_bytes

SEED = 20240605
OURS = "refimpl"
MOST_ROUNDS = 500
LEAST_ROUND_S = 2e-3  # shorter calls are looped, so that a round is a thousand times the timer's own cost


@dataclass(frozen=True)
class Correctness:
    """Outcome of a check that passed: a description with figures and, where it applies, recall@k in [0, 1]."""

    description: str
    recall: float | None = None


@dataclass(frozen=True)
class Competitor:
    """One side: `run` is timed; `before` and `after` are called around every run, and are not timed.

    `settings` records what applies to this side alone (threads, precision, an option).
    """

    run: Callable[[], Any]
    before: Callable[[], Any] | None = None
    after: Callable[[], Any] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def once(self) -> Any:
        """The result of one untimed run."""
        with self.around():
            return self.run()

    @contextmanager
    def around(self) -> Iterator[None]:
        """`before` on entry, `after` on exit, also after an error."""
        if self.before is not None:
            self.before()
        try:
            yield
        finally:
            if self.after is not None:
                self.after()

    @property
    def repeatable(self) -> bool:
        """Whether runs may follow each other without `before` and `after`."""
        return self.before is None and self.after is None


class Race:
    """The `race` fixture: call it once per test, with every competitor of the group."""

    def __init__(self, benchmark: BenchmarkFixture, request: pytest.FixtureRequest, threads: int) -> None:
        self._benchmark = benchmark
        self._request = request
        self._session = request.config._benchmarksession  # type: ignore[attr-defined]
        self._threads = threads
        self.disqualified: list[dict[str, str]] = []

    def __call__(
        self,
        competitors: Mapping[str, Competitor | Callable[[], Any]],
        *,
        stage: str,
        case: str,
        work: int,
        unit: str,
        check: Callable[[str, Any], Correctness],
        size: int | None = None,
        **facts: Any,
    ) -> None:
        """Check each competitor's result, time the correct ones in turn, and fail if any was wrong.

        `work` is the number of `unit`s (texts, queries, documents) that one run processes. `size` is the quantity that
        the cost may depend on (documents in the collection). `facts` (the data's hash, settings) are stored with every
        entry.
        """
        self._benchmark._mode = "race"
        common = {"stage": stage, "case": case, "work": work, "unit": unit, "threads": self._threads, "seed": SEED}
        common |= ({"size": size} if size is not None else {}) | facts
        sides = {name: side if isinstance(side, Competitor) else Competitor(side) for name, side in competitors.items()}
        with threadpool_limits(limits=self._threads), _frozen_heap():
            passed = self._check(sides, check, f"{stage}: {case}")
            if not self._benchmark.disabled:
                runners = [_Runner(name, sides[name], self._entry(name, sides[name], common)) for name in passed]
                for runner in runners:
                    runner.entry.extra_info |= _facts(passed[runner.name])
                self._run(runners)
        if self.disqualified:
            pytest.fail("\n".join(f"{each['competitor']}: {each['why']}" for each in self.disqualified), pytrace=False)

    def _check(
        self, sides: Mapping[str, Competitor], check: Callable[[str, Any], Correctness], group: str
    ) -> dict[str, Correctness]:
        passed = {}
        for name, side in sides.items():
            try:
                passed[name] = check(name, side.once())
            except Exception as error:  # a crash or wrong result of one side must not hide the times of the others
                why = f"{type(error).__name__}: {error}".strip()
                self.disqualified.append({"group": group, "competitor": name, "why": why})
        return passed

    def _entry(self, name: str, side: Competitor, common: Mapping[str, Any]) -> SimpleNamespace:
        """The attributes of a fixture that pytest-benchmark's Metadata reads, for one competitor."""
        node = self._request.node
        parameters = dict(node.callspec.params) if hasattr(node, "callspec") else {}
        return SimpleNamespace(
            name=name,
            fullname=f"{node.nodeid}::{name}",
            group=f"{common['stage']}: {common['case']}",
            param=name,
            params=parameters | {"competitor": name},
            extra_info=dict(common)
            | {"competitor": name, "ours": name.startswith(OURS), "settings": dict(side.settings)},
            cprofile_stats=None,
            has_error=False,
        )

    def _run(self, runners: list["_Runner"]) -> None:
        options = self._session.options
        timer, quiet = options["timer"].target, bool(options["disable_gc"])
        budget_s = float(options["max_time"]) * len(runners)
        for runner in runners:
            began = timer()
            runner.entry.extra_info["peak_rss_bytes"] = runner.memory()
            if timer() - began < 100 * LEAST_ROUND_S:  # a slow run needs no loop and no second run
                runner.calibrate(timer)
            self._session.benchmarks.append(runner.start(self._options(timer, quiet)))
        order, began, rounds = random.Random(SEED), perf_counter(), 0
        while rounds < MOST_ROUNDS and (rounds < options["min_rounds"] or perf_counter() - began < budget_s):
            for runner in order.sample(runners, len(runners)):
                runner.round(timer, quiet, began)
            rounds += 1

    def _options(self, timer: Any, quiet: bool) -> dict[str, Any]:
        options = self._session.options
        kept = {name: options[name] for name in ("min_rounds", "max_time", "min_time")}
        return {"disable_gc": quiet, "timer": timer, "warmup": True, "interleaved": True} | kept


class _Runner:
    """One competitor while the race runs: its loop count, its pytest-benchmark entry, its rounds."""

    def __init__(self, name: str, side: Competitor, entry: SimpleNamespace) -> None:
        self.name = name
        self.side = side
        self.entry = entry
        self.loops = 1
        self.metadata: Metadata | None = None

    def memory(self) -> int | None:
        """Growth of resident memory in one run, in bytes; None where the system does not report it."""
        with self.side.around():
            return peak_growth_bytes(self.side.run)

    def calibrate(self, timer: Callable[[], float]) -> None:
        """Double the loop count until a round is long enough to time."""
        while self.side.repeatable and self._elapsed(timer) < LEAST_ROUND_S and self.loops < 1_000_000:
            self.loops *= 2

    def start(self, options: dict[str, Any]) -> Metadata:
        """The entry that collects the rounds."""
        self.metadata = Metadata(self.entry, iterations=self.loops, options=options)
        self.metadata.extra_info["round_started_s"] = []
        return self.metadata

    def round(self, timer: Callable[[], float], quiet: bool, began: float) -> None:
        """Time one round, after a garbage collection."""
        assert self.metadata is not None
        gc.collect()
        with self.side.around(), PauseInstrumentation(), _collector_off() if quiet else nullcontext():
            self.metadata.extra_info["round_started_s"].append(round(perf_counter() - began, 6))
            self.metadata.update(self._elapsed(timer))

    def _elapsed(self, timer: Callable[[], float]) -> float:
        run, loops = self.side.run, range(self.loops)
        start = timer()
        for _ in loops:
            run()
        return timer() - start


@contextmanager
def _frozen_heap() -> Iterator[None]:
    """Exclude objects from before the race (of pytest, the libraries) from garbage collection during it."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextmanager
def _collector_off() -> Iterator[None]:
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _facts(outcome: Correctness) -> dict[str, Any]:
    return {"verdict": outcome.description} | ({} if outcome.recall is None else {"recall": outcome.recall})
