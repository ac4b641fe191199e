"""Scores and rankings of the page's documents for any wording of the question: by BM25, and fused with MiniLM's."""

from collections import Counter

import numpy as np
from jaxtyping import Float

from refimpl.common.types import Array
from refimpl.explain.scene import Scene
from refimpl.search.fusion import rrf
from refimpl.search.topk import best, stack
from refimpl.sparse.bm25.formulas import VARIANTS

VARIANT, K1, B, EPSILON = "pymilvus", 1.5, 0.75, 0.25

Scores = Float[Array, " documents"]  # NaN: absent from the ranking


def bm25_products(
    scene: Scene, question: str, k1: float = K1, b: float = B
) -> tuple[list[str], Float[Array, "documents terms"]]:
    """Return the question's known terms, and each one's part of each document's score by pymilvus.model's BM25."""
    variant, statistics = VARIANTS[VARIANT], scene.statistics
    counts = {t: c for t, c in Counter(scene.analyzer(question)).items() if t in statistics.vocabulary}
    tokens = [list(scene.analyzer(document.text)) for document in scene.documents]
    tf = np.array([[document.count(term) for term in counts] for document in tokens]).reshape(len(tokens), len(counts))
    products = np.zeros(tf.shape)
    if tf.any():
        lengths = np.broadcast_to([[len(document)] for document in tokens], tf.shape)
        idf = statistics.idf(variant, EPSILON)[[statistics.vocabulary[term] for term in counts]]
        weights = variant.tf(tf[tf > 0], lengths[tf > 0], statistics.avgdl(variant), k1, b, variant.delta)
        products[tf > 0] = weights
        products *= idf * np.array(list(counts.values()))
    return list(counts), products


def bm25(scene: Scene, question: str, k1: float = K1, b: float = B) -> Scores:
    """Compute each document's BM25 score; NaN where no term of the question contributes."""
    _, products = bm25_products(scene, question, k1, b)
    return np.where((products != 0).any(axis=1), products.sum(axis=1), np.nan)


def order(scores: Scores) -> list[int]:
    """Return the rows of the documents that are not absent, best first; ties in document order."""
    rows = np.flatnonzero(~np.isnan(scores))
    return [int(row) for row in rows[np.argsort(-scores[rows], kind="stable")]]


def fused(dense: Scores, lexical: Scores) -> Scores:
    """Compute each document's reciprocal rank fusion score of the two rankings."""
    k = len(dense)
    rows = [(scores, np.array(order(scores), np.int64)) for scores in (dense, lexical)]
    routes = [stack([best(ids, scores[ids], k)], k) for scores, ids in rows]
    top = rrf(routes, k)
    scores = np.full(k, np.nan)
    scores[top.ids[0]] = top.scores[0]
    return scores
