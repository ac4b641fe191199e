"""What the chapters share: how pictures look, and a walk held against the golden vectors."""

import numpy as np
from matplotlib import pyplot as plt
from matplotlib_inline.backend_inline import set_matplotlib_formats

from refimpl.oracle import golden
from refimpl.oracle.compare import compare

BLUE, ORANGE, GREY = "#1f6fb4", "#c8501e", "#8a8a8a"  # told apart by colour-blind readers too
ALL = "all of minilm/texts.json"


def picture_style() -> None:
    """Pictures as SVG, wide and low, with no more ink than they need."""
    set_matplotlib_formats("svg")
    plt.rcParams.update(
        {
            "figure.figsize": (7.2, 3.0),
            "figure.constrained_layout.use": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlesize": 10,
            "font.size": 9,
        }
    )


def against_golden(walk: dict[str, np.ndarray], text: str = "published-1") -> str | None:
    """Hold each stage of a trace against what transformers computed for the golden text named `text`.

    Prints a line a stage and returns the first stage that is out of its tolerance, None when there is none.
    """
    caught: str | None = None
    for vector in golden.vectors():
        if vector.stage not in walk or vector.input not in (text, ALL):
            continue
        mine, expected = walk[vector.stage][0], rows_of(text, vector)
        if mine.shape != expected.shape:
            verdict, matches = f"CAUGHT  shape {mine.shape} where {expected.shape} is right", False
        else:
            held = compare(vector.stage, mine, expected, vector.tolerance)
            matches = held.matches
            verdict = f"{'matches' if matches else 'CAUGHT '} largest difference {held.max_abs:.1e}"
        print(f"{vector.stage:25} {verdict}")
        if not matches and caught is None:
            caught = vector.stage
    return caught


def rows_of(text: str, vector: golden.Vector) -> np.ndarray:
    """The part of a golden array that belongs to one text."""
    values = golden.array(vector)
    if vector.input != ALL:
        return values
    row = list(golden.texts()).index(text)
    if vector.stage != "input_ids":
        return values[row]
    (lengths,) = (golden.array(other) for other in golden.vectors() if other.stage == "lengths")
    start = int(lengths[:row].sum())
    return values[start : start + int(lengths[row])]


picture_style()
