"""Data sets of the `ir_datasets` catalogue, by id (extra `datasets`)."""

from collections.abc import Iterator
from numbers import Integral
from typing import Any

from refimpl.common.seen import Seen
from refimpl.common.text_files import check_id
from refimpl.common.texts import check_encodable
from refimpl.datasets.base import BadLines, DatasetError, Document, Qrels


class IrDataset:
    """The data set `dataset_id` of `ir_datasets`, for example `beir/scifact/test`, downloaded by it on first use.

    Raises DatasetError where the library is not installed, the id unknown, or documents, queries or qrels are missing,
    and for a malformed record unless `skip_bad` (then `bad.lines` lists them, by kind and number).
    """

    def __init__(self, dataset_id: str, *, skip_bad: bool = False) -> None:
        self.name = f"ir:{dataset_id}"
        self.bad = BadLines(skip_bad)
        self._source = _load(dataset_id)

    def documents(self) -> Iterator[Document]:
        """Every document in the library's order, with its `default_text()`."""
        for doc_id, text in self._records("docs", "doc_id"):
            yield Document(doc_id, text)

    def queries(self) -> dict[str, str]:
        """The queries that have qrels."""
        qrels = self.qrels()
        return {query_id: text for query_id, text in self._records("queries", "query_id") if query_id in qrels}

    def qrels(self) -> Qrels:
        """The qrels; of several judgements of one pair (by aspect or iteration) the highest."""
        qrels: Qrels = {}
        for number, judgement in enumerate(self._source.qrels_iter(), 1):
            relevance = judgement.relevance
            try:
                check_id(judgement.query_id, "query_id")
                check_id(judgement.doc_id, "doc_id")
                if not isinstance(relevance, Integral):
                    raise ValueError(f"relevance must be an integer, got {relevance!r:.60}")
            except ValueError as error:
                self.bad.report(f"{self.name} qrels", number, str(error))
                continue
            of_query = qrels.setdefault(judgement.query_id, {})
            of_query[judgement.doc_id] = max(int(relevance), of_query.get(judgement.doc_id, int(relevance)))
        return qrels

    def _records(self, kind: str, key: str) -> Iterator[tuple[str, str]]:
        """Id and text of each document or query; a malformed one, and an id that occurred earlier, are reported."""
        seen = Seen()
        for number, record in enumerate(getattr(self._source, f"{kind}_iter")(), 1):
            record_id = getattr(record, key)
            try:
                check_id(record_id, key)
                if record_id in seen:
                    raise ValueError(f"{key} {record_id!r} occurs earlier")
                text = _text(record)
            except ValueError as error:
                self.bad.report(f"{self.name} {kind}", number, str(error))
                continue
            seen.add(record_id)
            yield record_id, text


def _load(dataset_id: str) -> Any:
    try:
        import ir_datasets
    except ImportError as error:
        raise DatasetError("ir:ID needs ir_datasets: pip install 'refimpl[datasets]'") from error
    try:
        source = ir_datasets.load(dataset_id)
    except KeyError as error:
        raise DatasetError(
            f"expected an id of ir_datasets, got {dataset_id!r}: see the catalogue at https://ir-datasets.com"
        ) from error
    missing = [kind for kind in ("docs", "queries", "qrels") if not getattr(source, f"has_{kind}")()]
    if missing:
        raise DatasetError(
            f"{dataset_id!r} has no {' and no '.join(missing)}: name a subset that has them, such as {dataset_id}/test"
        )
    return source


def _text(record: Any) -> str:
    """The record's `default_text()`, in which a field that is None is empty; ValueError where it has no text."""
    missing = [name for name in getattr(record, "_fields", ()) if getattr(record, name) is None]
    text = (record._replace(**dict.fromkeys(missing, "")) if missing else record).default_text()
    if not isinstance(text, str) or "text" in missing or (missing and not text.strip()):
        raise ValueError(f"the text must be a string, got {'None' if missing else type(text).__name__}")
    check_encodable([text], lambda _: "the text")
    return text.strip()
