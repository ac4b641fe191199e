"""The values of the plugin's fixtures: the references with their assertions, and the golden vectors by name."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jaxtyping import Float

from refimpl import golden
from refimpl.common.types import Array
from refimpl.oracle import assertions
from refimpl.oracle.references import expected_bm25, expected_embeddings, minilm_float64


class MiniLMOracle:
    """all-MiniLM-L6-v2 in float64: `encode`, `token_ids`, `trace`, and assertions."""

    assert_embeddings_match = staticmethod(assertions.assert_embeddings_match)
    assert_trace_match = staticmethod(assertions.assert_trace_match)

    @property
    def texts(self) -> list[str]:
        """The 71 golden texts."""
        return list(golden.texts().values())

    def encode(self, texts: Sequence[str]) -> Float[Array, "texts dim"]:
        """Return unit vectors, float64."""
        return expected_embeddings(texts)

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of each text with [CLS] and [SEP], truncated at 256, without padding."""
        tokens = minilm_float64().tokenizer(texts)
        spans = zip(tokens.starts, tokens.lengths, strict=True)
        return [tokens.input_ids[start : start + n].tolist() for start, n in spans]

    def trace(self, text: str) -> dict[str, Array]:
        """Return every intermediate by name, with a batch axis of 1."""
        return minilm_float64().trace(text)


class BM25Oracle:
    """BM25 in float64, in any of the published variants."""

    assert_match = staticmethod(assertions.assert_bm25_match)

    def scores(self, corpus: Sequence[str], queries: Sequence[str], **settings: Any) -> Float[Array, "queries docs"]:
        """Return scores `(queries, docs)`; `settings` are analyzer, variant, k1 and b."""
        return expected_bm25(corpus, queries, **settings)


class GoldenVectors(Mapping[str, Array]):
    """What other libraries computed: `golden_vectors["normalized"]`, rows in the order of `golden_vectors.texts`."""

    def __init__(self) -> None:
        self._by_tensor = {vector.tensor: vector for vector in golden.vectors()}

    @property
    def texts(self) -> dict[str, str]:
        """The golden texts by name."""
        return golden.texts()

    def cases(self, suite: str) -> dict[str, golden.GoldenCase]:
        """Return the cases of a suite by name: bm25, splade, rerank, fusion or metrics."""
        return golden.cases(suite)

    def source(self, name: str) -> golden.GoldenVector:
        """Return the row of the manifest: source package and version, tolerance and reason."""
        return self._by_tensor[name]

    def __getitem__(self, name: str) -> Array:
        return golden.array(self._by_tensor[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_tensor)

    def __len__(self) -> int:
        return len(self._by_tensor)
