"""Encoding of shards on a cluster: each worker encodes parts of the collection and writes their files."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

from refimpl.bert.encoder import one_thread
from refimpl.common.extras import importing
from refimpl.datasets import Document
from refimpl.distributed.errors import ClusterError, this_worker
from refimpl.distributed.tasks import as_they_complete, share, shared
from refimpl.shards import ROWS, Manifest, Part, ShardEntry, ShardError, begin, entry_of, finish, shard_file, split
from refimpl.shards import encode_shard as encode_here
from refimpl.shards.encode import Encode
from refimpl.shards.parquet import Vectors

with importing("distributed"):
    from distributed import Client, Future

SHARED = "give a folder that all machines share, under the same path"


def encode_shards(
    client: Client,
    documents: Iterable[Document],
    encoders: Mapping[str, Encode],
    folder: Path,
    settings: Mapping[str, Any],
    *,
    rows: int = ROWS,
    text_bytes: int | None = None,
    advance: Callable[[int], None] = lambda n: None,
    record: Callable[[str, int, float], None] = lambda field, texts, seconds: None,
) -> Manifest:
    """Encode a collection into `folder`, shard by shard, and write its manifest; interrupted and called again, resume.

    The files are those of `refimpl.shards.encode_shards`, to the last bit, whatever the number of workers and the order
    in which they finish. A shard that a lost worker was encoding is encoded by another one.

    Parameters
    ----------
    client
        Of `connect`.
    documents, encoders, settings, rows, text_bytes, advance
        As in `refimpl.shards.encode_shards`; `encoders` must be picklable by cloudpickle, as the methods of embedding
        functions are. A model travels as its path and the sha256 of its files.
    record
        Called with field, number of texts and seconds for each part that a worker has encoded.
    folder
        Where the shards are written, by the workers: a folder that all machines share, under the same path.

    Returns
    -------
    Manifest
        That of the complete folder.

    Raises
    ------
    ClusterError
        As `connect`; or if a worker has not the model, or another folder under this path.
    ShardError
        If the folder has shards of other settings.
    Exception
        Whatever an encoder raises.
    """
    folder = folder.absolute()
    begin(folder, settings)
    task = partial(_encode, folder=folder, settings=settings, text_bytes=text_bytes)
    shared_encoders = share(client, dict(encoders))

    def submit(part: Part) -> Future:
        return client.submit(task, shared_encoders, part, pure=False)

    entries = {}
    for entry, seconds in as_they_complete(client, submit, split(documents, rows)):
        _check_arrived(folder / entry.file, entry)
        for field, taken in seconds.items():
            record(field, entry.rows, taken)
        entries[entry.file] = entry
        advance(entry.rows)
    return finish(folder, settings, [entries[name] for name in sorted(entries)])


def _encode(
    encoders: bytes, part: Part, *, folder: Path, settings: Mapping[str, Any], text_bytes: int | None
) -> tuple[ShardEntry, dict[str, float]]:
    """Encode one part on a worker; with the seconds that each field took, none where the shard was there."""
    path = folder / shard_file(part.number)
    seconds: dict[str, float] = {}

    def timed(name: str, encode: Encode, texts: list[str]) -> Vectors:
        start = perf_counter()
        vectors = encode(texts)
        seconds[name] = perf_counter() - start
        return vectors

    functions = {name: partial(timed, name, encode) for name, encode in shared(encoders).items()}
    _check_folder(folder, settings)
    with one_thread():
        encode_here(part, functions, path, settings, text_bytes)
    return entry_of(path), seconds


def _check_folder(folder: Path, settings: Mapping[str, Any]) -> None:
    """Raise ClusterError unless this worker sees the manifest that the client has written."""
    try:
        Manifest.read(folder).check_settings(settings, folder)
    except (OSError, ShardError) as error:
        raise ClusterError(f"{this_worker()} does not see the client's folder {folder} ({error}): {SHARED}") from error


def _check_arrived(path: Path, entry: ShardEntry) -> None:
    """Raise ClusterError unless this process sees the file that a worker has written."""
    if not path.is_file() or path.stat().st_size != entry.bytes:
        raise ClusterError(f"a worker wrote {path}, which is not on this machine: {SHARED}")
