"""Measures what an implementation computes by purpose-made inputs; `refimpl identify` is its command."""

from collections.abc import Callable

from refimpl.identify import embed, fusion, metrics, questions, rerank
from refimpl.identify.ask import Target
from refimpl.identify.bm25 import measure
from refimpl.identify.describe import Factor, Identification, describe
from refimpl.identify.features import Implementation, implementations
from refimpl.identify.reference import Reference

__all__ = [
    "Factor",
    "Identification",
    "Implementation",
    "Target",
    "identify_bm25",
    "identify_embed",
    "identify_fusion",
    "identify_metrics",
    "identify_rerank",
    "implementations",
]


def identify_bm25(target: Target, progress: Callable[[str], None] = lambda what: None) -> Identification:
    """Measure the BM25 of `target`, which answers `run("bm25", inputs)`.

    Parameters
    ----------
    target
        An implementation; those of `refimpl.check.targets` are such.
    progress
        Called with what is being done.

    Returns
    -------
    Identification
        One sentence, the formula, each factor with its evidence, and the nearest implementations.

    Raises
    ------
    ValueError
        Where the target answers none of the inputs.
    """
    return describe(target.name, measure(target, progress))


def identify_metrics(target: Target) -> Identification:
    """Which nDCG, recall, MRR and MAP `target` computes; it answers `run("metrics", inputs)`.

    Raises ValueError where it answers none of the inputs.
    """
    return questions.identify(target, "metrics", metrics.rounds())


def identify_fusion(target: Target) -> Identification:
    """Which rank fusion and weighted sum `target` computes; it answers `run("fuse", inputs)`.

    Raises ValueError where it answers none of the inputs.
    """
    return questions.identify(target, "fuse", fusion.rounds())


def identify_embed(
    target: Target,
    model: str | Reference | None = "all-MiniLM-L6-v2",
    progress: Callable[[str], None] = lambda what: None,
) -> Identification:
    """Which encoder `target` is: calls, text, truncation, numbers and pooling; it answers `run("embed", texts)`.

    Parameters
    ----------
    target
        An implementation; those of `refimpl.check.targets` are such.
    model
        The model that it may run, a registered name or a folder; None leaves the pooling undetermined.
    progress
        Called with what is being done.

    Raises
    ------
    ValueError
        Where a plain text is refused, or where all texts have one vector.
    FileNotFoundError
        If a file of the model is missing.
    """
    return embed.identify(target, model, progress)


def identify_rerank(target: Target) -> Identification:
    """Which reranker `target` is: form, order, scores, ties, top_k, texts; it answers `run("rerank", inputs)`.

    Raises ValueError where it refuses plain documents.
    """
    return rerank.identify(target)
