"""Where a run works on all documents: in this process, or on a cluster that computes the same."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from refimpl.base import EmbeddingFunction
from refimpl.search.documents import Documents
from refimpl.search.records import TEXT_BYTES, Vectors
from refimpl.search.scorers import Scorer
from refimpl.search.topk import TopK
from refimpl.search.truth import Truth, truth_of
from refimpl.shards import blocks_of, encode_shards

Fit = Callable[[Iterable[list[str]]], object]
Advance = Callable[[int], None]


@runtime_checkable
class TimedEncoder(Protocol):
    """An encoder that counts texts and seconds; called, it uses the embedding cache, `encode` does not."""

    encode: Callable[[list[str]], Vectors]

    def __call__(self, texts: list[str]) -> Vectors:
        """The vectors of the texts."""
        ...

    def record(self, texts: int, seconds: float) -> None:
        """Count texts that `encode` was called with elsewhere."""
        ...


@runtime_checkable
class Engine(Protocol):
    """The three stages of a run that read every document. Results are equal to the last bit for every engine."""

    def fit(self, function: EmbeddingFunction | None, fit: Fit, documents: Documents, advance: Advance) -> None:
        """Fit a function to all texts; `fit` is its own way, from lists of texts."""
        ...

    def encode(
        self,
        documents: Documents,
        encoders: Mapping[str, TimedEncoder],
        folder: Path,
        settings: Mapping[str, Any],
        rows: int,
        advance: Advance,
    ) -> None:
        """Encode all documents into a folder of shards of `rows` documents."""
        ...

    def truth(self, scorer: Scorer, folder: Path, field: str, hits: TopK) -> Truth:
        """Search a field of all shards exactly: `refimpl.search.truth.truth_of`."""
        ...


class ThisProcess:
    """The engine of this process: one shard after the other, encoders with threads of their own."""

    def fit(self, function: EmbeddingFunction | None, fit: Fit, documents: Documents, advance: Advance) -> None:
        """Fit a function to all texts."""
        fit(documents.parts(advance))

    def encode(
        self,
        documents: Documents,
        encoders: Mapping[str, TimedEncoder],
        folder: Path,
        settings: Mapping[str, Any],
        rows: int,
        advance: Advance,
    ) -> None:
        """Encode all documents into a folder of shards of `rows` documents; only one is in memory."""
        encode_shards(documents, encoders, folder, settings, rows=rows, text_bytes=TEXT_BYTES, advance=advance)

    def truth(self, scorer: Scorer, folder: Path, field: str, hits: TopK) -> Truth:
        """Search a field of all shards exactly."""
        return truth_of(scorer, lambda: blocks_of(folder, field), hits)
