"""Whether a text beyond a limit has the numbers of its own beginning: a cache by the beginning looks like a limit."""

from collections.abc import Callable, Sequence
from itertools import cycle, islice

from refimpl.identify.ask import Refusal
from refimpl.identify.rows import Row, Rows
from refimpl.identify.sameness import ROUNDING, Sameness

WORDS = ("coast", "tea", "ice", "gas", "air", "oil", "sea", "art", "law", "war")
"""One token each; the other probes of long texts begin with another word."""
LETTERS = "bogadepikumofenalu"  # one word across a limit of characters
SHORT = "air gas law"
VARIANTS: tuple[Callable[[str], str], ...] = (str.upper, lambda text: text.replace(" ", "  ", 1))
"""Other texts with the same tokens, where case or repeated spaces do not matter."""


def characters(rows: Rows, sameness: Sameness, low: int, high: int, length: int) -> int | None:
    """The limit, from `low` to `high`, by one letter after another replaced; None where these do not show it.

    `length` is the number of words of the text.
    """
    plain = _text(length)
    text = plain[: low - 2] + LETTERS[: high - low + 5] + " " + plain[low - 2 :]
    changed = [f"{text[:position]}z{text[position + 1 :]}" for position in range(low - 1, high)]
    distances = _distances(rows, sameness, text, changed)
    if distances is None:
        return None
    seen = [distance > 1 for distance in distances]
    count = sum(seen)
    return low - 1 + count if count and all(seen[:count]) else None


def of_characters(rows: Rows, sameness: Sameness, limit: int, length: int) -> bool | None:
    """Whether a text whose character at the limit is a space has the numbers of what is before that space.

    None where a space at the end changes numbers.
    """
    if limit > 4 * (length - 1) or sameness.same(*rows([SHORT, f"{SHORT} "])) is not True:
        return None
    text = _with_space_at(_text(length), limit - 1)
    return _same(rows, sameness, text, text[: limit - 1])


def of_words(rows: Rows, sameness: Sameness, limit: int, length: int) -> bool | None:
    """Whether a text has the numbers of its first `limit` words, written another way that does not matter elsewhere.

    None where each way matters.
    """
    for variant in VARIANTS:
        if sameness.same(*rows([SHORT, variant(SHORT)])) is True:
            text = _text(length)
            return _same(rows, sameness, text, variant(" ".join(text.split()[:limit])))
    return None


def _text(length: int) -> str:
    return " ".join([WORDS[0], *islice(cycle(WORDS[1:]), length - 1)])


def _with_space_at(text: str, position: int) -> str:
    """Drop letters of the first word until there is a space at `position`: the words after it have three letters."""
    return next(text[more:] for more in range(4) if text[more + position] == " ")


def _same(rows: Rows, sameness: Sameness, text: str, beginning: str) -> bool | None:
    distances = _distances(rows, sameness, text, [beginning])
    return None if distances is None else distances[0] <= 3


def _distances(rows: Rows, sameness: Sameness, text: str, others: Sequence[str]) -> list[float] | None:
    """How far each other text is from `text`, in multiples of what noise does; None where a text is refused."""
    answers: list[Row] = rows([text, *others, text])
    arrays = [answer for answer in answers if not isinstance(answer, Refusal)]
    if len(arrays) < len(answers):
        return None
    noise = max(3 * sameness.distance(arrays[0], arrays[-1]), ROUNDING)
    return [sameness.distance(arrays[0], array) / noise for array in arrays[1:-1]]
