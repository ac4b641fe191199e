"""What a run is made of: a collection in memory, the encoders that fill its fields, the systems that search them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from refimpl.base import EmbeddingFunction, RerankFunction
from refimpl.datasets import Dataset, DatasetError, Qrels, fingerprint
from refimpl.datasets.base import Document
from refimpl.search.records import Field, Ranker


@dataclass(frozen=True)
class Encoder:
    """What fills one vector field: a function, or nobody (`function=None`) where Milvus makes the field of the text.

    `key` names model and settings, for the embedding cache and the collection's name. `fit` is called with all texts
    before anything is encoded; such vectors depend on the whole collection, so `cached` must then be False.
    """

    field: Field
    function: EmbeddingFunction | None
    key: Mapping[str, Any]
    cached: bool = True
    fit: Callable[[list[str]], object] | None = None


@dataclass(frozen=True)
class System:
    """One way to answer: a field, or several fused by Milvus' `ranker`; then, where wanted, `rerank` the best few."""

    name: str
    fields: tuple[str, ...]
    about: str
    ranker: Ranker | None = None
    rerank: RerankFunction | None = None
    rerank_depth: int = 50

    @property
    def route(self) -> str:
        """What it asks of the store, by name: systems that differ only in reranking share it."""
        return self.fields[0] if self.ranker is None else f"{'+'.join(self.fields)} by {self.ranker}"


@dataclass(frozen=True)
class Loaded:
    """A data set read to its end: parallel ids and texts, judged queries, judgements, sha256, malformed lines."""

    name: str
    sha256: str
    ids: list[str]
    texts: list[str]
    queries: dict[str, str]
    qrels: Qrels
    bad_lines: list[str] = field(default_factory=list)

    @property
    def position(self) -> dict[str, int]:
        """Each document's row."""
        return {doc_id: row for row, doc_id in enumerate(self.ids)}


def load(dataset: Dataset, advance: Callable[[int], None] = lambda n: None) -> Loaded:
    """Read the whole data set; DatasetError where it has no documents or no judged queries."""
    documents: list[Document] = []
    for document in dataset.documents():
        documents.append(document)
        advance(1)
    qrels = dataset.qrels()
    queries = dataset.queries()
    if not documents or not queries:
        raise DatasetError(f"{dataset.name} has {len(documents)} documents and {len(queries)} judged queries: too few")
    return Loaded(
        dataset.name,
        fingerprint(iter(documents), queries, qrels),
        [document.id for document in documents],
        [document.text for document in documents],
        queries,
        {query_id: judged for query_id, judged in qrels.items() if query_id in queries},
        [str(bad) for bad in dataset.bad.found],
    )
