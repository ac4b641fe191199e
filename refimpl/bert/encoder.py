"""Many texts through the encoder: tiles of whole texts of like length, on threads; what is read off them is a head.

float32 goes through the packed forward, float64 through the textbook one, which is the oracle.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from math import ceil
from typing import TypeVar

import numpy as np
from jaxtyping import Int
from threadpoolctl import ThreadpoolController

from refimpl.bert.forward import check_ids, forward
from refimpl.bert.ops import Array
from refimpl.bert.packed import Packed, PackedForward
from refimpl.bert.weights import BertWeights
from refimpl.tokens import Tokens

TILE_TOKENS = 512
LEAST_TILE_TOKENS = 64  # below, one worker: a second reads all weights again and saves a quarter of the time at most

Result = TypeVar("Result")
Head = Callable[[Array, Array], Result]
"""Takes a tile's hidden states `(tokens, hidden)` and `lengths (texts,)`; returns a row or an item for each text."""


class Encoder:
    """A BERT encoder over packed tokens, in the dtype of `weights`.

    At most `batch_size` texts and about `TILE_TOKENS` tokens go through the arithmetic together, on `num_workers`
    threads (default: the cores that this process may use) with one BLAS thread each: at these sizes OpenBLAS's own
    threads wait on each other. After the call BLAS has as many threads as before.
    """

    def __init__(self, weights: BertWeights, *, batch_size: int = 128, num_workers: int | None = None) -> None:
        for name, value in (("batch_size", batch_size), ("num_workers", num_workers)):
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        self.weights = weights
        self.batch_size = batch_size
        self.num_workers = num_workers or len(os.sched_getaffinity(0))
        self._blas = ThreadpoolController()  # made once: looking through all loaded libraries takes a millisecond
        self._hidden_states = PackedForward(weights) if weights.dtype == np.float32 else self._textbook
        weights.let_go()  # of what was packed, the packed copy is in use

    def map(self, tokens: Tokens, head: Head[Result]) -> Iterator[tuple[Array, Result]]:
        """For each tile of texts: their indices `(texts,)` and what `head` makes of their hidden states."""
        longest = int(tokens.lengths.max(initial=0))
        check_ids(self.weights.config, tokens.input_ids, tokens.token_type_ids, longest)
        tiles = list(tiles_by_length(tokens.lengths, self.batch_size, self.num_workers))

        def run(texts: Array) -> tuple[Array, Result]:
            tile = tokens.select(texts)
            return texts, head(self._hidden_states(tile), tile.lengths)

        with self._blas.limit(limits=1, user_api="blas"):
            if self.num_workers == 1 or len(tiles) == 1:
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

    Tiles are shares of equal size, as many for each worker, but not below `LEAST_TILE_TOKENS`. A text is never cut in
    two: it goes whole to the share in which its middle lies.
    """
    total = int(lengths.sum())
    rounds = max(1, ceil(total / (num_workers * TILE_TOKENS)))
    share = max(LEAST_TILE_TOKENS, total / (num_workers * rounds))
    order = np.argsort(-lengths, kind="stable")
    middles = np.cumsum(lengths[order]) - lengths[order] / 2
    for tile in np.split(order, np.flatnonzero(np.diff(middles // share)) + 1):
        for start in range(0, len(tile), batch_size):
            yield tile[start : start + batch_size]
