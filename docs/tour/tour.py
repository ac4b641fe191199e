"""What the chapters share: the style of their pictures, and the comparison of a trace with the golden vectors."""

import numpy as np
from matplotlib import pyplot as plt
from matplotlib_inline.backend_inline import set_matplotlib_formats

from refimpl import golden
from refimpl.compare import compare_arrays

BLUE, ORANGE, GREY = "#1f6fb4", "#c8501e", "#8a8a8a"  # distinguishable for colour-blind readers too
ALL = "all of minilm/texts.json"


def picture_style() -> None:
    """Draw pictures as SVG, wide and low, without frames."""
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


def against_golden(trace: dict[str, np.ndarray], text: str = "published-1") -> str | None:
    """Compare each stage of a trace with what transformers computed for the golden text named `text`.

    Print one line per stage and return the first stage that exceeds its tolerance, None where all match.
    """
    caught: str | None = None
    for vector in golden.vectors():
        if vector.stage not in trace or vector.input not in (text, ALL):
            continue
        mine, expected = trace[vector.stage][0], rows_of(text, vector)
        if mine.shape != expected.shape:
            outcome, matches = f"CAUGHT  expected shape {expected.shape}, got {mine.shape}", False
        else:
            comparison = compare_arrays(vector.stage, mine, expected, vector.tolerance)
            matches = comparison.matches
            outcome = f"{'matches' if matches else 'CAUGHT '} largest difference {comparison.max_abs:.1e}"
        print(f"{vector.stage:25} {outcome}")
        if not matches and caught is None:
            caught = vector.stage
    return caught


def rows_of(text: str, vector: golden.GoldenVector) -> np.ndarray:
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
