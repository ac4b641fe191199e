"""The race: who is right is timed, in turn, and what was seen is kept."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

SUITE = """
import time
from bench import peers
from bench.race import Competitor, Correctness

def right(name, answer):
    assert answer == 3, f"3 expected, got {answer}"
    return Correctness("exactly 3", recall=1.0)

def nap(seconds, answer=3):
    def run():
        time.sleep(seconds)
        return answer
    return run

def test_pair(race):
    sides = {"refimpl": nap(0.004), "peer": nap(0.001)}
    race(sides, stage="nap", case="pair", work=2, unit="naps", size=7, check=right)
"""

WRONG = """
def test_wrong(race):
    competitors = {"refimpl": nap(0.001), "liar": nap(0.001, answer=4), "crasher": lambda: 1 / 0}
    race(competitors, stage="nap", case="wrong", work=1, unit="naps", check=right)
"""

STATEFUL = """
def test_stateful(race):
    events = []
    def run():
        events.append("run")
        return 3
    side = Competitor(run, before=lambda: events.append("before"), after=lambda: events.append("after"))
    race({"refimpl": side}, stage="nap", case="stateful", work=1, unit="naps", check=right)
    assert events[:3] == ["before", "run", "after"]
    assert events == events[:3] * (len(events) // 3)
    assert len(events) > 3 * 5
"""

GREEDY = """
def test_memory(race):
    import numpy as np
    competitors = {"refimpl": lambda: np.ones(8_000_000).sum() and 3, "frugal": lambda: 3}
    race(competitors, stage="nap", case="memory", work=1, unit="naps", check=right)
"""

ABSENT = """
def test_absent(race):
    assert peers.get("json") is not None
    assert peers.get("no_such_library") is None
    race({"refimpl": nap(0.001)}, stage="nap", case="absent", work=1, unit="naps", check=right)
"""


KNOWN = {"stage": "nap", "case": "pair", "work": 2, "unit": "naps", "size": 7, "verdict": "exactly 3", "recall": 1}


@dataclass
class Session:
    """One session of pytest: its exit status, all that it said, the JSON that it saved ({} where it saved none)."""

    status: int
    said: str
    result: dict[str, Any]

    def case(self, case: str) -> dict[str, dict[str, Any]]:
        """The entries of one race by competitor."""
        return {e["name"]: e for e in self.result["benchmarks"] if e["extra_info"]["case"] == case}


def session(folder: Path, suite: str, *options: str) -> Session:
    """Run pytest on `suite` as a user would."""
    file, result = folder / "test_suite.py", folder / "result.json"
    file.write_text(SUITE + suite, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "conftest", "-p", "bench.conftest", "-p", "no:cacheprovider"]
    command += ["--rootdir", str(folder), "--benchmark-max-time=0.1", f"--benchmark-json={result}"]
    command += [f"--benchmark-storage=file://{folder}/kept", *options, str(file)]
    done = subprocess.run(
        command, cwd=ROOT, env=outside_xdist(), capture_output=True, text=True, timeout=120, check=False
    )
    saved = json.loads(result.read_text("utf-8")) if result.exists() and result.stat().st_size else {}
    return Session(done.returncode, done.stdout + done.stderr, saved)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("race")


@pytest.fixture(scope="module")
def raced(folder: Path) -> Session:
    suites = WRONG + STATEFUL + GREEDY + ABSENT
    return session(folder, suites, "--benchmark", "--benchmark-threads=1", "--benchmark-save=first")


def test_each_competitor_is_an_entry_with_its_raw_rounds(raced: Session) -> None:
    entries = raced.case("pair")
    assert set(entries) == {"refimpl", "peer"}
    for name, seconds in (("refimpl", 0.004), ("peer", 0.001)):
        entry = entries[name]
        assert entry["group"] == "nap: pair"
        assert len(entry["stats"]["data"]) == entry["stats"]["rounds"] >= 5
        assert seconds <= entry["stats"]["median"] < 20 * seconds
        assert KNOWN.items() <= entry["extra_info"].items()
    assert entries["refimpl"]["extra_info"]["ours"] is True
    assert entries["peer"]["extra_info"]["ours"] is False


def test_rounds_are_interleaved(raced: Session) -> None:
    entries = raced.case("pair").values()
    starts = [(at, entry["name"]) for entry in entries for at in entry["extra_info"]["round_started_s"]]
    order = [name for _, name in sorted(starts)]
    rounds = [set(order[i : i + 2]) for i in range(0, len(order), 2)]
    assert rounds == [{"refimpl", "peer"}] * (len(order) // 2)
    assert len({order[i] for i in range(0, len(order), 2)}) == 2, "one side always went first"


def test_a_wrong_answer_is_named_not_timed_and_fails_the_run(raced: Session) -> None:
    assert raced.status == pytest.ExitCode.TESTS_FAILED
    assert "1 failed, 4 passed" in raced.said
    assert "liar: AssertionError: 3 expected, got 4" in raced.said
    assert "crasher: ZeroDivisionError" in raced.said
    assert list(raced.case("wrong")) == ["refimpl"]
    assert [each["competitor"] for each in raced.result["refimpl"]["disqualified"]] == ["liar", "crasher"]


def test_what_stands_around_a_run_happens_once_each_round(raced: Session) -> None:
    assert "test_stateful FAILED" not in raced.said
    assert raced.case("stateful")["refimpl"]["stats"]["iterations"] == 1


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory is read from Linux' /proc")
def test_peak_memory_is_what_the_run_adds(raced: Session) -> None:
    peak = {name: entry["extra_info"]["peak_rss_bytes"] for name, entry in raced.case("memory").items()}
    assert 0.9 < peak["refimpl"] / 64e6 < 1.3
    assert peak["frugal"] < 8e6


def test_absent_peers_are_said_aloud(raced: Session) -> None:
    assert "absent, so not raced: no_such_library" in raced.said
    assert list(raced.result["refimpl"]["absent"]) == ["no_such_library"]


def test_the_result_bears_the_machine_stamp(raced: Session) -> None:
    stamp = raced.result["refimpl"]["stamp"]
    assert {"machine", "python", "blas", "versions", "commit"} <= set(stamp)
    assert stamp["settings"] == {"threads": 1, "seed": 20240605}
    assert {pool["threads"] for pool in stamp["blas"]["loaded"]} == {1}
    assert "node" not in raced.result["machine_info"]


def test_compare_sees_the_same_machine_and_the_same_entries(folder: Path, raced: Session) -> None:
    assert raced.result
    again = session(folder, "", "--benchmark", "--benchmark-compare=0001")
    assert again.status == 0, again.said
    assert "refimpl (0001_first)" in again.said
    assert "peer (NOW)" in again.said
    assert "machine_info is different" not in again.said


def test_disabled_runs_check_and_time_nothing(tmp_path: Path) -> None:
    done = session(tmp_path, WRONG, "--benchmark", "--benchmark-disable")
    assert done.status == pytest.ExitCode.TESTS_FAILED
    assert "liar: AssertionError" in done.said
    assert done.result == {}


def test_without_the_flag_the_suites_refuse() -> None:
    command = [sys.executable, "-m", "pytest", "bench", "-q", "--collect-only"]
    done = subprocess.run(
        command, cwd=ROOT, env=outside_xdist(), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "run them with `pytest --benchmark`" in done.stderr


def outside_xdist() -> dict[str, str]:
    """The environment without pytest-xdist's marks, under which pytest-benchmark times nothing."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
