"""Any collection of the `ir_datasets` catalogue, by its id (extra `datasets`)."""

from collections.abc import Iterator
from typing import Any

from refimpl.datasets.base import BadLines, DatasetError, Document, Qrels


class IrDataset:
    """The collection `ir_datasets` knows as `dataset_id`, for example `beir/scifact/test`; it downloads on first use.

    Raises DatasetError where the library is absent, the id unknown, or documents, queries or judgements are missing.
    """

    def __init__(self, dataset_id: str, *, skip_bad: bool = False) -> None:
        self.name = f"ir:{dataset_id}"
        self.bad = BadLines(skip_bad)
        self._source = _load(dataset_id)

    def documents(self) -> Iterator[Document]:
        """Every document in the library's order; its text is what `default_text()` gives."""
        seen: set[str] = set()
        for number, document in enumerate(self._source.docs_iter(), 1):
            if document.doc_id in seen:
                self.bad.report(self.name, number, f"document id {document.doc_id!r} came before")
                continue
            seen.add(document.doc_id)
            yield Document(document.doc_id, _text(document))

    def queries(self) -> dict[str, str]:
        """The judged queries."""
        judged = self.qrels()
        return {query.query_id: _text(query) for query in self._source.queries_iter() if query.query_id in judged}

    def qrels(self) -> Qrels:
        """The judgements; of several for one pair (by aspect or iteration) the highest counts."""
        qrels: Qrels = {}
        for judgement in self._source.qrels_iter():
            judged = qrels.setdefault(judgement.query_id, {})
            relevance = int(judgement.relevance)
            judged[judgement.doc_id] = max(relevance, judged.get(judgement.doc_id, relevance))
        return qrels


def _load(dataset_id: str) -> Any:
    try:
        import ir_datasets
    except ImportError as error:
        raise DatasetError("ir: collections need ir_datasets: pip install 'refimpl[datasets]'") from error
    try:
        source = ir_datasets.load(dataset_id)
    except KeyError as error:
        raise DatasetError(
            f"ir_datasets does not know {dataset_id!r}: its catalogue is at https://ir-datasets.com"
        ) from error
    missing = [kind for kind in ("docs", "queries", "qrels") if not getattr(source, f"has_{kind}")()]
    if missing:
        raise DatasetError(
            f"{dataset_id!r} has no {' and no '.join(missing)}: name a subset that has, for example {dataset_id}/test"
        )
    return source


def _text(record: Any) -> str:
    return str(record.default_text()).strip()
