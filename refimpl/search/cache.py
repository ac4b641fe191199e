"""Computed embeddings on disk, keyed by model, settings and text, so that an interrupted run can resume."""

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from scipy.sparse import csr_array, vstack

from refimpl.common.array_files import NUMBERS, ArrayFileError, read_npz
from refimpl.common.atomic import check_writable, open_atomically, write_atomically
from refimpl.common.resources import cache_dir
from refimpl.search.records import Vectors, utf8

log = logging.getLogger(__name__)
BATCH_SIZE = 256  # texts encoded, then saved: the most that is lost when the process is killed


DIGEST = np.dtype("S16")  # 128 bits of a text's sha256
Location: TypeAlias = dict[str, tuple[int, int]]


class Encoded(NamedTuple):
    """Vectors in the order of the texts; how many texts were encoded rather than cached, in how many seconds."""

    vectors: Vectors
    computed: int
    seconds: float


class EmbeddingCache:
    """A folder of vectors for one model with one set of settings; `key`, any JSON value, identifies both.

    One file per batch of texts, written atomically, with a checksum that is compared whenever it is read; a damaged
    file is ignored, and its texts are encoded again. `folder` defaults to `embeddings/` of the user's cache; it may be
    read-only where it has the vectors of all texts.
    """

    def __init__(self, key: Mapping[str, Any], folder: Path | None = None) -> None:
        self._identity = json.dumps(key, sort_keys=True)
        self.folder = (folder or cache_dir() / "embeddings") / hashlib.sha256(self._identity.encode()).hexdigest()[:32]
        self._index = _Index(self.folder)

    def encode(
        self,
        encode: Callable[[list[str]], Vectors],
        texts: Sequence[str],
        advance: Callable[[int], None] = lambda n: None,
        *,
        batch_size: int = BATCH_SIZE,
    ) -> Encoded:
        """Vectors of `texts`; calls `encode` once for each distinct text that is not cached, `batch_size` at a time.

        Raises OSError, before anything is encoded, where texts are missing and the folder cannot be written.
        """
        hashes = [hashlib.sha256(utf8(text)).hexdigest()[:32] for text in texts]
        numbers = {digest: number for number, digest in reversed(list(enumerate(hashes)))}
        distinct = sorted(numbers, key=numbers.__getitem__)
        blocks, location = self._cached(distinct, batch_size)
        missing = [digest for digest in distinct if digest not in location]
        if missing:
            self._prepare()
        advance(len(texts) - len(missing))
        seconds = 0.0
        for start in range(0, max(len(missing), not texts), batch_size):
            batch = missing[start : start + batch_size]
            began = perf_counter()
            block = encode([texts[numbers[digest]] for digest in batch])
            seconds += perf_counter() - began
            if batch:
                self._save(batch, block)
            location |= {digest: (len(blocks), row) for row, digest in enumerate(batch)}
            blocks.append(block)
            advance(len(batch))
        return Encoded(_gather(blocks, [location[digest] for digest in hashes]), len(missing), seconds)

    def _cached(self, hashes: list[str], batch_size: int) -> tuple[list[Vectors], Location]:
        """The cached blocks with a vector of these distinct texts, and each text's (block, row).

        A batch of the same texts is found by its file's name; texts in other batches by the index of all files.
        """
        blocks: list[Vectors] = []
        location: Location = {}
        batches = [hashes[start : start + batch_size] for start in range(0, len(hashes), batch_size)]
        named = [file for batch in batches if (file := self._file(batch)).exists()]
        for file in named:
            self._add(file, set(hashes), blocks, location)
        if rest := {digest for digest in hashes if digest not in location}:
            for file in self._index.files_of(rest):
                self._add(file, rest, blocks, location)
        return blocks, location

    def _add(self, file: Path, wanted: set[str], blocks: list[Vectors], location: Location) -> None:
        """Append a file's block, and the places of the wanted texts in it; nothing for a damaged file."""
        cached, block = self._index.read(file)
        rows = {digest: (len(blocks), row) for row, digest in enumerate(cached) if digest in wanted}
        if rows and block is not None:
            location |= rows
            blocks.append(block)

    def _file(self, hashes: Sequence[str]) -> Path:
        return self.folder / f"{hashlib.sha256(''.join(hashes).encode()).hexdigest()[:32]}.npz"

    def _prepare(self) -> None:
        """Create the folder and its key.json, before anything is encoded; a cache that is only read needs neither."""
        self.folder.mkdir(parents=True, exist_ok=True)
        key = self.folder / "key.json"
        check_writable(key)
        if not key.exists():
            write_atomically(key, self._identity + "\n")

    def _save(self, hashes: list[str], block: Vectors) -> None:
        arrays: dict[str, Any] = {"hashes": np.array(hashes)}
        if isinstance(block, np.ndarray):
            arrays["dense"] = block
        else:
            arrays |= {"data": block.data, "indices": block.indices, "indptr": block.indptr, "shape": block.shape}
        arrays["checksum"] = _checksum(arrays)
        with open_atomically(self._file(hashes)) as stream:
            np.savez(stream, **arrays)


class _Index:
    """Which file of a folder has which text, in 20 bytes per text; of the files that are there when it is needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._damaged: set[Path] = set()

    def files_of(self, hashes: set[str]) -> list[Path]:
        """The files with one of these texts, by name."""
        files, digests, numbers = self._tables
        wanted = _digests(hashes)
        if not len(digests) or not len(wanted):
            return []
        places = np.searchsorted(digests, wanted)
        found = digests[np.minimum(places, len(digests) - 1)] == wanted
        return [files[number] for number in np.unique(numbers[places[found]])]

    def read(self, file: Path) -> tuple[list[str], Vectors | None]:
        """The hashes and vectors of a file; no vectors, and once a message in the log, where it is damaged."""
        try:
            return _read(file)
        except (OSError, ValueError) as error:
            if file not in self._damaged:
                log.warning("%s is damaged and ignored (%s): its texts are encoded again", file, error)
            self._damaged.add(file)
            return [], None

    @cached_property
    def _tables(self) -> tuple[list[Path], np.ndarray, np.ndarray]:
        """All files, the sorted digests of their texts, and the number of each digest's file."""
        files = sorted(self._folder.glob("*.npz"))
        digests = [_digests(self.read(file)[0]) for file in files]
        numbers = np.repeat(np.arange(len(files), dtype=np.int32), [len(one) for one in digests])
        joined = np.concatenate([np.empty(0, DIGEST), *digests])
        order = np.argsort(joined, kind="stable")
        return files, joined[order], numbers[order]


def _digests(hashes: Iterable[str]) -> np.ndarray:
    return np.frombuffer(b"".join(bytes.fromhex(digest) for digest in hashes), DIGEST)


def _read(file: Path) -> tuple[list[str], Vectors]:
    arrays = read_npz(file, NUMBERS + "U")
    expected = arrays.pop("checksum", None)
    if expected is None or not np.array_equal(expected, _checksum(arrays)):
        raise ArrayFileError(f"{file}: expected vectors with their checksum, got others, or none")
    if "dense" in arrays:
        block: Vectors = arrays["dense"]
    else:
        shape = tuple(int(size) for size in arrays["shape"])
        block = csr_array((arrays["data"], arrays["indices"], arrays["indptr"]), shape=shape)
    return arrays["hashes"].tolist(), block


def _checksum(arrays: Mapping[str, Any]) -> np.ndarray:
    """The sha256 of the arrays with their names, dtypes and shapes, as uint8."""
    digest = hashlib.sha256()
    for name, values in sorted(arrays.items()):
        array = np.asarray(values)
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return np.frombuffer(digest.digest(), np.uint8)


def _gather(blocks: list[Vectors], locations: list[tuple[int, int]]) -> Vectors:
    """Rows of the blocks, in the order of `locations`."""
    starts = np.cumsum([0, *(block.shape[0] for block in blocks)])
    rows = np.array([starts[block] + row for block, row in locations], dtype=np.int64)
    if isinstance(blocks[0], np.ndarray):
        return np.concatenate(blocks)[rows]
    return csr_array(csr_array(vstack(blocks, format="csr"))[rows])
