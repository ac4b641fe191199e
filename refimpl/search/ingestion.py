"""Ingestion: documents that arrive in parts, written in batches, several at once where Milvus is served."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from refimpl.common.seen import Seen
from refimpl.search.fields import Field
from refimpl.search.records import TEXT_BYTES, Ingested, check_documents, document_row, utf8
from refimpl.shards import Shard

BATCH = 500  # documents of one call
QUEUED = 2  # batches that wait, per worker


@dataclass(frozen=True)
class Writer:
    """The calls of a store: those of the ids that the collection has, and writing documents."""

    present: Callable[[list[str]], set[str]]
    write: Callable[[list[dict[str, Any]]], None]


@dataclass(frozen=True)
class Ingestion:
    """Writes parts of a collection with `workers` threads; `resumed` if the collection may have some documents.

    Raises ValueError as `check_documents`, per part, and for an id that occurred in an earlier part.
    """

    writer: Writer
    fields: dict[str, Field]
    resumed: bool
    workers: int = 1
    batch_size: int = BATCH

    def run(self, parts: Iterable[Shard], advance: Callable[[int], None]) -> Ingested:
        """Write the documents that are not present; the first error of a batch is raised, and no batch follows it."""
        total = Ingested(0, 0, 0)
        for done in self._in_order_of_completion(self._batches(parts)):
            total = Ingested(*map(sum, zip(total, done, strict=True)))
            advance(done.written + done.kept)
        return total

    def _batches(self, parts: Iterable[Shard]) -> Iterator[tuple[Shard, range]]:
        seen = Seen()
        for part in parts:
            check_documents(part.ids, part.texts, part.vectors, self.fields)
            for doc_id in part.ids:
                if not seen.add(doc_id):
                    raise ValueError(f"document ids must be unique, got {doc_id!r} twice")
            for start in range(0, len(part.ids), self.batch_size):
                yield part, range(start, min(start + self.batch_size, len(part.ids)))

    def _in_order_of_completion(self, batches: Iterator[tuple[Shard, range]]) -> Iterator[Ingested]:
        if self.workers == 1:
            yield from (self._write(*batch) for batch in batches)
            return
        waiting: set[Future[Ingested]] = set()
        with ThreadPoolExecutor(self.workers) as pool:
            try:
                for batch in batches:
                    waiting.add(pool.submit(self._write, *batch))
                    if len(waiting) >= QUEUED * self.workers:
                        done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                        yield from (one.result() for one in done)
                yield from (one.result() for one in waiting)
            finally:
                pool.shutdown(cancel_futures=True)

    def _write(self, part: Shard, rows: range) -> Ingested:
        present = self.writer.present([part.ids[row] for row in rows]) if self.resumed else set()
        missing = [row for row in rows if part.ids[row] not in present]
        batch = [document_row(row, part.ids[row], part.texts[row], part.vectors) for row in missing]
        if batch:
            self.writer.write(batch)
        truncated = sum(len(utf8(part.texts[row])) > TEXT_BYTES for row in missing)
        return Ingested(len(batch), len(rows) - len(batch), truncated)
