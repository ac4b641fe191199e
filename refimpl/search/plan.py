"""Input of a run: a test collection, the encoders that fill its fields, the systems that search them."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from refimpl.base import EmbeddingFunction, RerankFunction
from refimpl.common.seen import Seen
from refimpl.datasets import Dataset, DatasetError, Document, Qrels
from refimpl.datasets.base import digest_of, finished
from refimpl.evaluate import MEASURES, check_trec_id
from refimpl.search.costs import Prices
from refimpl.search.documents import Documents, Keeper
from refimpl.search.engine import Engine, ThisProcess
from refimpl.search.fields import Field
from refimpl.search.records import Ranker, check_id

IDENTICAL_IDS = re.compile(r"\b(arguana|quora)\b", re.IGNORECASE)  # BEIR's collections whose queries are documents


@dataclass(frozen=True)
class Encoder:
    """The embedding function of a vector field; None for a field that Milvus computes from the text.

    `key` identifies model and settings, for the embedding cache and the collection's name. `fit` is called before
    encoding with an iterator over all texts, in lists; such vectors depend on the whole collection, so `cached` must
    then be False. `remedy` ends the message for queries that Milvus refuses.
    """

    field: Field
    function: EmbeddingFunction | None
    key: Mapping[str, Any]
    cached: bool = True
    fit: Callable[[Iterable[list[str]]], object] | None = None
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
    `refimpl.evaluate.evaluate`; None ignores them for the collections whose published rule it is. `prices`, for the
    cost of each stage, change no result. `engine` fits, encodes, and searches exactly.
    """

    encoders: Sequence[Encoder]
    systems: Sequence[System]
    depth: int = 100
    settings: Mapping[str, Any] = field(default_factory=dict)
    cache: Path | None = None
    measures: Sequence[str] = MEASURES
    ignore_identical_ids: bool | None = None
    prices: Prices = field(default_factory=Prices)
    engine: Engine = field(default_factory=ThisProcess)

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
    """A data set that was read once: documents, judged queries, their qrels, sha256 of all three, malformed lines.

    `queries_without_text` is the number of queries that have qrels and no text.
    """

    name: str
    sha256: str
    documents: Documents
    queries: dict[str, str]
    qrels: Qrels
    bad_lines: list[str] = field(default_factory=list)
    queries_without_text: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """Numbers of documents, queries and judgements, and of those that do not fit together, by name."""
        judged = [doc_id for judgements in self.qrels.values() for doc_id in judgements]
        absent, texts = set(judged), {}
        for document in self.documents:
            absent.discard(document.id)
            if document.id in self.queries:
                texts[document.id] = document.text
        return {
            "documents": len(self.documents),
            "queries": len(self.queries),
            "judgements": len(judged),
            "judgements_of_absent_documents": sum(doc_id in absent for doc_id in judged),
            "judged_queries_without_text": self.queries_without_text,
            "queries_that_are_documents": sum(
                bool(query.strip()) and query.strip() in texts.get(query_id, "")
                for query_id, query in self.queries.items()
            ),
        }


def load(dataset: Dataset, advance: Callable[[int], None] = lambda n: None) -> LoadedDataset:
    """Read the data set once; documents beyond a few megabytes are read again when they are needed.

    Raises DatasetError where it has no documents or no judged queries, and for a document's id that Milvus or a TREC
    run refuses, or that is there twice.
    """
    keeper = Keeper()
    digest = digest_of(_counted(keeper.passing(_checked(dataset)), advance))
    qrels = dataset.qrels()
    queries = dataset.queries()
    if not keeper.count or not queries:
        raise DatasetError(
            f"{dataset.name}: expected documents and judged queries, got {keeper.count} documents and "
            f"{len(queries)} judged queries"
        )
    return LoadedDataset(
        dataset.name,
        finished(digest, queries, qrels),
        keeper.documents(dataset.documents, dataset.name),
        queries,
        {query_id: judgements for query_id, judgements in qrels.items() if query_id in queries},
        [str(bad) for bad in dataset.bad.lines],
        len(qrels.keys() - queries.keys()),
    )


def _counted(documents: Iterable[Document], advance: Callable[[int], None]) -> Iterator[Document]:
    for document in documents:
        yield document
        advance(1)


def _checked(dataset: Dataset) -> Iterator[Document]:
    seen = Seen()
    for document in dataset.documents():
        try:
            check_id(document.id)
            check_trec_id(document.id)
        except ValueError as error:
            raise refused(dataset.name, error) from error
        if not seen.add(document.id):
            raise refused(dataset.name, f"document ids must be unique, got {document.id!r} twice")
        yield document


def refused(name: str, reason: object) -> DatasetError:
    """The error for content of a data set that cannot be stored or evaluated."""
    return DatasetError(f"{name}: {reason}: change it in the data set")
