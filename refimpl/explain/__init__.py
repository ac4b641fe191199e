"""One question and a handful of documents, explained: every step of the walk on one self-contained HTML page.

`collection` reads the documents, `scene` computes what the steps share, one file of `panels/` gathers the numbers of
one step, `page` puts them into HTML. Needs the extra `explain`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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

    `splade` and `rerank` (a cross-encoder; None: MaxSim alone) are model folders or hub names. Raises ValueError for a
    question without text, and ImportError, with the remedy, where the extra is not installed.
    """
    from refimpl.explain import page
    from refimpl.explain.scene import build

    scene = build(question, collection, most, show_progress=show_progress)
    text = page.html(scene, panels(scene, splade, rerank))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
    return out


def panels(scene: "Scene", splade: str, rerank: str | None) -> "Sequence[Panel]":
    """The panels in the order of the walk."""
    from refimpl.explain.panels import (
        attention,
        embeddings,
        fusion,
        gelu,
        lexical,
        pooling,
        reranking,
        residual,
        tokens,
    )
    from refimpl.explain.panels import splade as expansion

    return (
        tokens.panel(scene),
        embeddings.panel(scene),
        attention.panel(scene),
        residual.panel(scene),
        gelu.panel(scene),
        pooling.panel(scene),
        lexical.panel(scene),
        expansion.panel(scene, splade),
        fusion.panel(scene),
        reranking.panel(scene, rerank),
    )
