"""Truncation as in faulty implementations: of another side, of the middle, with special tokens counted otherwise."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import tokenizers

from refimpl.diagnosis.hypotheses import NotApplicable
from refimpl.tokens import Tokens


@dataclass(frozen=True)
class Truncation:
    """What is kept of a text that is too long.

    `direction` and `strategy` are the arguments of `tokenizers.Tokenizer.enable_truncation`; `direction` may be
    "middle" too: `head`, a share or a number of the tokens, are then the first ones, the others the last ones. Special
    tokens are added to the truncated text and counted (`inside`), added and not counted (`beside`), or truncated as
    others (`cut`).
    """

    direction: Literal["right", "left", "middle"] = "right"
    strategy: str = "longest_first"
    special: Literal["inside", "beside", "cut"] = "inside"
    head: float | int = 0.5

    @property
    def in_library(self) -> bool:
        """Whether the tokenizers library can do it."""
        return self.direction != "middle" and self.special == "inside"

    def kept(self, ids: list[int], most: int) -> list[int]:
        """At most `most` of the ids."""
        if len(ids) <= most:
            return ids
        first = {"right": most, "left": 0, "middle": self._first(most)}[self.direction]
        return [*ids[:first], *ids[len(ids) - (most - first) :]]

    def _first(self, most: int) -> int:
        return min(self.head, most) if isinstance(self.head, int) else round(most * self.head)


LONGEST_FIRST = Truncation()


@dataclass(frozen=True)
class Surround:
    """Truncates the ids of single texts and adds the special tokens."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    max_length: int
    truncation: Truncation

    @classmethod
    def of(cls, library: tokenizers.Tokenizer, max_length: int, truncation: Truncation) -> "Surround":
        """The special tokens of the library's post-processor; NotApplicable where they leave no room for a text."""
        encoding = library.encode("a")
        special = encoding.special_tokens_mask
        first = special.index(0) if 0 in special else len(special)
        last = len(special) - (special[::-1].index(0) if 0 in special else 0)
        if truncation.special == "inside" and max_length < first + len(special) - last:
            raise NotApplicable(f"{max_length} tokens have no room for the special ones")
        return cls(tuple(encoding.ids[:first]), tuple(encoding.ids[last:]), max_length, truncation)

    def __call__(self, ids: list[int]) -> list[int]:
        """The ids of a text without special tokens, truncated, with special tokens."""
        if self.truncation.special == "cut":
            return self.truncation.kept([*self.before, *ids, *self.after], self.max_length)
        counted = len(self.before) + len(self.after) if self.truncation.special == "inside" else 0
        return [*self.before, *self.truncation.kept(ids, self.max_length - counted), *self.after]

    def pack(self, rows: list[list[int]], pad_token_id: int) -> Tokens:
        """The rows as `Tokens` of segment 0."""
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        input_ids = np.array([i for row in rows for i in row], dtype=np.int64)
        return Tokens(input_ids, np.zeros_like(input_ids), lengths, lengths >= self.max_length, pad_token_id)
