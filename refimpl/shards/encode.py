"""Encoding in shards: split a stream of documents, encode each part, and keep what is there already."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from refimpl.common.atomic import check_output
from refimpl.datasets import Document
from refimpl.shards.manifest import FILE, Manifest, ShardEntry, entry_of, shard_file
from refimpl.shards.parquet import ShardError, Vectors, read_info, read_shard, write_shard

ROWS = 4096
"""Documents per shard: the unit of work, of memory and of what is lost when a process is killed."""

Encode = Callable[[list[str]], Vectors]


@dataclass(frozen=True)
class Part:
    """A part of a collection: its number from 0, the row of its first document, ids and texts."""

    number: int
    first_row: int
    ids: list[str]
    texts: list[str]

    @property
    def source(self) -> str:
        """Hex sha256 of number, ids and texts, each string preceded by its length."""
        digest = hashlib.sha256(f"{self.number} {self.first_row}".encode())
        for text in (*self.ids, *self.texts):
            content = text.encode("utf-8", "surrogatepass")
            digest.update(len(content).to_bytes(8, "little") + content)
        return digest.hexdigest()


def split(documents: Iterable[Document], rows: int = ROWS) -> Iterator[Part]:
    """Yield parts of `rows` documents, the last one shorter; only one is in memory. ValueError unless rows > 0."""
    if rows < 1:
        raise ValueError(f"a shard must have at least 1 document, got {rows}")
    remaining = iter(documents)
    number = first_row = 0
    while part := list(islice(remaining, rows)):
        yield Part(number, first_row, [one.id for one in part], [one.text for one in part])
        number, first_row = number + 1, first_row + len(part)


def encode_shard(
    part: Part,
    encoders: Mapping[str, Encode],
    path: Path,
    settings: Mapping[str, Any] | None = None,
    text_bytes: int | None = None,
) -> bool:
    """Encode the texts of a part and write them with their vectors, unless `path` has just that already.

    Parameters
    ----------
    part
        The documents.
    encoders
        Per vector field, the function from texts to `float32 (docs, dim)` or `csr_array (docs, dim)`.
    path
        The shard's file.
    settings
        What the vectors depend on, as in `Manifest`: a shard of other settings is encoded again.
    text_bytes
        Truncate stored texts to this many bytes of UTF-8, at a character boundary; the encoders receive whole texts.

    Returns
    -------
    bool
        False where the shard was there: whole, and with the hash of these documents and settings.
    """
    source = source_hash(part, settings or {}, text_bytes)
    if is_shard_of(path, source):
        return False
    vectors = {name: encode(part.texts) for name, encode in encoders.items()}
    texts = part.texts if text_bytes is None else [_truncated(text, text_bytes) for text in part.texts]
    write_shard(path, part.ids, texts, vectors, source)
    return True


def source_hash(part: Part, settings: Mapping[str, Any], text_bytes: int | None = None) -> str:
    """Hex sha256 of everything that a shard is computed from."""
    identity = json.dumps([part.source, dict(settings), text_bytes], sort_keys=True)
    return hashlib.sha256(identity.encode()).hexdigest()


def is_shard_of(path: Path, source: str) -> bool:
    """Whether `path` is a shard with this `source`, every page of which has its checksum."""
    try:
        if read_info(path).source != source:
            return False
        read_shard(path)
        return True
    except (FileNotFoundError, ShardError):
        return False


def encode_shards(
    documents: Iterable[Document],
    encoders: Mapping[str, Encode],
    folder: Path,
    settings: Mapping[str, Any],
    *,
    rows: int = ROWS,
    text_bytes: int | None = None,
    advance: Callable[[int], None] = lambda n: None,
) -> Manifest:
    """Encode a collection into `folder`, shard by shard, and write its manifest; killed and called again, it resumes.

    Only one shard is in memory. Raises ShardError where the folder has shards of other settings, and whatever the
    encoders raise.
    """
    begin(folder, settings)
    entries = []
    for part in split(documents, rows):
        path = folder / shard_file(part.number)
        encode_shard(part, encoders, path, settings, text_bytes)
        entries.append(entry_of(path))
        advance(len(part.ids))
    return finish(folder, settings, entries)


def begin(folder: Path, settings: Mapping[str, Any]) -> None:
    """Create the folder with a manifest of these settings, or resume one; ShardError where its settings differ."""
    check_output(folder / FILE)
    try:
        manifest = Manifest.read(folder)
    except FileNotFoundError:
        Manifest(settings).write(folder)
        return
    manifest.check_settings(settings, folder)


def finish(folder: Path, settings: Mapping[str, Any], entries: Iterable[ShardEntry]) -> Manifest:
    """Write the manifest of a complete folder, its entries in the order of the shards, and remove files beyond it."""
    shards = tuple(entries)
    columns = read_info(folder / shards[0].file).columns if shards else {}
    manifest = Manifest(settings, columns, shards, complete=True)
    manifest.write(folder)
    names = {entry.file for entry in shards}
    for file in folder.glob(f"{'[0-9]' * 6}.parquet"):
        if file.name not in names:
            file.unlink()
    return manifest


def _truncated(text: str, most: int) -> str:
    return text.encode("utf-8", "replace")[:most].decode("utf-8", "ignore")
