"""Every intermediate of the encoder in one table and, where it was compared with another's, the differences."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from refimpl.bert.forward import encoder_layer, forward
from refimpl.common.types import Array
from refimpl.compare import Comparison, compare_traces
from refimpl.compare.traces import describe, first_mismatch
from refimpl.explain.panel import Panel, digits
from refimpl.explain.scene import Scene


def panel(scene: Scene, compared: Sequence[Comparison] | None) -> Panel:
    """Collect shape, range and norm of every stage; with `compared`, its result, difference and tolerance."""
    data: dict[str, Any] = {"rows": [_row(name, value) for name, value in scene.trace.items()], "summary": ""}
    if compared is not None:
        data["summary"] = describe(compared, scene.question.tokens)
        data["compared"] = [_outcome(stage) for stage in compared]
    return Panel(
        "stages",
        "Stages",
        (
            "From ids to the vector, every array that the encoder computes has a name, and this is their list in the "
            "order of the computation.",
            "In a comparison with another program's arrays of the same names, the first stage that does not match "
            "locates the fault, because all later ones are computed from it.",
        ),
        _look_for(scene) if compared is None else _look_for_mismatch(compared),
        (forward, encoder_layer) if compared is None else (compare_traces, forward),
        data,
    )


def _look_for(scene: Scene) -> str:
    sizes = {name: float(np.abs(value).max()) for name, value in scene.trace.items() if name.startswith("layer.")}
    name = max(sizes, key=lambda name: sizes[name])
    return (
        f"The largest number of all layers, {digits(sizes[name])} in size, is in {name}: rounded to 16 bits, it has "
        "the largest absolute error."
    )


def _look_for_mismatch(stages: Sequence[Comparison]) -> str:
    compared = [stage for stage in stages if stage.compared]
    first = first_mismatch(compared)
    if first is None:
        return f"All {len(compared)} stages match: each point is left of its tick, which marks the tolerance."
    before = compared[: compared.index(first)]
    last = f"{before[-1].name} still matches" if before else "no stage before it was compared"
    return f"{first.name} is the first stage that does not match, and {last}: the fault is between the two."


def _row(name: str, value: Array) -> dict[str, Any]:
    shown = np.where(np.isfinite(value), value, 0.0)
    return {
        "name": name,
        "shape": " × ".join(map(str, value.shape)),
        "numbers": [float(shown.min()), float(shown.max()), float(shown.mean()), float(np.linalg.norm(shown))],
    }


def _outcome(stage: Comparison) -> dict[str, Any]:
    numeric = stage.compared and bool(stage.worst)
    return {
        "name": stage.name,
        "verdict": stage.status,
        "note": stage.note,
        "difference": stage.max_abs if numeric and np.isfinite(stage.max_abs) else None,
        "allowed": stage.tolerance if numeric else None,
        "out": f"{stage.n_mismatched:,} of {stage.n:,}" if numeric else "",
    }
