"""SIGKILL at every file operation of a write, and at any time: each file is the whole old one or the whole new one."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attacks import Attack, attack

ROOT = Path(__file__).parents[2]
NAMES = (
    *("small_file", "large_file", "whole_folder", "embedded_vectors", "bm25_json", "bm25_index", "trec_run"),
    *("results_of_a_run", "index_of_a_run", "cached_vectors", "outputs_of_a_check", "forced_download"),
    "recorded_revision",
)
NEVER = 10**9
State = dict[str, bytes]


class Killer:
    """The process of kill_server.py."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._steps: dict[str, int] = {}

    def write(self, kind: str, folder: Path, version: int, at: int = NEVER, after_ms: float | None = None) -> dict:
        """Write in a child; return the signal that ended it (0 for none) and the number of steps of a whole write."""
        order = {"kind": kind, "folder": str(folder), "version": version, "at": at, "after_ms": after_ms}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@contextmanager
def killer() -> Iterator[Killer]:
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(Path(__file__).with_name("kill_server.py"))]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as process:
        yield Killer(process)
        assert process.stdin is not None
        process.stdin.close()


def state(folder: Path) -> State:
    """The content of each file that a user sees; hidden ones, such as locks, are not."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    relative = {file: file.relative_to(folder) for file in files}
    visible = [file for file in files if not any(part.startswith(".") for part in relative[file].parts)]
    return {relative[file].as_posix(): file.read_bytes() for file in visible if file.suffix != ".lock"}


def mixed(kind: str, found: State, old: State, new: State) -> str | None:
    """What is wrong with the files after a kill, if anything."""
    for name in sorted(old.keys() | new.keys() | found.keys()):
        if found.get(name) not in (old.get(name), new.get(name)):
            return f"{name} has {len(found.get(name, b''))} bytes, and is neither the old nor the new one"
    if kind == "whole_folder" and found not in (old, new):
        return f"a part of the folder: {sorted(found)}"
    if kind == "forced_download" and found.keys() != new.keys():
        return f"files of the model are missing: {sorted(found)}"
    if kind == "index_of_a_run" and "index.json" in found:
        collection = json.loads(found["index.json"])["collection"].removeprefix("refimpl_")
        if f"bm25.{collection}.json" not in found:
            return "index.json names a collection whose fitted state is not there"
    return None


def leftovers(folder: Path) -> list[str]:
    return [file.name for file in folder.rglob(".*.partial")]


def kill_once(run: Attack, kill: Killer, kind: str, rng: random.Random, folder: Path, *, timed: bool) -> None:
    """Write version 0, kill the write of version 1, check, write it whole, check that nothing is left over."""
    kill.write(kind, folder / "whole", 0)
    kill.write(kind, folder / "killed", 0)
    old = state(folder / "whole")
    steps = kill.write(kind, folder / "whole", 1)["steps"]
    new = state(folder / "whole")
    if timed:
        kill.write(kind, folder / "killed", 1, after_ms=rng.uniform(0, 40))
    elif kill.write(kind, folder / "killed", 1, at=rng.randrange(steps))["signal"] != signal.SIGKILL:
        run.failed(f"{kind}: the write was not killed within {steps} steps")
    run.count("kills")
    if problem := mixed(kind, state(folder / "killed"), old, new):
        run.failed(f"{kind}: {problem}")
    if kill.write(kind, folder / "killed", 1)["signal"]:
        run.failed(f"{kind}: the write after the kill failed")
    elif (found := state(folder / "killed")) != new:
        run.failed(
            f"{kind}: after another write, {sorted(name for name in new if found.get(name) != new[name])} differ"
        )
    if left := leftovers(folder / "killed"):
        run.failed(f"{kind}: {left} are left over")


def kill_writes(run: Attack, number: int, *, timed: bool) -> None:
    with killer() as kill:
        for rng in run.rounds(number):
            kind = NAMES[rng.randrange(len(NAMES))]
            with tempfile.TemporaryDirectory(prefix="a folder ") as name:
                folder = Path(name)
                for part in ("whole", "killed"):
                    (folder / part).mkdir()
                kill_once(run, kill, kind, rng, folder, timed=timed)
                shutil.rmtree(folder / "whole")


if hasattr(os, "fork"):

    @attack
    def killed_writes(run: Attack) -> None:
        kill_writes(run, 8, timed=False)

    @attack
    def killed_writes_at_any_time(run: Attack) -> None:
        kill_writes(run, 2, timed=True)
