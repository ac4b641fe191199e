"""A function of a word, computed once for each different word."""

from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")

MOST = 1 << 18


class Memo(dict[str, Value]):
    """`memo[word]` is `of(word)`; forgets everything after `MOST` words, so that no stream of texts fills the memory.

    Pickles as an empty one where `of` can be pickled.
    """

    def __init__(self, of: Callable[[str], Value]) -> None:
        super().__init__()
        self._of = of

    def __missing__(self, word: str) -> Value:
        if len(self) >= MOST:
            self.clear()
        value = self[word] = self._of(word)
        return value

    def __reduce__(self) -> tuple[type["Memo[Value]"], tuple[Callable[[str], Value]]]:
        return type(self), (self._of,)
