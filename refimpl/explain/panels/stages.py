"""Every intermediate of the walk in one table and, where it was held against another's, how far the two are apart."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from refimpl.bert.forward import encoder_layer, forward
from refimpl.explain.panel import Panel
from refimpl.explain.scene import Array, Scene
from refimpl.oracle.stages import Stage, compare_stages, told


def panel(scene: Scene, compared: Sequence[Stage] | None) -> Panel:
    """Shape, range and norm of every stage; with `compared`, verdict, difference and what was allowed."""
    data: dict[str, Any] = {"rows": [_row(name, value) for name, value in scene.trace.items()], "told": ""}
    if compared is not None:
        data["told"] = told(compared, scene.question.tokens)
        data["compared"] = [_outcome(stage) for stage in compared]
    return Panel(
        "stages",
        "Stages",
        (
            "From ids to the vector, every array that the encoder computes has a name, and this is their list in the "
            "order of the walk.",
            "Held against another program's arrays of the same names, the first stage that departs is where to look, "
            "for all later ones are computed from it.",
        ),
        (forward, encoder_layer) if compared is None else (compare_stages, forward),
        data,
    )


def _row(name: str, value: Array) -> dict[str, Any]:
    shown = np.where(np.isfinite(value), value, 0.0)
    return {
        "name": name,
        "shape": " × ".join(map(str, value.shape)),
        "numbers": [float(shown.min()), float(shown.max()), float(shown.mean()), float(np.linalg.norm(shown))],
    }


def _outcome(stage: Stage) -> dict[str, Any]:
    c = stage.comparison
    finite = c is not None and np.isfinite(c.max_abs)
    return {
        "name": stage.name,
        "verdict": stage.verdict,
        "note": stage.note,
        "difference": c.max_abs if c is not None and finite else None,
        "allowed": None if c is None else c.tolerance,
        "out": "" if c is None else f"{c.out:,} of {c.total:,}",
    }
