"""Fusion of two rankings: reciprocal rank fusion and the weighted sum."""

from refimpl.explain.panel import Panel
from refimpl.explain.rankings import bm25, order
from refimpl.explain.scene import Scene
from refimpl.search.fusion import RRF_K, normalized, rrf, weighted


def panel(scene: Scene) -> Panel:
    """Collect MiniLM's scores of the documents on the page; BM25's are computed by the page in the panel above."""
    return Panel(
        "fusion",
        "Fusion",
        (
            "MiniLM and BM25 each rank the documents, and their scores have no common unit: reciprocal rank fusion "
            "uses only the ranks, 1 / (k + rank), and the weighted sum first maps each score to 0 to 1.",
            "Both sum a document's values from the two rankings, a document that shares no term with the question "
            "being absent from BM25's; ranks are counted among the documents of this page.",
        ),
        _look_for(scene),
        (rrf, weighted, normalized),
        {"dense": scene.cosines.tolist(), "rrf_k": RRF_K, "dense_weight": 0.5},
    )


def _look_for(scene: Scene) -> str:
    """The document about which the two rankings differ most."""
    dense, lexical = order(scene.cosines), order(bm25(scene, scene.question.text))
    if not lexical:
        return "BM25 ranks no document of this page, so the fused order is MiniLM's."
    gaps = {row: abs(dense.index(row) - place) for place, row in enumerate(lexical)}
    row = max(gaps, key=lambda row: gaps[row])
    if gaps[row]:
        return (
            f"Document {row + 1} is number {dense.index(row) + 1} for MiniLM and number {lexical.index(row) + 1} for "
            "BM25: see where each fusion puts it, and move the weight until it changes places."
        )
    return (
        f"Of {len(dense)} documents BM25 ranks {len(lexical)}, in MiniLM's order: what is left to see is how far a "
        "document falls that only one of the two ranks."
    )
