"""A sample of the texts that a diagnosis computes: few, short, and together showing every change."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from refimpl.common.types import Array
from refimpl.diagnosis.encoder import EncoderVariant, VariedEncoder
from refimpl.diagnosis.hypotheses import NotApplicable
from refimpl.diagnosis.token_hypotheses import TOKENS
from refimpl.tokens import Tokens

FEW, ALL = 3, 8
CANDIDATES = 500  # texts that the few are selected from
SHORT = 64  # tokens per text that every hypothesis can be tried on


@dataclass(frozen=True)
class Sample:
    """Rows of the texts: every hypothesis is tried on `few`, the best ones on `all`."""

    few: Array
    all: Array
    lengths: Array
    """Of every text, in tokens."""

    def batches(self, *, few: bool) -> list[Array]:
        """The few in one batch, or all in batches of texts of similar length, which need little padding."""
        if few:
            return [self.few]
        order = self.all[np.argsort(self.lengths[self.all], kind="stable")]
        lengths = self.lengths[order]
        return np.split(order, np.flatnonzero(lengths[1:] > 1.5 * lengths[:-1]) + 1)


def select_sample(deviations: Array, tokens: Tokens, varied: Iterable[Tokens], tolerance: float) -> Sample:
    """Rows to compute, by each text's largest deviation `(texts,)`.

    First the shortest mismatching texts that tokenizers disagree on (`varied` tokens of the same texts), then those
    with the largest deviations, and two matching texts, which no right cause may change.
    """
    mismatching = np.flatnonzero(deviations > tolerance)
    short = [int(i) for i in mismatching if tokens.lengths[i] <= SHORT]
    varied = list(varied)
    few = _covering(short or _by_length(mismatching, tokens)[:1], tokens, varied)
    worst = [i for i in mismatching[np.argsort(-deviations[mismatching], kind="stable")] if i not in few]
    matching = _covering([int(i) for i in np.flatnonzero(deviations <= tolerance)], tokens, varied)
    longest = _by_length(mismatching, tokens)[::-1][:1]
    more = [*worst[:2], *longest, *matching[:2], *_by_length(mismatching, tokens)]
    rows = list(dict.fromkeys([*few, *more]))[:ALL]
    return Sample(np.array(few, dtype=np.int64), np.array(rows, dtype=np.int64), tokens.lengths)


def few_texts(candidates: Sequence[int], tokens: Tokens, varied: Iterable[Tokens]) -> list[int]:
    """A few short candidates: those that tokenizers disagree on (`varied`), and one on which most of them agree."""
    short = [row for row in candidates if tokens.lengths[row] <= SHORT] or _by_length(np.array(candidates), tokens)[:1]
    varied = list(varied)
    covering = _covering(short, tokens, varied)
    reference = _ids(tokens, short)
    others = [_ids(other, short) for other in varied]
    words = [row for row in short if tokens.lengths[row] > 2] or short
    plain = min(words, key=lambda row: (sum(ids[row] != reference[row] for ids in others), tokens.lengths[row]))
    return _by_length(np.array(list(dict.fromkeys([*covering, plain]))), tokens)


def varied_tokens(encoder: VariedEncoder) -> list[Tokens]:
    """All texts' tokens under each hypothesis about them that applies to this tokenizer."""
    varied = []
    for hypothesis in TOKENS:
        try:
            varied.append(encoder.tokens(hypothesis.apply(EncoderVariant())))
        except NotApplicable:
            continue
    return varied


def _covering(candidates: list[int], tokens: Tokens, varied: Iterable[Tokens]) -> list[int]:
    """Few candidates that together show as many of the variations as possible, shorter ones first."""
    ordered = _by_length(np.array(candidates, dtype=np.int64), tokens)[:CANDIDATES]
    reference = _ids(tokens, ordered)
    shows = {i: set[int]() for i in ordered}
    for number, other in enumerate(varied):
        for i, ids in _ids(other, ordered).items():
            if ids != reference[i]:
                shows[i].add(number)
    selected: list[int] = []
    seen: set[int] = set()
    while ordered and len(selected) < FEW:
        best = max(ordered, key=lambda i: (len(shows[i] - seen), tokens.lengths[i] > 4))
        ordered.remove(best)
        selected.append(best)
        seen |= shows[best]
    return selected


def _ids(tokens: Tokens, texts: list[int]) -> dict[int, bytes]:
    starts = tokens.starts
    return {i: tokens.input_ids[starts[i] : starts[i] + tokens.lengths[i]].tobytes() for i in texts}


def _by_length(rows: Array, tokens: Tokens) -> list[int]:
    return [int(i) for i in rows[np.argsort(tokens.lengths[rows], kind="stable")]]
