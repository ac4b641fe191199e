"""The targets of the encoder's speed and the measured ratios of medians, each within one race.

The limit is the ratio of an encoder that computes only its matrix products, at BLAS's rate, or for one query only reads
its weights.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

FASTEMBED = "fastembed"
OURS, TORCH, ONNX = "refimpl", "sentence-transformers", "onnxruntime"
A_CORE = "onnxruntime, one session per core"
PADDED = "onnxruntime, padded to 256"
PRODUCTS = "matrix products alone"
READING = "its weights read once"

Times = dict[tuple[str, str], dict[str, np.ndarray]]
"""Seconds of each round, by (stage, case) and then by competitor."""


@dataclass(frozen=True)
class Aim:
    """One line: the peers' time over ours must be `at_least`; of several peers the fastest counts."""

    label: str
    case: tuple[str, str]
    peers: tuple[str, ...]
    at_least: float

    def reached(self, times: Times, by: str = OURS) -> float | None:
        """The ratio of medians, None where one side did not run."""
        raced = times.get(self.case, {})
        theirs = [float(np.median(raced[peer])) for peer in self.peers if peer in raced]
        return min(theirs) / float(np.median(raced[by])) if theirs and by in raced else None

    def row(self, times: Times) -> tuple[str, ...] | None:
        """Label, aim, measured ratio, limit and status; None where it was not raced."""
        if (ratio := self.reached(times)) is None:
            return None
        limit = self.reached(times, PRODUCTS) or self.reached(times, READING)
        status = "reached" if ratio >= self.at_least else "short of it"
        if limit is not None and limit < self.at_least:
            status += ", beyond the limit"
        return self.label, f"{self.at_least:.2f}", f"{ratio:.2f}", "" if limit is None else f"{limit:.2f}", status


AIMS = (
    *(
        Aim(f"throughput, {kind}: times sentence-transformers", ("encode", kind), (TORCH,), least)
        for kind, least in (("short", 2.0), ("long", 1.7), ("mixed", 1.7))
    ),
    *(
        Aim(f"throughput, {kind}: times the better onnxruntime", ("encode", kind), (ONNX, A_CORE), least)
        for kind, least in (("short", 1.1), ("long", 1.4), ("mixed", 1.2))
    ),
    *(
        Aim(
            f"throughput, {kind}: times onnxruntime padded to 256",
            ("encode", f"{kind}, as commonly used"),
            (PADDED,),
            5.0,
        )
        for kind in ("short", "mixed")
    ),
    *(
        Aim(f"{kind}: share of the rate of matrix products alone", ("encode", kind), (PRODUCTS,), 0.8)
        for kind in ("short", "long", "mixed")
    ),
    Aim("one query: onnxruntime's latency over ours", ("encode", "one query"), (ONNX,), 1 / 1.5),
    Aim("start to first vector: sooner than torch", ("encode start", "start to first vector"), (TORCH,), 10.0),
)


def lines(benchmarks: Iterable[Any]) -> list[str]:
    """The table as text, one line per aim that was raced; empty when none was."""
    times: Times = {}
    for entry in benchmarks:
        info = entry.extra_info
        if "competitor" in info:
            case = times.setdefault((info["stage"], info["case"]), {})
            case[info["competitor"]] = np.asarray(entry.stats.data)
    rows = [row for aim in AIMS if (row := aim.row(times)) is not None]
    if (query := times.get(("encode", "one query"), {}).get(OURS)) is not None:
        spread = float(np.quantile(query, 0.95) / np.median(query))
        label = "one query: p95 over p50 (at most)"
        rows.append((label, "1.30", f"{spread:.2f}", "", "reached" if spread <= 1.3 else "over"))
    if not rows:
        return []
    width = max(len(label) for label, *_ in rows)
    head = ("encoder, ratios of medians in one race", "aim", "measured", "limit", "")
    return [
        f"{label:<{width}}  {aim:>5}  {found:>8}  {limit:>5}  {status}".rstrip()
        for label, aim, found, limit, status in (head, *rows)
    ]
