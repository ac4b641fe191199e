"""Lengths at which texts may be truncated, narrowed by the texts that match and those that do not."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from refimpl.diagnosis.embedding_problem import EmbeddingProblem, Trial
from refimpl.diagnosis.encoder_hypotheses import truncation_at
from refimpl.diagnosis.hypotheses import Combination, apply_all
from refimpl.diagnosis.pooling import EmbeddingVariant

SHORTEST = 4
MOST_LENGTHS = 96  # that are all tried; of more, every eighth, and then those around the best
COARSE = 8
USUAL = (100, 120, 126, 200, 300, 320, 384, 400, 500, 510)


class TruncationSearch:
    """Finds the length under which the shortest unexplained text has its vector."""

    def __init__(self, problem: EmbeddingProblem) -> None:
        self.problem = problem

    def __call__(
        self, context: Combination, explained: Sequence[int], unexplained: Sequence[int]
    ) -> Iterator[Combination]:
        """`context` with the length that explains the shortest unexplained text and leaves explained texts whole."""
        bounds = self._bounds(context, explained, unexplained)
        if bounds is None:
            return
        context = tuple(hypothesis for hypothesis in context if "max_length" not in hypothesis.apply.values)
        low, high, row = bounds
        step = 1 if high - low < MOST_LENGTHS else COARSE
        usual = [length for length in USUAL if low <= length <= high]
        lengths = [*usual, *range(low, high + 1, step), high]
        tried: dict[int, Trial] = {}
        while lengths:
            for length in lengths:
                tried[length] = self.problem.trial((*context, truncation_at(length)), [row])
                if tried[length].count:
                    yield tried[length].combination
                    return
            best = min(tried, key=lambda length: float(tried[length].squares[0]))
            step = step // 2
            lengths = [length for length in (best - step, best + step) if step and low <= length <= high]

    def _bounds(
        self, context: Combination, explained: Sequence[int], unexplained: Sequence[int]
    ) -> tuple[int, int, int] | None:
        """The least and the greatest possible length, and the shortest unexplained text; None if there is none."""
        variant = apply_all(EmbeddingVariant(), context)
        longest = self.problem.encoder.published.config.longest_text
        lengths = self.problem.encoder.tokens(replace(variant, max_length=longest)).lengths
        low = max((int(lengths[row]) for row in explained), default=SHORTEST)
        row = min(unexplained, key=lambda row: int(lengths[row]))
        high = min(int(lengths[row]) - 1, longest)
        if low > (variant.max_length or self.problem.encoder.max_length):  # a longer text is truncated where it should
            return None
        return (low, high, row) if low <= high else None
