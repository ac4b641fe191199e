"""pytest options: the tests by default; with `--benchmark`, the suites under bench/."""

import os
import sys
from typing import Any

import pytest

if "--benchmark" not in sys.argv:  # here, because another conftest.py may import refimpl before pytest is configured
    import type_checks

    type_checks.install()

from refimpl.common import stamp


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--benchmark", action="store_true", help="run the benchmark suites under bench/ instead of the tests"
    )
    parser.addoption(
        "--benchmark-threads",
        type=_positive,
        metavar="NUM",
        help="cores and threads that every competitor may use (default: every core that this process may)",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--benchmark"):
        if not config.pluginmanager.hasplugin("benchmark"):
            raise pytest.UsageError("--benchmark needs pytest-benchmark: pip install 'refimpl[bench]'")
        if config.args_source is pytest.Config.ArgsSource.TESTPATHS:
            config.args = ["bench"]
        _keep_raw_times(config)
        _pin_threads(config)


def _keep_raw_times(config: pytest.Config) -> None:
    """Save every round under .benchmarks/ unless an option names a file, for `report` and `--benchmark-compare`."""
    option = config.option
    if not (option.benchmark_json or option.benchmark_save or option.benchmark_autosave or option.benchmark_disable):
        option.benchmark_save = "bench"
    option.benchmark_save_data = True
    option.benchmark_columns = option.benchmark_columns or ["median", "iqr", "min", "max", "ops", "rounds"]


def _pin_threads(config: pytest.Config) -> None:
    """Give every competitor the same cores and threads, before any library that reads these is imported."""
    count = config.option.benchmark_threads = config.option.benchmark_threads or stamp.usable_cores()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])
    for variable in (*stamp.BLAS_VARIABLES, "RAYON_NUM_THREADS"):
        os.environ[variable] = str(count)


def pytest_report_header(config: pytest.Config) -> str | None:
    if not config.getoption("--benchmark"):
        return None
    return f"race: rounds interleaved, {config.option.benchmark_threads} threads for every competitor"


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """Remove what varies between runs or names the host, so that `--benchmark-compare` compares the same machine."""
    machine_info.pop("node", None)
    for volatile in ("hz_actual", "hz_actual_friendly"):
        machine_info.get("cpu", {}).pop(volatile, None)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"a positive number of threads, got {text!r}")
    return int(text)
