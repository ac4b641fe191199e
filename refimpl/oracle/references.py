"""Expected values: refimpl in float64, which golden vectors and peers confirm."""

from collections.abc import Sequence
from functools import cache

import numpy as np
from jaxtyping import Float

from refimpl.common.texts import TextsOrTokens
from refimpl.common.types import Array
from refimpl.common.warning import silenced
from refimpl.dense.minilm import MiniLMEmbeddingFunction
from refimpl.sparse.analyzers import build_analyzer
from refimpl.sparse.index.index import BM25Index
from refimpl.sparse.term_counts import Analyze
from refimpl.tokens import TruncationWarning


@cache
def minilm_float64(model_path: str | None = None) -> MiniLMEmbeddingFunction:
    """Return all-MiniLM-L6-v2 in float64, loaded once per process."""
    return MiniLMEmbeddingFunction(model_path, dtype="float64")


def expected_embeddings(texts: Sequence[str], model_path: str | None = None) -> Float[Array, "texts dim"]:
    """Return the unit vectors of `texts` in float64, truncated at 256 tokens without a warning."""
    with silenced(TruncationWarning):
        vectors: Array = minilm_float64(model_path)(texts)
    return vectors


def expected_bm25(
    corpus: TextsOrTokens,
    queries: TextsOrTokens,
    *,
    analyzer: Analyze | str = "pymilvus-en",
    variant: str = "pymilvus",
    k1: float = 1.5,
    b: float = 0.75,
) -> Float[Array, "queries docs"]:
    """Return every document's float64 score for every query; 0 where it has no term of the query."""
    analyze = build_analyzer(analyzer) if isinstance(analyzer, str) else analyzer
    documents, split = (
        [list(analyze(text) if isinstance(text, str) else text) for text in texts] for texts in (corpus, queries)
    )
    index = BM25Index.from_tokens(documents, variant=variant, k1=k1, b=b)
    expected = np.zeros((len(queries), len(corpus)))
    if expected.size:
        for row, (ids, scores) in enumerate(zip(*index.search(split, k=len(corpus)), strict=True)):
            expected[row, ids[ids >= 0]] = scores[ids >= 0]
    return expected
