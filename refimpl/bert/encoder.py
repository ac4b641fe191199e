"""Encode many texts in tiles of similar length, on threads; a head maps the hidden states to results.

float32 goes through the packed forward, float64 through the textbook one, which is the oracle.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from math import ceil
from typing import TypeVar

import numpy as np
from jaxtyping import Int

from refimpl.bert.blas import ONE_BLAS_THREAD
from refimpl.bert.forward import check_ids, forward
from refimpl.bert.packed import Packed, PackedForward
from refimpl.bert.weights import BertWeights
from refimpl.common.stamp import usable_cores
from refimpl.common.types import Array
from refimpl.tokens import Tokens

TILE_TOKENS = 512
LEAST_TILE_TOKENS = 64  # below, one worker: a second one saves at most a quarter of the time

Result = TypeVar("Result")
Head = Callable[[Array, Array], Result]
"""Takes a tile's hidden states `(tokens, hidden)` and `lengths (texts,)`; returns a row or an item per text."""


_one_thread: ContextVar[bool] = ContextVar("one_thread", default=False)


@contextmanager
def one_thread() -> Iterator[None]:
    """Encode on the calling thread alone, with the tiles, and so the bits, of each encoder's `num_workers`."""
    token = _one_thread.set(True)
    try:
        yield
    finally:
        _one_thread.reset(token)


class Encoder:
    """A BERT encoder over packed tokens, in the dtype of `weights`.

    At most `batch_size` texts and about `TILE_TOKENS` tokens go through the arithmetic together, on `num_workers`
    threads (default: the cores that this process may use) with one BLAS thread each: at these sizes OpenBLAS's own
    threads wait on each other. The number of BLAS threads is restored whenever no tile is being computed, also where
    calls overlap in threads or an iterator is abandoned.
    """

    def __init__(self, weights: BertWeights, *, batch_size: int = 128, num_workers: int | None = None) -> None:
        for name, value in (("batch_size", batch_size), ("num_workers", num_workers)):
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        self.weights = weights
        self.batch_size = batch_size
        self.num_workers = num_workers or usable_cores()
        self._hidden_states = PackedForward(weights) if weights.dtype == np.float32 else self._textbook
        weights.release_pages()  # copies made in packing replace the mapped tensors

    def map(self, tokens: Tokens, head: Head[Result]) -> Iterator[tuple[Array, Result]]:
        """For each tile of texts: their indices `(texts,)` and the result of `head`."""
        longest = int(tokens.lengths.max(initial=0))
        check_ids(self.weights.config, tokens.input_ids, tokens.token_type_ids, longest)
        tiles = list(tiles_by_length(tokens.lengths, self.batch_size, self.num_workers))

        def run(texts: Array) -> tuple[Array, Result]:
            tile = tokens.select(texts)
            with ONE_BLAS_THREAD:
                return texts, head(self._hidden_states(tile), tile.lengths)

        if self.num_workers == 1 or len(tiles) == 1 or _one_thread.get():
            yield from map(run, tiles)
            return
        with ThreadPoolExecutor(self.num_workers) as pool:
            yield from pool.map(run, tiles)

    def _textbook(self, tile: Tokens) -> Packed:
        batch = tile.padded()
        states = forward(self.weights, batch.input_ids, batch.attention_mask, batch.token_type_ids)
        return states.last_hidden_state[batch.attention_mask]


def tiles_by_length(
    lengths: Int[Array, "texts"], batch_size: int, num_workers: int
) -> Iterator[Int[Array, "tile_texts"]]:
    """Indices of the texts of each tile, longest texts first: at most `batch_size` texts, about `TILE_TOKENS` tokens.

    Tiles are shares of equal size, the same number per worker, of at least `LEAST_TILE_TOKENS`. A text is never split:
    it belongs to the share that contains its middle.
    """
    total = int(lengths.sum())
    rounds = max(1, ceil(total / (num_workers * TILE_TOKENS)))
    share = max(LEAST_TILE_TOKENS, total / (num_workers * rounds))
    order = np.argsort(-lengths, kind="stable")
    middles = np.cumsum(lengths[order]) - lengths[order] / 2
    for tile in np.split(order, np.flatnonzero(np.diff(middles // share)) + 1):
        for start in range(0, len(tile), batch_size):
            yield tile[start : start + batch_size]
