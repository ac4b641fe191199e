"""Positions that begin again, or stay, after a number of tokens, between the lengths of right and wrong texts."""

from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np

from refimpl.diagnosis.embedding_problem import EmbeddingProblem
from refimpl.diagnosis.encoder import EncoderVariant
from refimpl.diagnosis.faults import Fault
from refimpl.diagnosis.hypotheses import Combination, Hypothesis, apply_all, change
from refimpl.diagnosis.pooling import EmbeddingVariant
from refimpl.diagnosis.structure.embedding_families import VariedEmbedding

USUAL = (16, 32, 50, 64, 100, 128, 200, 256, 384, 512)


@cache
def of_positions(most: int) -> tuple[Hypothesis, ...]:
    """The hypotheses about positions below `most`; one object each per number."""
    remedy = "give each token its own position"
    wrapped = VariedEmbedding(positions=lambda seq, first: first + np.arange(seq) % most)
    kept = VariedEmbedding(positions=lambda seq, first: first + np.minimum(np.arange(seq), most - 1))
    return tuple(
        Hypothesis(name, explanation, change(EncoderVariant, faults=(Fault(embedding=embedding),)), remedy=remedy)
        for name, explanation, embedding in (
            (f"positions modulo {most}", f"positions begin again at 0 after {most} tokens", wrapped),
            (f"positions up to {most - 1}", f"all tokens after the first {most} have the position {most - 1}", kept),
        )
    )


class PositionSearch:
    """Finds the number of positions that leaves explained texts as they are."""

    def __init__(self, problem: EmbeddingProblem) -> None:
        self.problem = problem

    def __call__(
        self, context: Combination, explained: Sequence[int], unexplained: Sequence[int]
    ) -> Iterator[Combination]:
        """`context` with the positions that explain the shortest unexplained text, where shorter ones are explained."""
        variant, config = apply_all(EmbeddingVariant(), context), self.problem.encoder.published.config
        if variant.faults or not explained or not config.is_bert:
            return
        lengths = self.problem.encoder.tokens(variant).lengths
        row = min(unexplained, key=lambda row: int(lengths[row]))
        least = max(int(lengths[row]) for row in explained)
        for most in (most for most in USUAL if least <= most < lengths[row]):
            found = ((*context, each) for each in of_positions(most))
            yield from (each for each in found if self.problem.trial(each, [row]).count)
