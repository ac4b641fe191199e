"""Fusion of two rankings: reciprocal rank fusion and the weighted sum."""

from refimpl.explain.panel import Panel
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
        (rrf, weighted, normalized),
        {"dense": scene.cosines.tolist(), "rrf_k": RRF_K, "dense_weight": 0.5},
    )
