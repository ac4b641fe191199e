"""Which of the given texts a diagnosis looks at: few, short, and between them showing every change."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from refimpl.oracle.diagnosis.encoder import EncoderVariant, VariedEncoder
from refimpl.oracle.diagnosis.encoder_causes import TOKENS
from refimpl.oracle.diagnosis.knobs import turned
from refimpl.tokens import Tokens

Array = np.ndarray

FEW, ALL = 3, 8
LOOKED_AT = 500  # texts that the few are chosen from
AFFORDABLE = 64  # tokens a text that every hypothesis can be tried on


@dataclass(frozen=True)
class Chosen:
    """Rows of the given texts: on `few` every hypothesis is tried, on `all` those that did best."""

    few: Array
    all: Array
    lengths: Array
    """Of every given text, in tokens."""

    def batches(self, *, few: bool) -> list[Array]:
        """The few in one batch, or all in batches of texts of like length, which need little padding."""
        if few:
            return [self.few]
        order = self.all[np.argsort(self.lengths[self.all], kind="stable")]
        lengths = self.lengths[order]
        return np.split(order, np.flatnonzero(lengths[1:] > 1.5 * lengths[:-1]) + 1)


def choose(departures: Array, tokens: Tokens, varied: Iterable[Tokens], tolerance: float) -> Chosen:
    """Rows to look at, by each text's largest difference.

    First the shortest texts that departed and that tokenisers disagree on (`varied` tokens of the same texts), then
    those that departed most, and two that did not depart, which no right cause may touch.
    """
    departed = np.flatnonzero(departures > tolerance)
    short = [int(i) for i in departed if tokens.lengths[i] <= AFFORDABLE]
    varied = list(varied)
    few = _covering(short or _by_length(departed, tokens)[:1], tokens, varied)
    worst = [i for i in departed[np.argsort(-departures[departed], kind="stable")] if i not in few]
    calm = _covering([int(i) for i in np.flatnonzero(departures <= tolerance)], tokens, varied)
    longest = _by_length(departed, tokens)[::-1][:1]
    more = [*worst[:2], *longest, *calm[:2], *_by_length(departed, tokens)]
    everything = list(dict.fromkeys([*few, *more]))[:ALL]
    return Chosen(np.array(few, dtype=np.int64), np.array(everything, dtype=np.int64), tokens.lengths)


def varied_tokens(encoder: VariedEncoder) -> list[Tokens]:
    """All texts' tokens under every knob that changes them; a knob that this tokenizer lacks changes nothing."""
    found = []
    for knob in TOKENS:
        try:
            found.append(encoder.tokens(turned(EncoderVariant(), (knob,))))
        except (ValueError, AttributeError):
            continue
    return found


def _covering(candidates: list[int], tokens: Tokens, varied: Iterable[Tokens]) -> list[int]:
    """Few candidates that show as many of the variations as can be, shorter ones first."""
    ordered = _by_length(np.array(candidates, dtype=np.int64), tokens)[:LOOKED_AT]
    plain = _ids(tokens, ordered)
    shows = {i: set[int]() for i in ordered}
    for number, other in enumerate(varied):
        for i, ids in _ids(other, ordered).items():
            if ids != plain[i]:
                shows[i].add(number)
    chosen: list[int] = []
    seen: set[int] = set()
    while ordered and len(chosen) < FEW:
        best = max(ordered, key=lambda i: (len(shows[i] - seen), tokens.lengths[i] > 4))
        ordered.remove(best)
        chosen.append(best)
        seen |= shows[best]
    return chosen


def _ids(tokens: Tokens, texts: list[int]) -> dict[int, bytes]:
    starts = tokens.starts
    return {i: tokens.input_ids[starts[i] : starts[i] + tokens.lengths[i]].tobytes() for i in texts}


def _by_length(rows: Array, tokens: Tokens) -> list[int]:
    return [int(i) for i in rows[np.argsort(tokens.lengths[rows], kind="stable")]]
