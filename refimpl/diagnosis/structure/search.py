"""The structural fault that vectors show: all are computed for one short text, and the best are left for the others."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from refimpl.bert.forward import encoder_layer
from refimpl.common.types import Array
from refimpl.diagnosis.embedding_problem import EmbeddingProblem
from refimpl.diagnosis.hypotheses import Combination, Hypothesis, apply_all, compatible
from refimpl.diagnosis.pooling import POOLING, EmbeddingVariant, scaled
from refimpl.diagnosis.structure.batched import last_states, operations
from refimpl.diagnosis.structure.families import fault_of, structural

BEST = 8  # faults that are tried on other texts
REMAINING = 0.25  # the largest share of the squared difference that a fault may leave
LONGEST = 24  # tokens of the text; of longer ones alone, no fault is searched
MOST_AT_ONCE = 512  # faults, so that their states take little memory
SINGLE = 0.5  # work of an operation in float32, in those in float64


@dataclass(frozen=True)
class Nearness:
    """A combination and the squared error that it leaves in one text's vector."""

    combination: Combination
    squares: float


class StructuralSearch:
    """Finds structural faults, each with every base and every pooling.

    Parameters
    ----------
    problem
        The vectors and the reference.
    work
        The limit of floating-point operations.
    """

    def __init__(self, problem: EmbeddingProblem, work: float) -> None:
        self.problem, self.work, self.done = problem, work, 0.0
        self.hypotheses = structural(problem.encoder.published.config)
        self.tried = 0
        """The number of faults that were compared with a text's vector."""

    def ruled_out(self) -> tuple[str, ...]:
        """A sentence about the faults that were tried, for texts without a cause; `()` where none was."""
        if not self.tried:
            return ()
        kinds = "tensor, normalisation, residual, activation, head layout, scale, softmax or embedding"
        return (
            f"ruled out, each alone: {self.tried:,} faults of one {kinds}, in one layer or in all",
            "the intermediates suite of refimpl check names the first deviating layer of a target that returns them",
        )

    def __call__(self, bases: Sequence[Combination], unexplained: Sequence[int]) -> list[Combination]:
        """The nearest combinations of a base, possibly a pooling, and a fault for the shortest unexplained text.

        The bases differ in pooling, length and storage only.
        """
        variant = apply_all(EmbeddingVariant(), bases[0])
        lengths = self.problem.encoder.tokens(variant).lengths
        rows = [row for row in unexplained if 2 <= lengths[row] <= LONGEST]
        if not rows or not computable(variant):
            return []
        row = min(rows, key=lambda row: int(lengths[row]))
        found = self._near(variant, [each for base in bases for each in self._finishes(base)], row)
        return [each.combination for each in sorted(found, key=lambda each: each.squares)[:BEST]]

    def _near(self, variant: EmbeddingVariant, finishes: Sequence[Combination], row: int) -> list[Nearness]:
        """The faults that leave a small part of the text's squared difference, and of its vector's squared length."""
        before: dict[float, Combination] = {}  # the first of those with one error: they give one vector
        for finish in finishes:
            before.setdefault(float(f"{self.problem.trial(finish, [row]).squares[0]:.9g}"), finish)
        actual = self.problem.actual[row]
        allowed = REMAINING * min(*before, float(np.sum(actual**2)))
        found = []
        for hypotheses, states in self._states(variant, row):
            for finish in (each for squares, each in before.items() if np.isfinite(squares)):
                squares = np.sum((self._finished(finish, states) - actual) ** 2, axis=1)
                near = map(int, np.flatnonzero(squares <= allowed))  # none that is not finite
                found += [Nearness((*finish, hypotheses[i]), float(squares[i])) for i in near]
        return found

    def _finishes(self, base: Combination) -> list[Combination]:
        """The base, and where it has no pooling, with each pooling that needs no padding."""
        usual = [each for each in POOLING if not each.cost]
        return [base, *((*base, pool) for pool in usual if all(compatible(pool, each) for each in base))]

    def _states(self, variant: EmbeddingVariant, row: int) -> Iterator[tuple[Sequence[Hypothesis], Array]]:
        """The last hidden states of the text under some faults after others, until the work is done."""
        encoder = self.problem.encoder
        weights = self.problem.states.single_weights(variant)
        tokens = encoder.tokens(variant).select(np.array([row]))
        ids, types = tokens.input_ids[None], tokens.token_type_ids[None]
        for start in range(0, len(self.hypotheses), MOST_AT_ONCE):
            if self.done > self.work:
                return
            some = self.hypotheses[start : start + MOST_AT_ONCE]
            faults = [fault_of(each) for each in some]
            self.done += SINGLE * operations(weights, ids.shape[1], faults)
            self.tried = max(self.tried, start + len(some))
            yield some, last_states(weights, ids, types, faults)

    def _finished(self, finish: Combination, states: Array) -> Array:
        """The vectors `(faults, hidden)` of last hidden states `(faults, seq, hidden)`."""
        variant = apply_all(EmbeddingVariant(), finish)
        mask = np.ones(states.shape[:2], dtype=bool)
        with np.errstate(all="ignore"):
            vectors = scaled(variant, self.problem.encoder.weights(variant), states.astype(np.float64), mask)
        return variant.store(vectors)


def computable(variant: EmbeddingVariant) -> bool:
    """Whether the layers are the paper's, and padding has no effect."""
    masked = variant.pooling_masked and variant.attention_masked
    return variant.block is encoder_layer and not variant.faults and masked
