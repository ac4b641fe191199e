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
    beside: str | None = None,
    add: "Sequence[str]" = (),
    show_progress: bool = False,
) -> Path:
    """Write the page for `question` and at most `most` documents of `collection` to `out`, and return `out`.

    Parameters
    ----------
    question, collection, out
        The query, the documents, and the page to write.
    most
        Documents on the page; of more, hybrid search selects the best.
    splade, rerank, beside
        Model folders or hub names: the SPLADE model, a cross-encoder (None: only MaxSim), and a sentence-transformers
        model to compare with MiniLM (None: the SPLADE model).
    add
        Words that "What if" adds to the question, by default those that the SPLADE model adds.
    show_progress
        Whether to show a progress bar on stderr.

    Raises
    ------
    ValueError
        For an empty question.
    ImportError
        Where the extra `explain` is missing, with what to install.
    """
    from refimpl.explain import page
    from refimpl.explain.scene import build

    check_output(out)
    scene = build(question, collection, most, show_progress=show_progress)
    panels = all_panels(scene, splade, rerank, beside, add)
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
    steps, every_array = [panel(scene) for panel in _encoder_panels()], stages.panel(scene, compared)
    panels = [*steps, every_array] if compared is None else [every_array, *steps]
    write_atomically(out, page.html("How a text becomes a vector", scene, panels))
    return out


def all_panels(
    scene: "Scene", splade: str, rerank: str | None, beside: str | None = None, add: "Sequence[str]" = ()
) -> "list[Panel]":
    """Return the panels in the order of the computation; parameters as those of `write`."""
    from refimpl.explain.panels import fusion, lexical, models, reranking, what_if
    from refimpl.explain.panels import splade as expansion
    from refimpl.explain.what_if import changes

    second = models.of_splade(scene, splade) if beside is None else models.of_sentence_transformer(scene, beside)
    return [
        *(panel(scene) for panel in _encoder_panels()),
        lexical.panel(scene),
        expansion.panel(scene, splade),
        fusion.panel(scene),
        reranking.panel(scene, rerank),
        models.panel(scene, second),
        what_if.panel(scene, changes(scene, splade, add)),
    ]


def _encoder_panels() -> "list[Callable[[Scene], Panel]]":
    from refimpl.explain.panels import attention, embeddings, gelu, pooling, residual, tokens

    return [tokens.panel, embeddings.panel, attention.panel, residual.panel, gelu.panel, pooling.panel]
