"""The tokens before a text, solved for from its vector: a best-first search over sequences of tokens.

The gradient by the word embeddings proposes tokens (Ebrahimi et al. 2018, HotFlip; Zou et al. 2023 search prompts so);
the forward pass measures each proposal. A sequence of the right tokens has the vector itself, so that it is certain.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from refimpl.bert.forward import forward
from refimpl.bert.weights import BertWeights
from refimpl.common.types import Array
from refimpl.diagnosis.encoder import WORD_EMBEDDINGS
from refimpl.diagnosis.gradients import word_gradient

LONGEST = 12  # tokens
FOUND = 1e-9  # squared distance of unit vectors in float32
PROPOSED = 8  # tokens per position that the gradient proposes
USUAL_PROPOSED = 24  # usual tokens that are tried, at all positions together
STAGNANT = 3  # steps without a nearer sequence, after which more replacements of the nearest are tried
MANY = 32  # tokens per position that the gradient proposes then
SIMILAR = 8  # tokens per position that have a similar embedding
MOVED = 24  # sequences with tokens in another order
INSERTED = 32  # sequences with one more token
AT_ONCE = 64  # sequences per product, so that the intermediates stay in the processor's cache
GRADIENT = 4  # forward passes that a gradient amounts to
BEGINNINGS = 64

Ids = tuple[int, ...]


Pool = Callable[[Array], Array]
"""Takes states `(n, seq, hidden)`; returns vectors `(n, hidden)`."""


@dataclass(frozen=True)
class Given:
    """One text's vector, and what is known about it.

    `vector` `(hidden,)` has unit length; `before` and `after` are the ids around the unknown ones; `pool` maps states
    `(n, seq, hidden)` to vectors `(n, hidden)`, a weighted sum over `seq`.
    """

    vector: Array
    before: Ids
    after: Ids
    pool: Pool


class PromptSolver:
    """Solves for the tokens between `given.before` and `given.after`.

    Parameters
    ----------
    weights
        The model, in float32.
    given
        The vector.
    usual
        Ids that prompts often have.
    excluded
        Ids that no text has, such as special tokens.
    """

    def __init__(self, weights: BertWeights, given: Given, usual: Sequence[int], excluded: Sequence[int]) -> None:
        self.weights, self.given = weights, given
        self.usual, self.excluded = np.array(usual), np.array(excluded, dtype=np.int64)
        self.embeddings = np.asarray(weights[WORD_EMBEDDINGS], dtype=np.float32)
        self._norms = np.maximum(np.linalg.norm(self.embeddings, axis=1), 1e-30)
        self.tokens = 0
        """Tokens of all forward passes so far."""
        self.compared = 0
        """Sequences so far."""
        self._random = np.random.default_rng(0)
        self._seen: set[Ids] = set()
        self._queue: list[tuple[float, Ids]] = []

    def search(self, first: Iterable[Ids]) -> Iterator[tuple[float, Ids]]:
        """The squared distance and the ids of the nearest sequence so far, after each step; ends at an exact one.

        `first` are sequences to begin with.
        """
        sizes = (1 + i % 4 for i in range(BEGINNINGS))
        self._push([*first, *(tuple(map(int, self._random.choice(self.usual, size))) for size in sizes)])
        best, steps = self._queue[0], 0
        while self._queue:
            nearest = heapq.heappop(self._queue)
            best, steps = (nearest, 0) if nearest <= best else (best, steps + 1)
            yield best
            if best[0] <= FOUND:
                return
            self._push(self._replaced(best[1]) if steps == STAGNANT else self._neighbours(nearest[1]))

    def distances(self, sequences: Sequence[Ids]) -> Array:
        """The squared distances `(n,)` of unit vectors, from the given one."""
        return np.asarray(self.distances_of((self.given.pool,), sequences)[0])

    def distances_of(self, pools: Sequence[Pool], sequences: Sequence[Ids]) -> Array:
        """Those `(pools, n)` of several poolings, of the same forward passes."""
        found = np.empty((len(pools), len(sequences)))
        self.compared += len(sequences)
        for size in {len(each) for each in sequences}:
            rows = [row for row, each in enumerate(sequences) if len(each) == size]
            for start in range(0, len(rows), AT_ONCE):
                some = rows[start : start + AT_ONCE]
                states = self._states(np.array([self._ids(sequences[row]) for row in some]))
                found[:, some] = [self._distances(pool(states)) for pool in pools]
        return found

    def _states(self, ids: Array) -> Array:
        self.tokens += ids.size
        return forward(self.weights, ids, np.ones_like(ids), np.zeros_like(ids)).last_hidden_state

    def _distances(self, vectors: Array) -> Array:
        vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(np.sum((vectors - self.given.vector) ** 2, axis=1))

    def _ids(self, sequence: Ids) -> Ids:
        return (*self.given.before, *sequence, *self.given.after)

    def _push(self, sequences: Iterable[Ids]) -> None:
        new = [each for each in dict.fromkeys(sequences) if 0 < len(each) <= LONGEST and each not in self._seen]
        self._seen.update(new)
        for distance, sequence in zip(self.distances(new), new, strict=True):
            heapq.heappush(self._queue, (float(distance), sequence))

    def _neighbours(self, ids: Ids) -> list[Ids]:
        """Sequences with one token replaced, left out or inserted, two exchanged, or a part moved."""
        proposed = self._proposed(ids)
        found = [(*ids[:i], token, *ids[i + 1 :]) for i, tokens in enumerate(proposed) for token in tokens]
        share = max(3, USUAL_PROPOSED // len(ids))
        for i in range(len(ids)):
            found += [(*ids[:i], int(token), *ids[i + 1 :]) for token in self._random.choice(self.usual, share)]
            found.append(ids[:i] + ids[i + 1 :])
        moved = list(_moved(ids))
        found += [moved[int(i)] for i in self._random.permutation(len(moved))[:MOVED]]
        nearest = [token for tokens in proposed for token in tokens[: max(4, USUAL_PROPOSED // len(ids))]]
        inserted = np.array([*dict.fromkeys(nearest), *self._random.choice(self.usual, 32)])
        for token in self._random.choice(inserted, INSERTED):
            place = int(self._random.integers(len(ids) + 1))
            found.append((*ids[:place], int(token), *ids[place:]))
        return found

    def _replaced(self, ids: Ids) -> list[Ids]:
        """Sequences with one token replaced by any usual one, many that the gradient proposes, or a similar one."""
        found = []
        for i, proposed in enumerate(self._proposed(ids, MANY)):
            similar = np.argsort(-(self.embeddings @ self.embeddings[ids[i]]) / self._norms)[1 : 1 + SIMILAR]
            tokens = dict.fromkeys([*map(int, similar), *map(int, self.usual), *proposed])
            found += [(*ids[:i], token, *ids[i + 1 :]) for token in tokens]
        return found

    def _proposed(self, ids: Ids, many: int = PROPOSED) -> list[list[int]]:
        """For each position the tokens that a linear approximation of the distance prefers, best first."""
        whole = self._ids(ids)
        self.tokens += GRADIENT * len(whole)
        gradient = word_gradient(self.weights, np.array(whole), self._by_states)[1]
        start = len(self.given.before)
        scores = self.embeddings @ gradient[start : start + len(ids)].T.astype(np.float32)
        scores[self.excluded] = np.inf
        found = []
        for column in scores.T:
            nearest = np.argpartition(column, many)[:many]
            found.append([int(token) for token in nearest[np.argsort(column[nearest])]])
        return found

    def _by_states(self, states: Array) -> Array:
        """The gradient of the squared distance by the last hidden states `(seq, hidden)`."""
        weights = self.given.pool(np.eye(len(states), dtype=states.dtype)[None])[0]
        vector = weights @ states
        length = np.linalg.norm(vector)
        unit = vector / length
        by_unit = 2 * (unit - self.given.vector)
        return np.asarray(np.outer(weights, (by_unit - unit * (unit @ by_unit)) / length))


def _moved(ids: Ids) -> Iterator[Ids]:
    """The sequences with two tokens exchanged, or a part moved."""
    for i in range(len(ids)):
        for j in range(i):
            yield ids[:j] + ids[i : i + 1] + ids[j + 1 : i] + ids[j : j + 1] + ids[i + 1 :]
            yield from (ids[:j] + ids[i:k] + ids[j:i] + ids[k:] for k in range(i + 1, len(ids) + 1))
