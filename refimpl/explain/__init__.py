"""One question and a handful of documents, explained: every step of the walk on one self-contained HTML page.

`collection` reads the documents, `scene` computes what the steps share, one file of `panels/` gathers the numbers of
one step, `page` puts them into HTML. Needs the extra `explain`.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from refimpl.dense.minilm import MiniLMEmbeddingFunction
    from refimpl.explain.collection import Collection
    from refimpl.explain.panel import Panel
    from refimpl.explain.scene import Scene
    from refimpl.oracle.stages import Stage


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

    `splade` and `rerank` (a cross-encoder; None: MaxSim alone) are model folders or hub names. Raises ValueError for a
    question without text, and ImportError, with the remedy, where the extra is not installed.
    """
    from refimpl.explain import page
    from refimpl.explain.scene import build

    scene = build(question, collection, most, show_progress=show_progress)
    return _written(out, page.html("How a question meets documents", scene, all_panels(scene, splade, rerank)))


def write_trace(
    text: str, function: "MiniLMEmbeddingFunction", out: Path, compared: "Sequence[Stage] | None" = None
) -> Path:
    """Write the walk of one text as a page to `out`, and return `out`; with `compared`, its outcome stage by stage."""
    from refimpl.explain import page
    from refimpl.explain.panels import stages
    from refimpl.explain.scene import alone

    scene = alone(text, function)
    walk = [panel(scene) for panel in _encoder_panels()]
    return _written(out, page.html("How a text becomes a vector", scene, [stages.panel(scene, compared), *walk]))


def all_panels(scene: "Scene", splade: str, rerank: str | None) -> "list[Panel]":
    """The panels in the order of the walk."""
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


def _written(out: Path, text: str) -> Path:
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
    return out
