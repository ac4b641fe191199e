"""Where texts may be truncated: at which length, narrowed by the texts that match and those that do not, which side."""

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from refimpl.diagnosis.embedding_problem import EmbeddingProblem
from refimpl.diagnosis.hypotheses import Combination, Hypothesis, apply_all
from refimpl.diagnosis.pooling import EmbeddingVariant
from refimpl.diagnosis.token_hypotheses import SIDES, encoder, truncation_at
from refimpl.diagnosis.truncating import Truncation

SHORTEST = 4
MOST_LENGTHS = 96  # that are all tried; of more, every eighth or fewer, and then those around the nearest
NEAR = 3  # characters by which a length may differ without an effect on the shortest text
COARSE, COARSELY = 8, 32
NEAREST = 3  # of the lengths tried at first, whose neighbours are tried
PAIR = 2  # special tokens that are added once more, after truncation
LISTED = (64, 128, 256, 384, 512)  # that are tried at other sides than the right one
SPECIAL_ROOM: tuple[tuple[Literal["inside", "beside"], str], ...] = (
    ("inside", ""),
    ("beside", ", which does not count special tokens"),
)
HEADS = tuple(
    Hypothesis(
        f"truncation after the first {head} tokens{counted}",
        f"long texts lose their middle: the first {head} tokens are kept, and the last ones up to the limit{counted}",
        encoder(truncation=Truncation("middle", special=special, head=head)),
        remedy="truncate at the right, to {max_length} tokens",
    )
    for head in (64, 128, 256)
    for special, counted in SPECIAL_ROOM
)
"""Where the middle is lost at a number of tokens, special ones not among them."""
OTHER = tuple(side for side in SIDES if side.name in ("truncation at the left", "truncation in the middle"))
USUAL = (100, 120, 126, 200, 300, 320, 384, 400, 500, 510)
USUAL_OF_TEXT = (50, 64, 100, 128, 150, 200, 250, 256, 300, 400, 500, 512, 1000, 1024, 1500, 2000, 2048)


@dataclass(frozen=True)
class Unit:
    """What a text is measured in before it is tokenized."""

    name: str
    count: Callable[[str], int]
    cut: Callable[[str, int], str]
    """Takes a text and a number of units; returns the beginning of the text."""


def _words(text: str, most: int) -> str:
    return "".join(re.findall(r"\s*\S+", text)[:most])


def _roundness(number: int) -> tuple[bool, ...]:
    """A sort key of lengths that one text does not tell apart: usual ones first, then round ones."""
    return (number not in USUAL_OF_TEXT, number % 100 > 0, number % 50 > 0, number % 10 > 0)


UNITS = (
    Unit("characters", len, lambda text, most: text[:most]),
    Unit("words", lambda text: len(text.split()), _words),
    Unit("bytes", lambda text: len(text.encode()), lambda text, most: text.encode()[:most].decode(errors="ignore")),
)


@cache
def text_truncation(unit: Unit, most: int) -> Hypothesis:
    """The hypothesis that a text is truncated at `most` units before it is tokenized; one object per number."""
    return Hypothesis(
        f"truncation at {most} {unit.name}",
        f"a text is truncated at {most} {unit.name} before it is tokenized",
        encoder(text_changes=(lambda text: unit.cut(text, most),)),
        remedy="leave the text whole: the tokenizer truncates it at {max_length} tokens",
    )


class TruncationSearch:
    """Finds the side or the length under which the shortest unexplained text has its vector."""

    def __init__(self, problem: EmbeddingProblem) -> None:
        self.problem = problem

    def __call__(
        self, context: Combination, explained: Sequence[int], unexplained: Sequence[int]
    ) -> Iterator[Combination]:
        """`context` with the truncation that explains the shortest unexplained text and leaves explained texts whole.

        First the model's own length at another side, then other lengths, then usual lengths at other sides; at last
        truncation of the text itself, in characters, words or bytes.
        """
        bounds = self._bounds(context, explained, unexplained)
        kept = tuple(each for each in context if not each.apply.values.keys() & {"max_length", "truncation"})
        found = None if bounds is None else self._of_tokens(kept, *bounds, unexplained)
        if found is not None:
            yield found
            if self.problem.trial(found, unexplained).explained.all():
                return
        for unit in UNITS:
            yield from self._of_text(context, unit, explained, unexplained)

    def _of_tokens(
        self, context: Combination, low: int, high: int, row: int, unexplained: Sequence[int]
    ) -> Combination | None:
        """The first that explains the text `row`; of sides at the model's length, the one that explains most texts."""
        limit = self.problem.encoder.max_length
        sides = [(*context, side) for side in (*SIDES, *HEADS, truncation_at(limit + PAIR))] if high >= limit else []
        if explaining := [side for side in sides if self.problem.trial(side, [row]).count]:
            return max(explaining, key=lambda side: self.problem.trial(side, unexplained).count)
        at_sides = [truncation_at(length) for length in LISTED if low <= length <= high]
        others = (
            self._nearer(lambda length: (*context, truncation_at(length)), USUAL, low, high, row),
            [(*context, side, length) for length in at_sides for side in OTHER],
        )
        every = itertools.chain.from_iterable(others)
        return next((combination for combination in every if self.problem.trial(combination, [row]).count), None)

    def _of_text(
        self, context: Combination, unit: Unit, explained: Sequence[int], unexplained: Sequence[int]
    ) -> Iterator[Combination]:
        """`context` with the text truncated at a number of units, if that explains the shortest unexplained text."""
        encoder = self.problem.encoder
        tokens = encoder.tokens(apply_all(EmbeddingVariant(), context))
        counts = [unit.count(text) for text in encoder.firsts]
        whole = [row for row in explained if not tokens.truncated[row]]  # the end of the others has no effect
        low = max((counts[row] for row in whole), default=SHORTEST)
        row = min(unexplained, key=counts.__getitem__)
        candidates = self._nearer(
            lambda most: (*context, text_truncation(unit, most)), USUAL_OF_TEXT, low, counts[row] - 1, row
        )
        found = next((each for each in candidates if self.problem.trial(each, [row]).count), None)
        if found is not None:
            most = next(n for n in range(low, counts[row]) if text_truncation(unit, n) is found[-1])
            near = sorted(range(max(low, most - NEAR), min(most + NEAR, counts[row] - 1) + 1), key=_roundness)
            equal = ((*context, text_truncation(unit, n)) for n in near)
            yield from (each for each in equal if self.problem.trial(each, [row]).count)

    def _nearer(
        self, combine: Callable[[int], Combination], usual: Sequence[int], low: int, high: int, row: int
    ) -> Iterator[Combination]:
        """Combinations of one length after another, at last those around the nearest of the first."""
        if low > high:
            return
        step = 1 if high - low < MOST_LENGTHS else max(COARSE, (high - low) // COARSELY)
        lengths = [*(length for length in usual if low <= length <= high), *range(low, high + 1, step), high]
        errors: dict[int, float] = {}
        for length in lengths:
            yield combine(length)
            errors[length] = float(self.problem.trial(combine(length), [row]).squares[0])
        for best in sorted(errors, key=errors.__getitem__)[:NEAREST]:
            near = range(max(low, best - step + 1), min(high, best + step - 1) + 1)
            yield from (combine(length) for length in near if length not in errors)

    def _bounds(
        self, context: Combination, explained: Sequence[int], unexplained: Sequence[int]
    ) -> tuple[int, int, int] | None:
        """The least and the greatest possible length, and the shortest unexplained text; None if there is none.

        The least is more than the greatest where only the side can be wrong.
        """
        variant = apply_all(EmbeddingVariant(), context)
        longest = self.problem.encoder.published.config.longest_text
        lengths = self.problem.encoder.tokens(replace(variant, max_length=longest)).lengths
        low = max((int(lengths[row]) for row in explained), default=SHORTEST)
        row = min(unexplained, key=lambda row: int(lengths[row]))
        high = min(int(lengths[row]) - 1, longest)
        limit = variant.max_length or self.problem.encoder.max_length
        if low > limit:  # a longer text is truncated where it should, unless its words repeat: only the side is open
            return (high + 1, high, row) if high >= limit else None
        return (low, high, row) if low <= high else None
