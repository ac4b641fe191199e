"""Where texts may be truncated: at which length, narrowed by the texts that match and those that do not, which side."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from refimpl.diagnosis.embedding_problem import EmbeddingProblem
from refimpl.diagnosis.hypotheses import Combination, apply_all
from refimpl.diagnosis.pooling import EmbeddingVariant
from refimpl.diagnosis.token_hypotheses import SIDES, truncation_at

SHORTEST = 4
MOST_LENGTHS = 96  # that are all tried; of more, every eighth, and then those around the best
COARSE = 8
LISTED = (64, 128, 256, 384, 512)  # that are tried at other sides than the right one
OTHER = tuple(side for side in SIDES if side.name in ("truncation at the left", "truncation in the middle"))
USUAL = (100, 120, 126, 200, 300, 320, 384, 400, 500, 510)


class TruncationSearch:
    """Finds the side or the length under which the shortest unexplained text has its vector."""

    def __init__(self, problem: EmbeddingProblem) -> None:
        self.problem = problem

    def __call__(
        self, context: Combination, explained: Sequence[int], unexplained: Sequence[int]
    ) -> Iterator[Combination]:
        """`context` with the truncation that explains the shortest unexplained text and leaves explained texts whole.

        First the model's own length at another side, then other lengths, then usual lengths at other sides.
        """
        bounds = self._bounds(context, explained, unexplained)
        if bounds is None:
            return
        context = tuple(each for each in context if not each.apply.values.keys() & {"max_length", "truncation"})
        low, high, row = bounds
        sides = SIDES if high >= self.problem.encoder.max_length else ()
        for candidates in (
            [(*context, side) for side in sides],
            self._lengths(context, low, high, row),
            [(*context, side, truncation_at(length)) for length in LISTED if low <= length <= high for side in OTHER],
        ):
            for combination in candidates:
                if self.problem.trial(combination, [row]).count:
                    yield combination
                    return

    def _lengths(self, context: Combination, low: int, high: int, row: int) -> Iterator[Combination]:
        """`context` with one length after another, nearer and nearer to the best of those tried."""
        step = 1 if high - low < MOST_LENGTHS else COARSE
        usual = [length for length in USUAL if low <= length <= high]
        lengths = [*usual, *range(low, high + 1, step), high]
        errors: dict[int, float] = {}
        while lengths:
            for length in lengths:
                combination = (*context, truncation_at(length))
                errors[length] = float(self.problem.trial(combination, [row]).squares[0])
                yield combination
            best = min(errors, key=errors.__getitem__)
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
