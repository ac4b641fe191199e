"""Two rankings into one: the arithmetic of reciprocal ranks and of the weighted sum."""

from refimpl.explain.panel import Panel
from refimpl.explain.scene import Scene
from refimpl.search.fusion import RRF_K, normalized, rrf, weighted


def panel(scene: Scene) -> Panel:
    """MiniLM's scores of the documents on the page; BM25's are those that the page computed a panel above."""
    return Panel(
        "fusion",
        "Fusion",
        (
            "MiniLM and BM25 each rank the documents, and their scores have no common unit: reciprocal rank fusion "
            "looks at ranks alone, 1 / (k + rank), and the weighted sum first squeezes each score into 0 to 1.",
            "Both add up what a document gets from the two lists, a document that shares no term with the question "
            "being absent from BM25's; ranks are counted among the documents of this page.",
        ),
        (rrf, weighted, normalized),
        {"dense": scene.cosines.tolist(), "rrf_k": RRF_K, "dense_weight": 0.5},
    )
