"""Measures one implementation: `refimpl identify` and `refimpl check` on its adapter, each in a process of its own."""

import datetime
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from refimpl import __version__
from refimpl.check.targets.processes import MARKER, kill_marked, kill_tree, new_marker
from refimpl.common.texts import visible
from refimpl.field import catalogue
from refimpl.field.catalogue import Entry
from refimpl.field.packages import node_path
from refimpl.field.results import Row

SHOWN = 300  # characters of a failed process's standard error
QUIET = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "TQDM_DISABLE": "1"}


class _FailureError(RuntimeError):
    """The process gave no result; the message has the reason."""


def measure(entry: Entry, version: str, timeout_s: float = 600.0, adapters: Path | None = None) -> Row:
    """Return the row of `entry`; an adapter that crashes or hangs gives a row with `failure`.

    Parameters
    ----------
    entry
        An entry of the catalogue whose packages are installed.
    version
        The version of its first package.
    timeout_s
        Seconds for `identify`, and as many for `check`; the process and its descendants are killed after that.
    adapters
        The folder of the adapters, by default the shipped one.
    """
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    row = Row(entry.kind, entry.name, version, today, __version__)
    where = catalogue.folder() / "adapters" if adapters is None else adapters
    options = ["--what", entry.kind] + (["--model", entry.model] if entry.kind == "embed" else [])
    try:
        found = _run(["identify", *_target(entry), *options], where, timeout_s)
        row = replace(row, sentence=found["sentence"], confirmed=found["confirmed"])
        if entry.suite:
            row = _checked(row, entry, _run(["check", *_target(entry), *_check_options(entry)], where, timeout_s))
    except _FailureError as error:
        return replace(row, failure=str(error))
    return row


def _target(entry: Entry) -> list[str]:
    return [entry.function] if entry.function else ["--command", entry.command]


def _check_options(entry: Entry) -> list[str]:
    suites = [option for suite in entry.suite.split() for option in ("--suite", suite)]
    variant = ["--bm25-variant", entry.variant] if entry.kind == "bm25" else []
    return [*suites, "--tolerance", entry.tolerance, "--no-diagnose", *variant]


def _checked(row: Row, entry: Entry, result: Mapping[str, Any]) -> Row:
    """Add what `refimpl check --json` wrote."""
    counts = result["counts"]
    cases = [case for suite in result["suites"] for case in suite["cases"]]
    measured = [(float(case["distance"]), case["name"]) for case in cases if case["distance"] is not None]
    largest, name = max(
        ((distance, name) for distance, name in measured if math.isfinite(distance)), default=(None, "")
    )
    wrong = [case for case in cases if case["verdict"] in ("failed", "error")]
    problems = [case for case in wrong if case["distance"] is None or not math.isfinite(float(case["distance"]))]
    settings = {"bm25": entry.variant, "embed": entry.tolerance}.get(entry.kind, "")
    return replace(
        row,
        suite=f"{entry.suite} {settings}".strip(),
        passed=counts["passed"],
        mismatched=len(wrong),
        skipped=counts["skipped"],
        largest=largest,
        largest_case=name,
        problem=_problem(problems[0]) if problems else "",
    )


def _problem(case: Mapping[str, Any]) -> str:
    """The case's name, once, and its message."""
    return f"{case['name']}: {case['message'].removeprefix(case['name'] + ': ')[:SHOWN]}"


def _run(arguments: list[str], adapters: Path, timeout_s: float) -> dict[str, Any]:
    """Run `refimpl ARGUMENTS --json FILE` in the folder of the adapters, and return what it wrote."""
    with tempfile.TemporaryDirectory() as place:
        out, errors = Path(place) / "out.json", Path(place) / "errors"
        command = [sys.executable, "-m", "refimpl", *arguments, "--json", str(out), "--timeout", f"{timeout_s:g}"]
        status = _status(command, adapters, errors, timeout_s)
        if not out.is_file():
            text = visible(errors.read_text(encoding="utf-8", errors="replace").strip())
            raise _FailureError(f"refimpl {arguments[0]} ended with status {status}: {text[-SHOWN:]}")
        return dict(json.loads(out.read_text(encoding="utf-8")))


def _status(command: list[str], adapters: Path, errors: Path, timeout_s: float) -> int:
    """Run the command to its end and return its status; _FailureError after `timeout_s`."""
    marker = new_marker()
    environment = {**os.environ, **QUIET, "REFIMPL_PYTHON": sys.executable, "NODE_PATH": node_path(), MARKER: marker}
    with errors.open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=adapters,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
        )
        try:
            return process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise _FailureError(f"refimpl {command[3]} did not end within {timeout_s:g} s and was killed") from None
        finally:
            kill_tree(process)
            kill_marked(marker)
