"""The race's fixtures, and what a session prints and saves in addition to its times."""

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from bench import encode_table
from bench.peers import DISTRIBUTIONS, peers
from bench.race import SEED, Race
from bench.servers import started
from refimpl.common import stamp

_disqualified: list[dict[str, str]] = []


@pytest.fixture(autouse=True)
def _seeded() -> None:
    random.seed(SEED)
    np.random.seed(SEED)  # noqa: NPY002 - peers that use numpy's global generator must repeat themselves too


@pytest.fixture
def race(benchmark: Any, request: pytest.FixtureRequest) -> Iterator[Race]:
    """Checks and times every competitor of one group in turn: see `Race.__call__`."""
    one = Race(benchmark, request, request.config.getoption("--benchmark-threads"))
    yield one
    _disqualified.extend(one.disqualified)


@pytest.fixture(scope="module")
def reference_url() -> Iterator[str]:
    """The address of `refimpl serve`, in a process of its own."""
    process, url = started("-m", "refimpl", "serve", "--port", "0")
    yield url
    process.terminate()
    process.wait()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if items and not config.getoption("--benchmark"):
        raise pytest.UsageError("the suites under bench/ are not tests: run them with `pytest --benchmark`")


def pytest_benchmark_update_json(config: pytest.Config, benchmarks: list[Any], output_json: dict[str, Any]) -> None:
    """Add the machine stamp, the absent libraries and the disqualified competitors to the result."""
    settings = {"threads": config.getoption("--benchmark-threads"), "seed": SEED}
    libraries = tuple(sorted(set(DISTRIBUTIONS.values())))
    with threadpool_limits(limits=settings["threads"]):  # as in the races, whatever was loaded since
        stamped = stamp.stamp(settings=settings, libraries=libraries)
    output_json["refimpl"] = {
        "stamp": stamped,
        "raced": peers.present,
        "absent": peers.absent,
        "disqualified": _disqualified,
    }


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    option = terminalreporter.config.option
    for line in encode_table.lines(terminalreporter.config._benchmarksession.benchmarks):
        terminalreporter.write_line(line)
    if terminalreporter.config._benchmarksession.benchmarks and not option.benchmark_disable:
        where = option.benchmark_json or "the file named above"
        terminalreporter.write_line(f"draw it: refimpl report {where} -o report.html")
    if peers.present:
        raced = ", ".join(f"{name} {version}" for name, version in sorted(peers.present.items()))
        terminalreporter.write_line(f"raced against: {raced}")
    for name, why in sorted(peers.absent.items()):
        terminalreporter.write_line(
            f"absent, so not raced: {name} ({why}); docs/benchmarks.md says how to install it", yellow=True
        )
