"""Output of a run, before validation: vectors, search results, timings and latencies."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from refimpl.search.failures import Failures
from refimpl.search.plan import LoadedDataset, RunPlan
from refimpl.search.records import Queries, SearchResults, Vectors


@dataclass(frozen=True)
class Timing:
    """Seconds of a stage for `items`; `skipped` items were cached or in the store already, and are not in the time."""

    stage: str
    what: str
    items: int
    seconds: float
    skipped: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The fields and `per_second`, None where there was nothing to do."""
        rate = self.items / self.seconds if self.items and self.seconds else None
        return asdict(self) | {"per_second": rate}


@dataclass(frozen=True)
class EncodedDataset:
    """Document vectors and queries by field; a full-text field has no vectors and the texts as queries."""

    documents: Mapping[str, Vectors]
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
