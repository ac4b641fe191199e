"""Computed embeddings on disk, keyed by model, settings and text, so that an interrupted run can resume."""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array, vstack

from refimpl.common.array_files import NUMBERS, ArrayFileError, read_npz
from refimpl.common.atomic import check_writable, open_atomically, write_atomically
from refimpl.common.resources import cache_dir
from refimpl.search.records import Vectors, utf8

log = logging.getLogger(__name__)
BATCH_SIZE = 256  # texts encoded, then saved: the most that is lost when the process is killed


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
        blocks, location = self._load(set(hashes))
        missing = list({digest: number for number, digest in enumerate(hashes) if digest not in location}.values())
        if missing:
            self._prepare()
        advance(len(texts) - len(missing))
        seconds = 0.0
        for start in range(0, max(len(missing), not texts), batch_size):
            batch = missing[start : start + batch_size]
            began = perf_counter()
            block = encode([texts[number] for number in batch])
            seconds += perf_counter() - began
            if batch:
                self._save([hashes[number] for number in batch], block)
            location |= {hashes[number]: (len(blocks), row) for row, number in enumerate(batch)}
            blocks.append(block)
            advance(len(batch))
        return Encoded(_gather(blocks, [location[digest] for digest in hashes]), len(missing), seconds)

    def _load(self, hashes: set[str]) -> tuple[list[Vectors], dict[str, tuple[int, int]]]:
        """The cached blocks with a vector of these texts, and each text's (block, row)."""
        blocks: list[Vectors] = []
        location: dict[str, tuple[int, int]] = {}
        for file in sorted(self.folder.glob("*.npz")):
            try:
                cached, block = _read(file)
            except (OSError, ValueError) as error:
                log.warning("%s is damaged and ignored (%s): its texts are encoded again", file, error)
                continue
            rows = {digest: (len(blocks), row) for row, digest in enumerate(cached) if digest in hashes}
            if rows:
                location |= rows
                blocks.append(block)
        return blocks, location

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
        name = hashlib.sha256("".join(hashes).encode()).hexdigest()[:32]
        with open_atomically(self.folder / f"{name}.npz") as stream:
            np.savez(stream, **arrays)


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
