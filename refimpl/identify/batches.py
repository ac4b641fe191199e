"""What a row depends on besides its text: the call, the order and the other texts of the call."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from refimpl.common.types import Array
from refimpl.identify.ask import Refusal
from refimpl.identify.describe import Factor
from refimpl.identify.rows import Accompanied, Alone, Numbers, Rows
from refimpl.identify.sameness import ROUNDING, spread_of

TEXTS = (
    "water is cold in the morning",
    "music",
    "the old king of the city went home with four people and read the second book about the river",
    "a red house",
    "every year the children of the school walk along the coast",
    "north and south",
    "history books",
    "he came late to the first meeting of the day",
)
ORDERS: Mapping[str, Callable[[Sequence[str]], Any]] = {
    "reversed": lambda texts: range(len(texts))[::-1],
    "by length, longest first": lambda texts: np.argsort([-len(text) for text in texts], kind="stable"),
    "by length, shortest first": lambda texts: np.argsort([len(text) for text in texts], kind="stable"),
    "alphabetical": lambda texts: np.argsort(texts, kind="stable"),
}
"""The position of each answer's text in the call."""
MANY = 70  # texts of one call: more than a batch of 32 or of 64
VISIBLE = 30 * ROUNDING
EVIDENCE = f"{len(TEXTS)} texts in one call, in reverse, and each alone"


@dataclass(frozen=True)
class Calls:
    """The factors, and what later probes need.

    Whether answers are `repeatable`; whether to ask each text in a call of its own (`alone`); whether a `single` text
    is not refused.
    """

    factors: tuple[Factor, ...]
    repeatable: bool
    alone: bool
    single: bool

    def for_probes(self, rows: Rows) -> Rows:
        """The rows as later probes run them."""
        if not self.single:
            return Accompanied(rows, TEXTS)
        return Alone(rows) if self.alone else rows


def measure(rows: Rows) -> Calls:
    """Ask the same texts together twice, each alone twice (by fours where one alone is refused), and beside long ones.

    Raises ValueError where a text is refused or all answers are equal.
    """
    together, again = _all(rows, TEXTS), _all(rows, TEXTS)
    single = not isinstance(rows(TEXTS[:1])[0], Refusal)
    parts = [TEXTS[i : i + 1] for i in range(len(TEXTS))] if single else [TEXTS[:4], TEXTS[4:]]
    alone, second = ([row for part in parts for row in _all(rows, part)] for _ in range(2))
    spread = spread_of(alone) or spread_of(together)
    if not spread:
        raise ValueError(f"{rows.name} gives every text the same numbers: {alone[0][:3].tolist()}")
    varies = max(_largest(together, again), _largest(alone, second)) / spread
    repeat = _repeat(varies)
    if varies > VISIBLE:
        why = "the answers vary from call to call"
        rest = [
            Factor(name, "undetermined", why, EVIDENCE) for name in ("order of the answers", "other texts of the call")
        ]
        return Calls((repeat, *rest), False, single, single)
    order = _order(together, alone)
    if order is None:
        by_itself = single and spread_of(alone) > 0
        return Calls((repeat, *_neighbours(rows, together, alone, spread)), True, by_itself, single)
    if order != list(range(len(TEXTS))):
        value = next((name for name, known in _orders().items() if known == order), f"{order}")
        moved = _largest(together, [alone[i] for i in order]) / spread
        other = Factor(
            "other texts of the call", "known form", "they move a text's answer, not its values", EVIDENCE, moved
        )
        return Calls(
            (repeat, Factor("order of the answers", "known form", value, EVIDENCE), other), True, single, single
        )
    found = _neighbours(rows, together, alone, spread)
    found += [_many(rows, spread)] if single else []
    return Calls((repeat, *found), True, single and _largest(together, alone) / spread > VISIBLE, single)


def _orders() -> dict[str, list[int]]:
    """The text of each answer: where texts are sorted and not put back, put back wrongly, or only put back."""
    sorted_ = {name: [int(i) for i in order(TEXTS)] for name, order in ORDERS.items()}
    twice = {f"{name}, restored by the wrong permutation": [p[i] for i in p] for name, p in sorted_.items()}
    undone = {f"{name}, restored without being sorted": np.argsort(p).tolist() for name, p in sorted_.items()}
    return {**undone, **twice, **sorted_}


def _many(rows: Rows, spread: float) -> Factor:
    """Whether the first, a middle and the last of many texts in one call have the numbers that they have alone."""
    name, evidence = "many texts in one call", f"{MANY} texts; the first, a middle and the last one also alone"
    words = " ".join(TEXTS).split()
    texts = [f"{words[i % len(words)]} {words[(7 * i + 3) % len(words)]} {i}" for i in range(MANY)]
    answers = rows(texts)
    if refusal := next((one for one in answers if isinstance(one, Refusal)), None):
        return Factor(name, "known form", f"{MANY} texts are refused: {refusal.message[:120]}", evidence)
    together = [answer for answer in answers if not isinstance(answer, Refusal)]
    if zero := [i for i, answer in enumerate(together) if not answer.any()]:
        last = ", the last ones" if zero == list(range(zero[0], MANY)) else ""
        return Factor(name, "known form", f"{len(zero)} of {MANY} answers are zero{last}", evidence)
    chosen = (0, MANY // 2, MANY - 1)
    deviation = _largest([together[i] for i in chosen], [_all(rows, [texts[i]])[0] for i in chosen]) / spread
    value = "the numbers of each text alone" if deviation <= VISIBLE else "other numbers than each text alone"
    return Factor(name, "known form", value, evidence, deviation)


def _all(rows: Rows, texts: Sequence[str]) -> list[Numbers]:
    answers = rows(texts)
    for answer in answers:
        if isinstance(answer, Refusal):
            raise ValueError(f"{rows.name} refuses a plain text: {answer.message}")
    arrays = [answer for answer in answers if not isinstance(answer, Refusal)]
    if len({array.shape for array in arrays}) > 1:
        raise ValueError(f"{rows.name}: expected rows of one length, got {sorted({a.size for a in arrays})}")
    return arrays


def _largest(some: Sequence[Array], others: Sequence[Array]) -> float:
    return max(float(np.abs(a - b).max()) if a.shape == b.shape else np.inf for a, b in zip(some, others, strict=True))


def _repeat(varies: float) -> Factor:
    name, evidence = "the same call twice", f"{len(TEXTS)} texts, together and alone, twice each"
    if varies == 0:
        return Factor(name, "known form", "the same numbers, to the bit", evidence, 0.0)
    if varies <= VISIBLE:
        return Factor(name, "known form", "the same numbers, but for rounding", evidence, varies)
    value = f"not deterministic: the numbers vary by {varies:.1e} of their spread"
    return Factor(name, "known form", value, evidence, varies)


def _order(together: Sequence[Array], alone: Sequence[Array]) -> list[int] | None:
    """The text of each answer; None where the nearest texts of two answers are one."""
    distances = np.array([[np.abs(one - other).max() for other in alone] for one in together])
    nearest = distances.argmin(axis=1)
    return [int(i) for i in nearest] if len(set(nearest.tolist())) == len(alone) else None


def _neighbours(rows: Rows, together: Sequence[Array], alone: Sequence[Array], spread: float) -> list[Factor]:
    name = "other texts of the call"
    deviation = _largest(together, alone) / spread
    order = _order(together, alone) is not None
    first = Factor(
        "order of the answers",
        "known form" if order else "undetermined",
        "that of the texts" if order else "answers in a call are not those of the texts alone",
        EVIDENCE,
    )
    if deviation <= VISIBLE:
        return [first, Factor(name, "known form", "do not matter, but for rounding", EVIDENCE, deviation)]
    short = "a red house"
    long = [" ".join([word] * 60) for word in ("water", "north")]
    beside = [_all(rows, [short, text])[0] for text in long]
    evidence = f"{EVIDENCE}; {short!r} beside two texts of one length"
    same = float(np.abs(beside[0] - beside[1]).max()) / spread <= ROUNDING
    lone = float(np.abs(beside[0] - alone[TEXTS.index(short)]).max()) / spread
    if same and lone > VISIBLE:
        value = "the length of the longest one changes the numbers of the others"
    else:
        value = "change the numbers"
    return [first, Factor(name, "known form", f"{value}, by {deviation:.1e} of their spread", evidence, deviation)]
