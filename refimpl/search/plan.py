"""Input of a run: a test collection in memory, the encoders that fill its fields, the systems that search them."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from refimpl.base import EmbeddingFunction, RerankFunction
from refimpl.datasets import Dataset, DatasetError, Qrels, fingerprint
from refimpl.datasets.base import Document
from refimpl.evaluate import MEASURES
from refimpl.search.fields import Field
from refimpl.search.records import Ranker

IDENTICAL_IDS = re.compile(r"\b(arguana|quora)\b", re.IGNORECASE)  # BEIR's collections whose queries are documents


@dataclass(frozen=True)
class Encoder:
    """The embedding function of a vector field; None for a field that Milvus computes from the text.

    `key` identifies model and settings, for the embedding cache and the collection's name. `fit` is called with all
    texts before encoding; such vectors depend on the whole collection, so `cached` must then be False. `remedy` ends
    the message for queries that Milvus refuses.
    """

    field: Field
    function: EmbeddingFunction | None
    key: Mapping[str, Any]
    cached: bool = True
    fit: Callable[[list[str]], object] | None = None
    remedy: str = ""


@dataclass(frozen=True)
class System:
    """A retrieval system: a field, or several fused by Milvus' `ranker`; `rerank` reorders the best `rerank_depth`.

    `rerank_key` identifies the reranker's model and settings; with it, scores of pairs are cached like vectors.
    """

    name: str
    fields: tuple[str, ...]
    about: str
    ranker: Ranker | None = None
    rerank: RerankFunction | None = None
    rerank_depth: int = 50
    rerank_key: Mapping[str, Any] | None = None

    @property
    def route(self) -> str:
        """Name of its first stage; systems that differ only in reranking have the same."""
        return self.fields[0] if self.ranker is None else f"{'+'.join(self.fields)} by {self.ranker}"


@dataclass(frozen=True)
class RunPlan:
    """Encoders and systems of a run, hits per query kept and fused from each field, settings recorded in the results.

    Vectors are cached under `cache`, by default in the user's cache. `measures` and `ignore_identical_ids` are those of
    `refimpl.evaluate.evaluate`; None ignores them for the collections whose published rule it is.
    """

    encoders: Sequence[Encoder]
    systems: Sequence[System]
    depth: int = 100
    settings: Mapping[str, Any] = field(default_factory=dict)
    cache: Path | None = None
    measures: Sequence[str] = MEASURES
    ignore_identical_ids: bool | None = None

    def ignores_identical_ids(self, dataset: "LoadedDataset") -> bool:
        """Whether a document whose id is the query's is left out of the results before they are evaluated."""
        if self.ignore_identical_ids is not None:
            return self.ignore_identical_ids
        return bool(IDENTICAL_IDS.search(dataset.name))

    @property
    def fields(self) -> list[Field]:
        """The encoders' fields."""
        return [encoder.field for encoder in self.encoders]


@dataclass(frozen=True)
class LoadedDataset:
    """A data set in memory: parallel ids and texts, judged queries, their qrels, sha256, malformed lines.

    `queries_without_text` is the number of queries that have qrels and no text.
    """

    name: str
    sha256: str
    ids: list[str]
    texts: list[str]
    queries: dict[str, str]
    qrels: Qrels
    bad_lines: list[str] = field(default_factory=list)
    queries_without_text: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """Numbers of documents, queries and judgements, and of those that do not fit together, by name."""
        texts = dict(zip(self.ids, self.texts, strict=True))
        judged = [doc_id for judgements in self.qrels.values() for doc_id in judgements]
        return {
            "documents": len(self.ids),
            "queries": len(self.queries),
            "judgements": len(judged),
            "judgements_of_absent_documents": sum(doc_id not in texts for doc_id in judged),
            "judged_queries_without_text": self.queries_without_text,
            "queries_that_are_documents": sum(
                bool(query.strip()) and query.strip() in texts.get(query_id, "")
                for query_id, query in self.queries.items()
            ),
        }

    @property
    def position(self) -> dict[str, int]:
        """Row number of each document id."""
        return {doc_id: row for row, doc_id in enumerate(self.ids)}


def load(dataset: Dataset, advance: Callable[[int], None] = lambda n: None) -> LoadedDataset:
    """Read the whole data set; DatasetError where it has no documents or no judged queries."""
    documents: list[Document] = []
    for document in dataset.documents():
        documents.append(document)
        advance(1)
    qrels = dataset.qrels()
    queries = dataset.queries()
    if not documents or not queries:
        raise DatasetError(
            f"{dataset.name}: expected documents and judged queries, got {len(documents)} documents and "
            f"{len(queries)} judged queries"
        )
    return LoadedDataset(
        dataset.name,
        fingerprint(iter(documents), queries, qrels),
        [document.id for document in documents],
        [document.text for document in documents],
        queries,
        {query_id: judgements for query_id, judgements in qrels.items() if query_id in queries},
        [str(bad) for bad in dataset.bad.lines],
        len(qrels.keys() - queries.keys()),
    )
