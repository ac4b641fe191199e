"""Two models side by side: their scores and ranks of the documents, and how similar they find all texts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from refimpl.common.types import Array
from refimpl.common.warning import silenced
from refimpl.dense.sentence_transformer import SentenceTransformerEmbeddingFunction
from refimpl.explain.panel import Panel, float32
from refimpl.explain.rankings import order
from refimpl.explain.scene import Scene
from refimpl.search.exact import dense_scores
from refimpl.sparse.splade import SpladeEmbeddingFunction
from refimpl.tokens import TruncationWarning


@dataclass(frozen=True)
class Model:
    """A model's name, what its scores are, and the scores between all texts of the page, the question first."""

    name: str
    score: str
    scores: Float[Array, "texts texts"]
    source: Callable[..., Any]


def of_splade(scene: Scene, model: str) -> Model:
    """Return the inner products of a SPLADE model's vectors."""
    function = SpladeEmbeddingFunction(model, dtype="float64")
    with silenced(TruncationWarning):
        rows = function([text.text for text in scene.texts])
    products = (rows @ rows.T).toarray()
    return Model(_short(model), "inner product", products, SpladeEmbeddingFunction.__call__)


def of_sentence_transformer(scene: Scene, model: str) -> Model:
    """Return the cosines of a sentence-transformers model's vectors, without prompts."""
    function = SentenceTransformerEmbeddingFunction(model, dtype="float64")
    with silenced(TruncationWarning):
        vectors = function([text.text for text in scene.texts])
    cosines = np.stack(list(dense_scores(vectors, vectors, "COSINE")))
    return Model(_short(model), "cosine", cosines, SentenceTransformerEmbeddingFunction.__call__)


def panel(scene: Scene, beside: Model) -> Panel:
    """Collect both models' scores between all texts."""
    vectors = np.stack([text.vector for text in scene.texts])
    minilm = Model("MiniLM", "cosine", vectors @ vectors.T, SentenceTransformerEmbeddingFunction.__call__)
    models = (minilm, beside)
    return Panel(
        "models",
        "Two models",
        (
            f"{minilm.name} and {beside.name} read the same texts, and each has its own measure of nearness; "
            "their scores have different scales, so compare ranks.",
            "The maps have every text in a row and in a column: a strong colour means near, and each map is scaled to "
            "its own largest score between two different texts.",
        ),
        _look_for(scene, models),
        (beside.source,),
        {
            "texts": [text.name for text in scene.texts],
            "models": [{"name": m.name, "score": m.score, "scores": float32(m.scores)} for m in models],
            "documents": [model.scores[0, 1:].tolist() for model in models],
        },
    )


def _look_for(scene: Scene, models: Sequence[Model]) -> str:
    """The document whose rank differs most between the models."""
    first, second = (order(model.scores[0, 1:]) for model in models)
    gaps = [abs(first.index(row) - second.index(row)) for row in range(len(first))]
    row = int(np.argmax(gaps))
    if gaps[row] == 0:
        return (
            f"Both models order the {len(first)} documents alike: see which pairs of documents one of the maps finds "
            "nearer than the other does."
        )
    return (
        f"Document {row + 1} is number {first.index(row) + 1} for {models[0].name} and number {second.index(row) + 1} "
        f"for {models[1].name}: its row in both maps shows to which texts each model puts it."
    )


def _short(model: str) -> str:
    return model.rstrip("/").rpartition("/")[2]
