"""Explain one query over a few documents: every step of the computation on one self-contained HTML page.

`collection` reads the documents, `scene` computes what the steps share, each module of `panels/` collects the numbers
of one step, `page` renders them as HTML. Needs the extra `explain`.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from refimpl.common.atomic import check_output, write_atomically

if TYPE_CHECKING:
    from refimpl.compare import Comparison
    from refimpl.dense.minilm import MiniLMEmbeddingFunction
    from refimpl.explain.collection import Collection
    from refimpl.explain.panel import Panel
    from refimpl.explain.scene import Scene


def write(
    question: str,
    collection: "Collection",
    out: Path,
    *,
    most: int = 5,
    splade: str = "splade-tiny",
    rerank: str | None = None,
    show_progress: bool = False,
) -> Path:
    """Write the page for `question` and at most `most` documents of `collection` to `out`, and return `out`.

    `splade` and `rerank` (a cross-encoder; None: only MaxSim) are model folders or hub names. Raises ValueError for an
    empty question, and ImportError, with what to install, where the extra is missing.
    """
    from refimpl.explain import page
    from refimpl.explain.scene import build

    check_output(out)
    scene = build(question, collection, most, show_progress=show_progress)
    panels = all_panels(scene, splade, rerank)
    write_atomically(out, page.html("How a query is matched with documents", scene, panels))
    return out


def write_trace(
    text: str, function: "MiniLMEmbeddingFunction", out: Path, compared: "Sequence[Comparison] | None" = None
) -> Path:
    """Write the trace of one text, with `compared` also each stage's comparison, as a page to `out`; return `out`."""
    from refimpl.explain import page
    from refimpl.explain.panels import stages
    from refimpl.explain.scene import build_single

    check_output(out)
    scene = build_single(text, function)
    steps = [panel(scene) for panel in _encoder_panels()]
    write_atomically(out, page.html("How a text becomes a vector", scene, [stages.panel(scene, compared), *steps]))
    return out


def all_panels(scene: "Scene", splade: str, rerank: str | None) -> "list[Panel]":
    """Return the panels in the order of the computation."""
    from refimpl.explain.panels import fusion, lexical, reranking
    from refimpl.explain.panels import splade as expansion

    return [
        *(panel(scene) for panel in _encoder_panels()),
        lexical.panel(scene),
        expansion.panel(scene, splade),
        fusion.panel(scene),
        reranking.panel(scene, rerank),
    ]


def _encoder_panels() -> "list[Callable[[Scene], Panel]]":
    from refimpl.explain.panels import attention, embeddings, gelu, pooling, residual, tokens

    return [tokens.panel, embeddings.panel, attention.panel, residual.panel, gelu.panel, pooling.panel]
