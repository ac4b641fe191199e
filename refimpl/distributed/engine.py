"""The engine of `refimpl run --dask`: fits, encodes and searches exactly on a Dask cluster."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from refimpl.base import EmbeddingFunction
from refimpl.common.extras import importing
from refimpl.distributed.bm25 import fit_bm25
from refimpl.distributed.encode import encode_shards
from refimpl.distributed.search import truth_over_shards
from refimpl.search.documents import Documents
from refimpl.search.engine import Advance, Fit, TimedEncoder
from refimpl.search.records import TEXT_BYTES
from refimpl.search.scorers import Scorer
from refimpl.search.topk import TopK
from refimpl.search.truth import Truth
from refimpl.sparse.bm25 import BM25EmbeddingFunction

with importing("distributed"):
    from distributed import Client


class ClusterEngine:
    """A `refimpl.search.engine.Engine` on the workers of `client`, which share the run's folder with this process."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def fit(self, function: EmbeddingFunction | None, fit: Fit, documents: Documents, advance: Advance) -> None:
        """Fit BM25 on the cluster; any other function in this process."""
        if isinstance(function, BM25EmbeddingFunction):
            fit_bm25(self._client, function, documents, advance=advance)
        else:
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
        """Encode all documents into a folder of shards, without the embedding cache: the shards are one."""

        def record(field: str, texts: int, seconds: float) -> None:
            encoders[field].record(texts, seconds)

        functions = {name: encoder.encode for name, encoder in encoders.items()}
        encode_shards(
            self._client,
            documents,
            functions,
            folder,
            settings,
            rows=rows,
            text_bytes=TEXT_BYTES,
            advance=advance,
            record=record,
        )

    def truth(self, scorer: Scorer, folder: Path, field: str, hits: TopK) -> Truth:
        """Search a field of all shards exactly."""
        return truth_over_shards(self._client, scorer, folder, field, hits)
