"""The collections of a sweep: an encoded test collection, or clustered vectors by rule."""

import hashlib
import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from refimpl.common.types import Array
from refimpl.common.warning import silenced
from refimpl.datasets import Qrels, names_of_datasets, open_dataset
from refimpl.search.encoding import encode_dataset
from refimpl.search.fields import DenseField, FullTextField, SparseField
from refimpl.search.plan import RunPlan, load
from refimpl.systems.encoders import FIXED, dense_encoder
from refimpl.tokens import TruncationWarning

CLUSTERED = "clustered:DOCUMENTS[xDIM]"
RULE_SEED, RULE_DIM, RULE_QUERIES, CLUSTER_SIZE = 20240605, 64, 200, 100
NOISE = 1.0  # spread of a cluster relative to that of the centres, in each dimension


@dataclass(frozen=True)
class SweepData:
    """Ids, and per kind of vector ("dense", "sparse") its field, documents and queries; qrels where there are any."""

    name: str
    sha256: str
    ids: list[str]
    query_ids: list[str]
    fields: dict[str, DenseField | SparseField]
    documents: dict[str, Any]
    queries: dict[str, Any]
    qrels: Qrels = field(default_factory=dict)

    @property
    def position(self) -> dict[str, int]:
        """Row number of each document id."""
        return {doc_id: row for row, doc_id in enumerate(self.ids)}


def load_data(name: str, kinds: Iterable[str], queries: int, *, split: str = "test", show: bool = False) -> SweepData:
    """The collection `name` of at most `queries` queries, with the vectors of these kinds.

    `name` is a data set of `open_dataset`, encoded by all-MiniLM-L6-v2 (dense) and BM25 in Lucene's variant (sparse),
    or `clustered:100000x64`, which has dense vectors only. Raises ValueError for sparse vectors of that.
    """
    wanted = set(kinds)
    if not name.startswith("clustered:"):
        return _encoded(name, wanted, queries, split, show)
    found = re.fullmatch(r"clustered:([1-9]\d*)(?:x([1-9]\d*))?", name)
    if found is None:
        raise ValueError(f"dataset must be {CLUSTERED} or {names_of_datasets()}, got {name!r}")
    if wanted != {"dense"}:
        raise ValueError(f"{name} has dense vectors only: omit the sparse indexes, or give another --dataset")
    return _clustered(name, int(found[1]), int(found[2] or RULE_DIM), min(queries, RULE_QUERIES))


def clustered_vectors(
    count: int, dim: int, queries: int
) -> tuple[Float[Array, "docs dim"], Float[Array, "queries dim"]]:
    """Unit vectors, float32, around random centres of 100 documents each on average; queries come from the same rule.

    Vectors without clusters are harder than encoders' vectors for every index: all distances are nearly equal.
    """
    rng = np.random.default_rng([RULE_SEED, count, dim])
    centres = rng.standard_normal((max(1, count // CLUSTER_SIZE), dim))
    rows = centres[rng.integers(len(centres), size=count + queries)]
    rows += NOISE * rng.standard_normal(rows.shape)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    vectors = rows.astype(np.float32)
    return vectors[:count], vectors[count:]


def _clustered(name: str, count: int, dim: int, queries: int) -> SweepData:
    documents, query_vectors = clustered_vectors(count, dim, queries)
    return SweepData(
        name=name,
        sha256=hashlib.sha256(documents.tobytes() + query_vectors.tobytes()).hexdigest(),
        ids=[f"{row:07d}" for row in range(count)],
        query_ids=[f"q{row}" for row in range(queries)],
        fields={"dense": DenseField("dense", dim)},
        documents={"dense": documents},
        queries={"dense": query_vectors},
    )


def _encoded(name: str, kinds: set[str], queries: int, split: str, show: bool) -> SweepData:
    loaded = load(open_dataset(name, split=split))
    kept = dict(list(loaded.queries.items())[:queries])
    loaded = replace(loaded, queries=kept)
    encoders = {"dense": lambda: dense_encoder(256), "sparse": FIXED["bm25_lucene"]}
    chosen = {kind: encoders[kind]() for kind in sorted(kinds)}
    fields = {kind: one.field for kind, one in chosen.items() if not isinstance(one.field, FullTextField)}
    with silenced(TruncationWarning), tempfile.TemporaryDirectory() as folder:
        encoded = encode_dataset(RunPlan(list(chosen.values()), []), loaded, Path(folder), show)
        documents = {kind: encoded.documents.whole(one.name) for kind, one in fields.items()}
    return SweepData(
        name=loaded.name,
        sha256=loaded.sha256,
        ids=[document.id for document in loaded.documents],
        query_ids=list(kept),
        fields=fields,
        documents=documents,
        queries={kind: encoded.queries[one.name] for kind, one in fields.items()},
        qrels={query_id: loaded.qrels[query_id] for query_id in kept},
    )
