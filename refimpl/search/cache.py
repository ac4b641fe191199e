"""Computed embeddings on disk, keyed by model, settings and text: a run that was stopped goes on where it was."""

import hashlib
import json
import logging
import os
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array, vstack

from refimpl.resources import cache_dir
from refimpl.search.records import Vectors, utf8

log = logging.getLogger(__name__)
TEXTS_AT_A_TIME = 256  # encoded, then saved: what a kill costs at most


class Encoded(NamedTuple):
    """Vectors in the order of the texts; how many texts were encoded just now, and the seconds that took."""

    vectors: Vectors
    fresh: int
    seconds: float


class EmbeddingCache:
    """A folder of vectors for one model under one set of settings: `key`, any JSON value, names both.

    One file for every 256 texts encoded, written whole or not at all; a file that is damaged is ignored, and its texts
    are encoded again. `folder` defaults to `embeddings/` of the user's cache.
    """

    def __init__(self, key: Mapping[str, Any], folder: Path | None = None) -> None:
        named = json.dumps(key, sort_keys=True)
        self.folder = (folder or cache_dir() / "embeddings") / hashlib.sha256(named.encode()).hexdigest()[:32]
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "key.json").write_text(named + "\n", encoding="utf-8")

    def encode(
        self,
        encode: Callable[[list[str]], Vectors],
        texts: Sequence[str],
        advance: Callable[[int], None] = lambda n: None,
    ) -> Encoded:
        """Vectors of `texts`, calling `encode` only for texts (each once) that the cache does not hold."""
        hashes = [hashlib.sha256(utf8(text)).hexdigest()[:32] for text in texts]
        blocks, where = self._load(set(hashes))
        missing = list({digest: number for number, digest in enumerate(hashes) if digest not in where}.values())
        advance(len(texts) - len(missing))
        seconds = 0.0
        for start in range(0, max(len(missing), not texts), TEXTS_AT_A_TIME):
            some = missing[start : start + TEXTS_AT_A_TIME]
            began = perf_counter()
            block = encode([texts[number] for number in some])
            seconds += perf_counter() - began
            if some:
                self._save([hashes[number] for number in some], block)
            where |= {hashes[number]: (len(blocks), row) for row, number in enumerate(some)}
            blocks.append(block)
            advance(len(some))
        return Encoded(_gather(blocks, [where[digest] for digest in hashes]), len(missing), seconds)

    def _load(self, wanted: set[str]) -> tuple[list[Vectors], dict[str, tuple[int, int]]]:
        blocks: list[Vectors] = []
        where: dict[str, tuple[int, int]] = {}
        for file in sorted(self.folder.glob("*.npz")):
            try:
                hashes, block = _read(file)
            except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
                log.warning("%s is damaged and ignored (%s): its texts are encoded again", file, error)
                continue
            held = {digest: (len(blocks), row) for row, digest in enumerate(hashes) if digest in wanted}
            if held:
                where |= held
                blocks.append(block)
        return blocks, where

    def _save(self, hashes: list[str], block: Vectors) -> None:
        arrays: dict[str, Any] = {"hashes": np.array(hashes)}
        if isinstance(block, np.ndarray):
            arrays["dense"] = block
        else:
            arrays |= {"data": block.data, "indices": block.indices, "indptr": block.indptr, "shape": block.shape}
        with tempfile.NamedTemporaryFile(dir=self.folder, prefix=".", suffix=".partial", delete=False) as stream:
            np.savez(stream, **arrays)
        name = hashlib.sha256("".join(hashes).encode()).hexdigest()[:32]
        os.replace(stream.name, self.folder / f"{name}.npz")


def _read(file: Path) -> tuple[list[str], Vectors]:
    with np.load(file, allow_pickle=False) as arrays:
        hashes = arrays["hashes"].tolist()
        if "dense" in arrays:
            block: Vectors = arrays["dense"]
        else:
            shape = tuple(int(size) for size in arrays["shape"])
            block = csr_array((arrays["data"], arrays["indices"], arrays["indptr"]), shape=shape)
    if block.shape[0] != len(hashes):
        raise ValueError(f"{len(hashes)} texts, {block.shape[0]} vectors")
    return hashes, block


def _gather(blocks: list[Vectors], places: list[tuple[int, int]]) -> Vectors:
    """Rows of the blocks in the order of `places`."""
    starts = np.cumsum([0, *(block.shape[0] for block in blocks)])
    rows = np.array([starts[block] + row for block, row in places], dtype=np.int64)
    if isinstance(blocks[0], np.ndarray):
        return np.concatenate(blocks)[rows]
    return csr_array(csr_array(vstack(blocks, format="csr"))[rows])
