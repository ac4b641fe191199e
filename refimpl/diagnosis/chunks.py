"""Long texts that are split into chunks, whose vectors are averaged: the chunk size, the overlap and the weights."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from refimpl.bert.heads import l2_normalize
from refimpl.common.types import Array
from refimpl.diagnosis.embedding_problem import EmbeddingProblem
from refimpl.diagnosis.hypotheses import Combination, apply_all
from refimpl.diagnosis.outputs import measured_head
from refimpl.diagnosis.pooling import EmbeddingVariant
from refimpl.diagnosis.result import Cause, Diagnosis
from refimpl.diagnosis.tokenizing import varied_tokenizer
from refimpl.diagnosis.truncating import LONGEST_FIRST
from refimpl.tokens import Tokens

UNLIMITED = 1_000_000  # tokens
USUAL = (510, 512, 500, 400, 384, 382, 300, 256, 254, 250, 200, 128, 126, 100, 64, 62, 50, 32)
MOST_SIZES = 8  # between a text that matches and one that does not, which are all tried; of more, the usual ones
MOST_COMPUTED = 4000  # tokens of the shortest text's chunks, some four seconds on one core
LONGEST = 4096  # tokens of a text that is computed in chunks
OVERLAPS = (0, 10, 16, 20, 25, 32, 50, 64, 100, 128)

Ids = tuple[int, ...]
Averages = Mapping[str, Callable[[Array, Array], Array]]
AVERAGES: Averages = {
    "averaged": lambda vectors, lengths: vectors.mean(axis=0),
    "averaged, weighted by their numbers of tokens": lambda vectors, lengths: lengths @ vectors / lengths.sum(),
    "averaged, weighted by their numbers of tokens with [CLS] and [SEP]": (
        lambda vectors, lengths: (lengths + 2) @ vectors / (lengths + 2).sum()
    ),
    "pooled by their maximum": lambda vectors, lengths: vectors.max(axis=0),
}
"""Takes the vectors `(chunks, dim)` and their numbers of tokens `(chunks,)`; returns the vector of the text."""


@dataclass(frozen=True)
class Chunking:
    """How a long text is split and its parts are put together; sizes and overlaps in tokens without special ones."""

    size: int
    overlap: int
    average: str
    unit: bool
    """Whether the vectors of the parts have unit length before."""

    def parts(self, ids: Ids) -> list[Ids]:
        """The ids of the chunks, without special tokens; at least one."""
        starts = range(0, max(1, len(ids) - self.overlap), self.size - self.overlap)
        return [ids[start : start + self.size] for start in starts]

    def __str__(self) -> str:
        overlap = f" with an overlap of {self.overlap}" if self.overlap else ""
        vectors = "unit vectors" if self.unit else "vectors, not of unit length,"
        split = f"texts of over {self.size} tokens are split into parts of {self.size}{overlap}"
        return f"{split}, whose {vectors} are {self.average}"


def of_chunks(
    problem: EmbeddingProblem, mismatching: Sequence[int], matching: Sequence[int], difference: float
) -> Diagnosis | None:
    """The diagnosis where all long texts mismatch and are averages of their chunks; else None."""
    cause = ChunkSearch(problem, measured_head(problem.actual)[0]).cause(mismatching, matching)
    return None if cause is None else Diagnosis(False, difference, problem.tolerance, (cause,))


class ChunkSearch:
    """Finds the chunks of texts that mismatch where all shorter ones match."""

    def __init__(self, problem: EmbeddingProblem, context: Combination) -> None:
        self.problem = problem
        self.variant = apply_all(EmbeddingVariant(), context)
        tokenizer = varied_tokenizer(problem.encoder.folder, UNLIMITED, (), LONGEST_FIRST)
        self.special = tuple(map(int, tokenizer([""]).input_ids))
        self.tokenizer = tokenizer
        self._known: dict[Ids, Array] = {}
        self._computed = 0

    def cause(self, mismatching: Sequence[int], matching: Sequence[int]) -> Cause | None:
        """The chunks that give all mismatching texts their vectors; None where a longer text matches, or none does."""
        if len(self.special) != 2 or not mismatching or not matching:
            return None
        ids = {row: self._ids(row) for row in (*mismatching, *matching)}
        row = min(mismatching, key=lambda row: len(ids[row]))
        least = max(len(ids[row]) for row in matching)
        if least >= len(ids[row]):
            return None
        rows = sorted((one for one in mismatching if len(ids[one]) <= LONGEST), key=lambda each: len(ids[each]))
        for chunking in self._possible(least, len(ids[row])) if rows else ():
            if self._computed > MOST_COMPUTED:
                return None
            residuals = (self._residual(chunking, ids[each], each) for each in rows)
            allowed = list(itertools.takewhile(lambda one: one <= self.problem.tolerance, residuals))
            if len(allowed) == len(rows):
                return Cause(
                    (f"chunks of {chunking.size} tokens",),
                    str(chunking),
                    max(allowed),
                    1.0,
                    explains_all=len(rows) == len(mismatching),
                    of=f"{len(rows)} of {len(mismatching)} texts that mismatch",
                    remedy="a published model truncates; compare texts that are no longer than a chunk",
                )
        return None

    def _ids(self, row: int) -> Ids:
        return tuple(map(int, self.tokenizer([self.problem.encoder.firsts[row]]).input_ids))[1:-1]

    def _possible(self, least: int, shortest: int) -> Iterator[Chunking]:
        """Chunk sizes from the longest text that matches to the shortest that does not."""
        between = range(max(least, 1), shortest)
        sizes = between if len(between) <= MOST_SIZES else [size for size in USUAL if size in between]
        for overlap, size, average, unit in itertools.product(OVERLAPS, sizes, AVERAGES, (True, False)):
            if overlap < size:
                yield Chunking(size, overlap, average, unit)

    def _residual(self, chunking: Chunking, ids: Ids, row: int) -> float:
        """The largest error of an entry, relative to the vector's length."""
        parts = chunking.parts(ids)
        vectors = np.stack([self._vector(part) for part in parts])
        vectors = l2_normalize(vectors) if chunking.unit else vectors
        whole = AVERAGES[chunking.average](vectors, np.array([float(len(part)) for part in parts]))
        found = self.variant.store(self.variant.normalize(whole[None]))[0]
        return float(np.abs(found - self.problem.actual[row]).max() / max(float(np.linalg.norm(found)), 1e-300))

    def _vector(self, part: Ids) -> Array:
        """The pooled states of a part, before they are scaled to any length."""
        if part not in self._known:
            whole = np.array([self.special[0], *part, self.special[1]])
            tokens = Tokens(whole, np.zeros_like(whole), np.array([len(whole)]), np.zeros(1, bool))
            encoder = self.problem.encoder
            weights = encoder.weights(self.variant)
            states = encoder.forward(self.variant, weights, tokens, len(whole))
            self._computed += len(whole)
            self._known[part] = self.variant.pool(states.hidden_states, states.mask, weights)[0]
        return self._known[part]
