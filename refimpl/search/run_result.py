"""Output of a run, before validation: vectors, search results, timings and latencies."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array, vstack

from refimpl.search.costs import Timing
from refimpl.search.failures import Failures
from refimpl.search.plan import LoadedDataset, RunPlan
from refimpl.search.records import Queries, SearchResults, Vectors
from refimpl.search.topk import TopK
from refimpl.shards import Shard, blocks_of, read_shard, shard_paths


@dataclass(frozen=True)
class EncodedDocuments:
    """The documents of a run in a folder of shards: `fields` have vectors there, in the order of the collection."""

    folder: Path
    fields: tuple[str, ...]

    def shards(self) -> Iterator[Shard]:
        """Each shard, whole."""
        return (read_shard(path) for path in shard_paths(self.folder))

    def blocks(self, field: str) -> Iterator[Vectors]:
        """The vectors of one field, shard by shard."""
        return blocks_of(self.folder, field)

    def whole(self, field: str) -> Vectors:
        """The vectors of one field in one matrix, in memory."""
        blocks = list(self.blocks(field))
        return np.concatenate(blocks) if isinstance(blocks[0], np.ndarray) else csr_array(vstack(blocks, format="csr"))


@dataclass(frozen=True)
class EncodedDataset:
    """Documents in shards, and queries by field; a full-text field has no vectors and the texts as queries."""

    documents: EncodedDocuments
    queries: Mapping[str, Queries]
    timings: tuple[Timing, ...]


@dataclass(frozen=True)
class RunResult:
    """Everything that a run computed.

    `retrieved` has the search results of each field and each hybrid route (`System.route`), before reranking;
    `ranked` has those of each system, after it. `latency_ms` has milliseconds by system, one value per single query.
    What failed is missing in these, and in `failures`.
    """

    plan: RunPlan
    dataset: LoadedDataset
    encoded: EncodedDataset
    retrieved: Mapping[str, SearchResults]
    ranked: Mapping[str, SearchResults]
    timings: tuple[Timing, ...]
    latency_ms: Mapping[str, list[float]]
    store: Mapping[str, Any]
    failures: Failures = field(default_factory=Failures)

    def hits(self, results: SearchResults, k: int) -> TopK:
        """Search results as row numbers in the collection; its number of documents for an unknown id."""
        position = self.dataset.documents.positions(results.distinct())
        return results.hits(position, k, len(self.dataset.documents))
