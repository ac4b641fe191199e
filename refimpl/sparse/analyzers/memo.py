"""A bounded cache of a function of words."""

from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")

MAX_WORDS = 1 << 18


class Memo(dict[str, Value]):
    """`memo[word]` is `function(word)`, computed once; emptied at `MAX_WORDS` words, which bounds its memory.

    Pickled without its content; `function` must be picklable.
    """

    def __init__(self, function: Callable[[str], Value]) -> None:
        super().__init__()
        self._function = function

    def __missing__(self, word: str) -> Value:
        if len(self) >= MAX_WORDS:
            self.clear()
        value = self[word] = self._function(word)
        return value

    def __reduce__(self) -> tuple[type["Memo[Value]"], tuple[Callable[[str], Value]]]:
        return type(self), (self._function,)
