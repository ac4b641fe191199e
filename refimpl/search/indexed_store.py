"""A store whose index can be chosen and replaced, and whose documents can be deleted and overwritten."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

from refimpl.search.fields import Field
from refimpl.search.indexes import BuildTime, Index
from refimpl.search.milvus_uri import MilvusError
from refimpl.search.records import Vectors, check_documents, document_row
from refimpl.search.store import MilvusStore

POLL_S = 0.02  # pymilvus itself looks every 0.5 s
BATCH = 500


class IndexedStore(MilvusStore):
    """A `MilvusStore` of one vector field, to compare indexes; the index is the field's default at first."""

    def __init__(self, collection: str, field: Field, *, uri: str, token: str | None = None) -> None:
        super().__init__(collection, [field], uri=uri, token=token)
        self.field = field

    def set_index(self, index: Index) -> BuildTime:
        """Replace the index, and return when the collection can be searched by it.

        Raises MilvusError where Milvus refuses the index; the collection has none then.

        Notes
        -----
        pymilvus sends `params={"M": 16}` as a pair M, 16. Milvus Lite 3.2.2 reads build parameters only from a pair
        named params, a JSON object, and ignores all others without a message. Milvus reads both; this sends params.
        """
        self.remove_index()
        name = self.field.name
        parameters = self._client.prepare_index_params()
        parameters.add_index(
            name,
            index_name=name,
            index_type=index.type,
            metric_type=self.field.metric,
            params={"params": dict(index.build)} if index.build else {},
        )
        try:
            with self._calling(f"building {index.label}"):
                start = perf_counter()
                self._client.create_index(self.collection, parameters, sync=False)
                self._wait_for_index(index)
                built = perf_counter()
                self._client.load_collection(self.collection)
                return BuildTime(built - start, perf_counter() - built)
        except MilvusError:
            with suppress(MilvusError):  # Milvus Lite keeps an index that it cannot build, and then opens no more
                self.remove_index()
            raise

    def __enter__(self) -> "IndexedStore":
        return self

    def delete(self, ids: Sequence[str]) -> None:
        """Delete these documents; an unknown id is ignored. Later searches do not return them."""
        for start in range(0, len(ids), BATCH):
            with self._calling(f"deleting documents from {ids[start]!r}"):
                self._client.delete(self.collection, ids=list(ids[start : start + BATCH]))
        self.settle()

    def overwrite(self, ids: Sequence[str], texts: Sequence[str], vectors: Vectors) -> None:
        """Write these documents, whether they are present or not. Later searches return the new ones.

        Raises ValueError as `ingest` does.
        """
        by_field: Mapping[str, Vectors] = {self.field.name: vectors}
        check_documents(ids, texts, by_field, self.fields)
        for start in range(0, len(ids), BATCH):
            rows = range(start, min(start + BATCH, len(ids)))
            with self._calling(f"overwriting documents from {ids[start]!r}"):
                self._client.upsert(self.collection, [document_row(r, ids[r], texts[r], by_field) for r in rows])
        self.settle()

    def settle(self) -> int:
        """Flush, wait until searches see everything that was written, and return the number of documents."""
        with self._calling(f"flushing {self.collection}"):
            self._client.flush(self.collection)
            rows = self._client.query(self.collection, output_fields=["count(*)"], consistency_level="Strong")
        return int(rows[0]["count(*)"])

    def index_bytes(self) -> int | None:
        """Bytes of the index files of Milvus Lite; None for a server, which does not report them."""
        if not self.lite:
            return None
        return sum(file.stat().st_size for file in Path(self._uri).rglob("*idx") if file.is_file())

    def remove(self) -> None:
        """Delete the collection."""
        with self._calling(f"dropping {self.collection}"):
            self._client.drop_collection(self.collection)

    def remove_index(self) -> None:
        """Delete the index, if there is one; the collection cannot be searched until it has another."""
        with self._calling(f"dropping the index of {self.field.name}"):
            self._client.release_collection(self.collection)
            if self.field.name in self._client.list_indexes(self.collection):
                self._client.drop_index(self.collection, self.field.name)

    def _wait_for_index(self, index: Index) -> None:
        while True:
            described: dict[str, Any] = self._client.describe_index(self.collection, self.field.name)
            if described.get("state") == "Failed":
                raise MilvusError(f"Milvus could not build {index.label}: {described.get('reason', 'no reason given')}")
            if described.get("state") == "Finished" and not described.get("pending_index_rows"):
                return
            sleep(POLL_S)
