"""How much of a long text is read, and from which side: words are replaced at one position after another."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice, pairwise

from refimpl.identify import beginnings
from refimpl.identify.ask import Refusal
from refimpl.identify.describe import Factor, Status
from refimpl.identify.rows import Row, Rows
from refimpl.identify.sameness import ROUNDING, Sameness

WORDS = 1200
FIRST_LOOK = (0, 60, 126, 254, 400, 510, 800, WORDS - 1)
STEPS = 4  # positions that each further call replaces
SHORT = ("red", "sun", "war", "law", "art", "sea", "oil", "air", "gas", "war", "ice", "sun")
LONG = ("national", "children", "business", "research", "politics", "military", "economic", "hospital")
SPLIT = ("kabog", "zufag", "dopik", "tebiv", "mulog", "gikub", "navob", "pizek")
OTHER = {3: "dog", 8: "football", 5: "vudob"}  # of the same number of letters
NAME, TOKENS = "truncation", "tokens: fewer words where words are split"


@dataclass(frozen=True)
class Read:
    """The words that are read of a text of `WORDS`: the first `head` and the last `tail`; all where `head` is all."""

    head: int
    tail: int

    @property
    def everything(self) -> bool:
        """Whether no word is left out."""
        return self.head >= WORDS


class Undecided(Exception):
    """Why the words that are read are not known."""


@dataclass(frozen=True)
class Limit:
    """What is known of the limit, and how many first words of one token are read: WORDS for all; None: not known."""

    factors: tuple[Factor, ...]
    words: int | None = None


def measure(rows: Rows, sameness: Sameness) -> Limit:
    """The limit and its unit; `undetermined` where one replaced word is not visible next to it."""
    evidence = f"one word after another replaced in texts of {WORDS} words of 3, 8 and 5 letters"
    if not sameness.repeatable:
        return Limit((Factor(NAME, "undetermined", sameness.reason, evidence),))
    if (longest := _accepted(rows)) < WORDS:
        return Limit((_refused_beyond(longest),))
    try:
        read = read_words(rows, sameness, SHORT)
        if read.everything:
            return Limit((Factor(NAME, "known form", f"none up to {WORDS} words", evidence),), WORDS)
        value, unit = _unit(rows, sameness, read)
        shown = value
        if unit[0] == "known form" and not read.tail:
            value = _or_cache(rows, sameness, value, read.head)
    except Undecided as why:
        return Limit((Factor(NAME, "undetermined", str(why), evidence),))
    factors = Factor(NAME, "known form", value, evidence), Factor("unit of the limit", *unit, evidence)
    return Limit(factors, read.head if unit[1] == TOKENS and not read.tail and value == shown else None)


def _refused_beyond(longest: int) -> Factor:
    texts = "texts of up to 1200 words"
    if not longest:
        return Factor(NAME, "undetermined", "texts of one word and of 1200 words of 3 letters are refused", texts)
    return Factor(NAME, "known form", f"none: over {longest} words of 3 letters a text is refused", texts)


def _accepted(rows: Rows) -> int:
    """The largest number of words that is not refused; 0 where one word is."""
    words = _base(SHORT)

    def refused(count: int) -> bool:
        return isinstance(rows([_text(words[:count])])[0], Refusal)

    if not refused(WORDS):
        return WORDS
    if refused(1):
        return 0
    low, high = 1, WORDS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if refused(middle) else (middle, high)
    return low


def _base(words: Sequence[str]) -> list[str]:
    return list(islice(cycle(words), WORDS))


def text_of(words: Sequence[str], count: int) -> str:
    """The first `count` words of the probes' text."""
    return _text(_base(words)[:count])


def _text(words: Sequence[str]) -> str:
    return " ".join(words)


def _replaced(words: Sequence[str], position: int) -> str:
    return _text([*words[:position], OTHER[len(words[0])], *words[position + 1 :]])


def visible(rows: Rows, sameness: Sameness, words: Sequence[str], positions: Sequence[int]) -> list[bool]:
    """Whether a replaced word at each position changes the row; noise is measured on the unchanged text, in the call.

    Raises Undecided where a text is refused.
    """
    base = _base(words)
    text = _text(base)
    answers = rows([text, *(_replaced(base, position) for position in positions), text])
    if any(isinstance(answer, Refusal) for answer in answers):
        raise Undecided("a text is refused")
    first, *changed, last = answers
    least = max(3 * _distance(sameness, first, last), ROUNDING)
    return [_distance(sameness, first, row) > least for row in changed]


def _distance(sameness: Sameness, one: Row, other: Row) -> float:
    assert not isinstance(one, Refusal)
    assert not isinstance(other, Refusal)
    return sameness.distance(one, other)


def read_words(rows: Rows, sameness: Sameness, words: Sequence[str]) -> Read:
    """The first and last words that are read; Undecided where a change next to the limit is not visible."""
    seen = dict(zip(FIRST_LOOK, visible(rows, sameness, words, FIRST_LOOK), strict=True))
    changes = [(a, b) for a, b in pairwise(FIRST_LOOK) if seen[a] != seen[b]]
    if not any(seen.values()):
        raise Undecided("no replaced word changes the answer: too coarse, or nothing is read")
    if not changes:
        return Read(WORDS, 0)
    kinds = [seen[a] for a, _ in changes]
    if kinds not in ([True], [False], [True, False]):
        raise Undecided("one replaced word is not always visible: the numbers are too coarse, or words are sampled")
    ends = [_boundary(rows, sameness, words, a, b) for a, b in changes]
    head = ends[0] if kinds[0] else 0
    tail = WORDS - ends[-1] if not kinds[-1] else 0
    _check_inside(rows, sameness, words, head, tail)
    return Read(head, tail)


def _boundary(rows: Rows, sameness: Sameness, words: Sequence[str], low: int, high: int) -> int:
    """The first position above `low` where the visibility differs from that at `low`."""
    (kept,) = visible(rows, sameness, words, [low])
    while high - low > 1:
        step = max(1, (high - low) // (STEPS + 1))
        positions = list(range(low + step, high, step))[:STEPS]
        seen = visible(rows, sameness, words, positions)
        for position, one in zip(positions, seen, strict=True):
            if one != kept:
                high = position
                break
            low = position
    return high


def _check_inside(rows: Rows, sameness: Sameness, words: Sequence[str], head: int, tail: int) -> None:
    """The words next to the limit are visible and none beyond it is: else it may be that of a coarse answer."""
    inside = [*range(max(0, head - 4), head), *range(WORDS - tail, min(WORDS, WORDS - tail + 4))]
    outside = sorted({p for p in (head, head + 3, WORDS - tail - 1, WORDS - tail - 4) if head <= p < WORDS - tail})
    seen = visible(rows, sameness, words, [*inside, *outside])
    if not all(seen[: len(inside)]) or any(seen[len(inside) :]):
        raise Undecided("one replaced word is not always visible: the numbers are too coarse, or words are sampled")


def _unit(rows: Rows, sameness: Sameness, read: Read) -> tuple[str, tuple[Status, str]]:
    """The limit, and whether it counts tokens, words or characters."""
    inside, outside = (read.head - 1, read.head) if read.head else (WORDS - read.tail, WORDS - read.tail - 1)
    count = read.head or read.tail
    side = f"the first {read.head}" if read.head else f"the last {read.tail}"
    if read.head and read.tail:
        side += f" and the last {read.tail}"
    if visible(rows, sameness, LONG, (inside, outside)) == [True, False]:
        if visible(rows, sameness, SPLIT, (inside,)) == [True]:
            return f"{side} words are read", ("known form", "words, or tokens that are whole words")
        return f"{side} words of one token are read", ("known form", TOKENS)
    long = read_words(rows, sameness, LONG)
    if not (read.head and read.tail) and bool(read.head) == bool(long.head):
        low, high = max(4 * count - 3, 9 * (long.head or long.tail) - 8), min(4 * count, 9 * (long.head or long.tail))
        if low <= high and _characters(rows, sameness, low, high, bool(read.head)):
            exact = beginnings.characters(rows, sameness, low, high, WORDS) if read.head else None
            low, high = (low, high) if exact is None else (exact, exact)
            first, span = side.rsplit(" ", 1)[0], f"{low}" if low == high else f"{low} to {high}"
            return f"{first} {span} characters are read", ("known form", "characters")
    value = f"{side} words of 3 letters are read, and {long.head + long.tail} of 8 letters"
    return value, ("undetermined", "neither characters nor tokens nor words fit both")


def _or_cache(rows: Rows, sameness: Sameness, value: str, head: int) -> str:
    """The value, or another one where a text beyond the limit has other numbers than its own beginning."""
    shown = value.removesuffix(" are read")
    if shown.endswith("characters"):
        number = shown.split()[-2]
        same = beginnings.of_characters(rows, sameness, int(number), WORDS) if " to " not in shown else None
    else:
        same = beginnings.of_words(rows, sameness, head, WORDS)
    if same is not False:
        return value
    return f"texts with {shown} in common have one vector, which is not that of their beginning: as of a cache"


def _characters(rows: Rows, sameness: Sameness, low: int, high: int, head: bool) -> bool:
    """Whether words of another length end where a limit of `low` to `high` characters ends."""
    inside, outside = low // 6 - 1, high // 6 + 1
    positions = (inside, outside) if head else (WORDS - 1 - inside, WORDS - 1 - outside)
    return visible(rows, sameness, SPLIT, positions) == [True, False]
