"""What the plugin's fixtures give: the references with their assertions, and the golden vectors by name."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jaxtyping import Float

from refimpl.oracle import assertions, golden
from refimpl.oracle.compare import Array


class MiniLMOracle:
    """all-MiniLM-L6-v2 in float64: `encode`, `token_ids`, `trace`, and the assertions about them."""

    assert_embeddings_match = staticmethod(assertions.assert_embeddings_match)
    assert_trace_match = staticmethod(assertions.assert_trace_match)

    @property
    def texts(self) -> list[str]:
        """The 61 golden texts, each there for a reason."""
        return list(golden.texts().values())

    def encode(self, texts: Sequence[str]) -> Float[Array, "texts dim"]:
        """Unit vectors."""
        return assertions.expected_embeddings(texts)

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids with [CLS] and [SEP], cut at 256, without padding."""
        found = assertions.minilm_float64().tokenizer(texts)
        return [
            found.input_ids[start : start + n].tolist() for start, n in zip(found.starts, found.lengths, strict=True)
        ]

    def trace(self, text: str) -> dict[str, Array]:
        """Every intermediate by its name, leading axis 1."""
        return assertions.minilm_float64().trace(text)


class BM25Oracle:
    """BM25 in float64 by any of the published variants."""

    assert_match = staticmethod(assertions.assert_bm25_match)

    def scores(self, corpus: Sequence[str], queries: Sequence[str], **settings: Any) -> Float[Array, "queries docs"]:
        """Scores `(queries, docs)`; `settings` are analyzer, variant, k1 and b."""
        return assertions.expected_bm25(corpus, queries, **settings)


class GoldenVectors(Mapping[str, Array]):
    """What the peers computed: `golden_vectors["normalized"]`, rows in the order of `golden_vectors.texts`."""

    def __init__(self) -> None:
        self._by_tensor = {vector.tensor: vector for vector in golden.vectors()}

    @property
    def texts(self) -> dict[str, str]:
        """The golden texts by name."""
        return golden.texts()

    def cases(self, suite: str) -> dict[str, golden.GoldenCase]:
        """A suite's cases by name: bm25, splade, rerank, fusion or metrics."""
        return golden.cases(suite)

    def source(self, name: str) -> golden.Vector:
        """Who computed an array, with which version, and how closely it is to be met."""
        return self._by_tensor[name]

    def __getitem__(self, name: str) -> Array:
        return golden.array(self._by_tensor[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_tensor)

    def __len__(self) -> int:
        return len(self._by_tensor)
