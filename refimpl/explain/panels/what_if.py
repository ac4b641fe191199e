"""What if a word were missing or added, k1 another, the weights coarser: the rankings before and after each change."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from refimpl.explain.panel import Panel
from refimpl.explain.rankings import Scores, bm25_products, fused, order
from refimpl.explain.scene import Scene, unit_vectors
from refimpl.explain.what_if import Change, rounded_to_bits


def panel(scene: Scene, changes: Sequence[Change]) -> Panel:
    """Collect every document's scores after each change; the first change is none at all."""
    return Panel(
        "what-if",
        "What if",
        (
            "Each change below was computed beforehand: a word removed from the question, a word added to it, another "
            "k1 for BM25, and MiniLM's weights rounded to fewer bits.",
            "Select one, and the figure has every document's rank before and after it; the table lists all changes "
            "with the order of the documents, best first.",
        ),
        _look_for(changes),
        (bm25_products, unit_vectors, rounded_to_bits),
        {
            "selected": most_moved(changes),
            "changes": [
                {
                    "kind": change.kind,
                    "name": change.name,
                    "dense": change.dense.tolist(),
                    "lexical": _or_null(change.lexical),
                }
                for change in changes
            ],
        },
    )


def _or_null(scores: Scores) -> list[Any]:
    return [None if np.isnan(score) else float(score) for score in scores]


def _look_for(changes: Sequence[Change]) -> str:
    """The change that moves the most documents in the fused ranking, and the coarsest weights that keep MiniLM's."""
    most = most_moved(changes)
    moved = _moved(changes[0], changes[most])
    before = order(changes[0].dense)
    kept = [change.name for change in changes if change.kind == "weights" and order(change.dense) == before]
    coarsest = f"MiniLM's own order is the same with {kept[-1]}" if kept else "MiniLM's own order changes with float16"
    if moved == 0:
        return f"No change on the list moves a document in the fused ranking, and {coarsest}."
    return (
        f"Of all changes “{changes[most].name}” moves the most documents of the fused ranking, {moved} of "
        f"{len(before)}, and {coarsest}."
    )


def most_moved(changes: Sequence[Change]) -> int:
    """Return the number of the change after which the most documents have another rank in the fused ranking."""
    return int(np.argmax([_moved(changes[0], change) for change in changes]))


def _moved(before: Change, after: Change) -> int:
    orders = [order(fused(change.dense, change.lexical)) for change in (before, after)]
    return sum(a != b for a, b in zip(*orders, strict=True))
