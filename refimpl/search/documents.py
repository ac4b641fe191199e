"""A collection's documents, iterated as often as needed; only a small collection is kept in memory."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path

from refimpl.datasets import DatasetError, Document
from refimpl.shards import read_shard, shard_paths, split

KEPT_BYTES = 16 << 20
"""Documents of fewer bytes than this, as Python objects, are kept in memory; others are read again at each pass."""
OBJECT_BYTES = 250  # of a document: two strings, the tuple, its place in the list


class Documents:
    """Documents in a fixed order.

    Parameters
    ----------
    read
        Returns a new iterator over all documents; ids are unique.
    count
        Their number.
    name
        The data set's name, for messages.
    kept
        Whether they are in memory.
    ids
        Returns a new iterator over the ids alone, where that is quicker.
    """

    def __init__(
        self,
        read: Callable[[], Iterable[Document]],
        count: int,
        name: str = "",
        kept: bool = False,
        ids: Callable[[], Iterable[str]] | None = None,
    ) -> None:
        self.kept = kept
        self._ids = ids or (lambda: (document.id for document in self))
        self._read = read
        self._count = count
        self._name = name

    @classmethod
    def of(cls, ids: Sequence[str], texts: Sequence[str]) -> "Documents":
        """Documents in memory, from parallel ids and texts."""
        kept = [Document(doc_id, text) for doc_id, text in zip(ids, texts, strict=True)]
        return cls(lambda: kept, len(kept), kept=True)

    @classmethod
    def in_shards(cls, folder: Path, count: int) -> "Documents":
        """The documents of a complete folder of shards, texts as they are stored there."""

        def read() -> Iterator[Document]:
            for path in shard_paths(folder):
                shard = read_shard(path, ["id", "text"])
                yield from map(Document, shard.ids, shard.texts)

        def ids() -> Iterator[str]:
            return (doc_id for path in shard_paths(folder) for doc_id in read_shard(path, ["id"]).ids)

        return cls(read, count, ids=ids)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Document]:
        """Every document; DatasetError where there are more or fewer than at the first pass."""
        number = 0
        for document in self._read():
            number += 1
            yield document
        if number != self._count:
            raise DatasetError(
                f"{self._name} has changed while it was read: expected {self._count} documents, got {number}"
            )

    def texts(self) -> Iterator[str]:
        """Every text, in order."""
        return (document.text for document in self)

    def parts(self, advance: Callable[[int], None] = lambda n: None) -> Iterator[list[str]]:
        """Every text, in order, in lists of a few thousand; `advance` is called after each."""
        for part in split(self):
            yield part.texts
            advance(len(part.texts))

    def positions(self, ids: Collection[str]) -> dict[str, int]:
        """The row number of each of these ids; an unknown one is left out."""
        wanted = set(ids)
        return {doc_id: row for row, doc_id in enumerate(self._ids()) if doc_id in wanted}

    def texts_of(self, ids: Collection[str]) -> dict[str, str]:
        """The text of each of these ids; an unknown one is left out."""
        wanted = set(ids)
        return {document.id: document.text for document in self if document.id in wanted}


class Keeper:
    """Keeps documents that pass, until they are more than `KEPT_BYTES`."""

    def __init__(self) -> None:
        self.kept: list[Document] | None = []
        self.count = 0
        self._bytes = 0

    def passing(self, documents: Iterable[Document]) -> Iterator[Document]:
        """Yield the documents."""
        for document in documents:
            self.count += 1
            self._bytes += len(document.id) + len(document.text) + OBJECT_BYTES
            if self._bytes > KEPT_BYTES:
                self.kept = None
            elif self.kept is not None:
                self.kept.append(document)
            yield document

    def documents(self, read: Callable[[], Iterable[Document]], name: str) -> Documents:
        """The documents that have passed, in memory or else from `read`."""
        kept = self.kept
        if kept is None:
            return Documents(read, self.count, name)
        return Documents(lambda: kept, self.count, name, kept=True)
