"""A tokenizer, measured: texts of one vector have the same tokens, whatever else an implementation computes of them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from refimpl.common.types import Array
from refimpl.diagnosis.encoder import VariedEncoder
from refimpl.diagnosis.hypotheses import Combination, Hypothesis, NotApplicable, apply_all, compatible
from refimpl.diagnosis.outputs import step_of
from refimpl.diagnosis.pooling import EmbeddingVariant
from refimpl.diagnosis.rare_token_hypotheses import RARE, word_limits
from refimpl.diagnosis.token_hypotheses import PREFIXES, SPECIAL, TOKENS
from refimpl.diagnosis.token_probes import REPEATED, is_long, probes

ROUNDING = 1e-5  # of the spread of vectors, by which two vectors of the same tokens may differ
STEPS = 1.5  # of a stored format by which a batch's rounding moves an entry
NOISIEST = 1e-3  # noise up to which two vectors can be distinguished
MOST = 5  # hypotheses together
BEAM = 4
SHOWN = 3
UNORDERED = "no position embeddings"
NEARLY = 0.1  # share of the contradictions that the nearest hypotheses may leave
TRIED = (*(each for each in TOKENS if each not in (*SPECIAL, *PREFIXES)), *RARE, *SPECIAL)
"""Special tokens at the end: they show by the number of other tokens alone, as several truncations do."""
LENGTHS_AND_SIDES = tuple(each for each in TRIED if each.apply.values.keys() & {"max_length", "truncation"})
"""Tried together where neither of two explains a pair of texts alone."""
OF_LONG_TEXTS = {"max_length", "truncation"}
"""Fields that short texts do not show; nor do they show special tokens, whose number long texts show."""

Encode = Callable[[list[str]], Array]
"""An implementation: texts to vectors `(texts, dim)`."""


@dataclass(frozen=True)
class MeasuredTokenizer:
    """The hypotheses under which the reference's tokens are equal where the vectors are, and pairs that contradict."""

    combination: Combination
    pairs: int
    partitions: "_Partitions"

    @property
    def contradictions(self) -> tuple[str, ...]:
        """The pairs of texts that contradict the hypotheses."""
        return self.partitions.contradictions(self.combination)

    def added_to(self, context: Combination) -> Iterator[Combination]:
        """`context` with the hypotheses that it lacks, if there are some and they can be combined."""
        whole = tuple(dict.fromkeys((*context, *self.combination)))
        if len(whole) > len(context) and _compatible(whole):
            yield whole

    def sentence(self, cause: Combination | None = None) -> str:
        """What the pairs show, given the cause that explains every other text, if there is one.

        A name is given only without a contradiction; else it is the nearest, if most contradictions are without it.
        Of long texts, only whether truncation differs: several truncations, special tokens and prefixes look alike.
        """
        opening = f"tokens, measured by {self.pairs} pairs of texts that have one vector or not: "
        if cause is not None and self.partitions.count(()):
            found = self.partitions.contradictions(cause)
            return opening + (f"another deviation as well ({_shown(found)})" if found else "as under this cause")
        return opening + self._of_short_texts() + self._of_long_texts()

    def _of_short_texts(self) -> str:
        names = " and ".join(each.name for each in self.combination if not _of_long_texts(each))
        found, before = (self.partitions.contradictions(each, short=True) for each in (self.combination, ()))
        if not found:
            return names or "no difference from the model's; special tokens, a prefix and pieces of words do not show"
        if names and len(found) <= NEARLY * len(before):
            return f"those of no listed tokenizer, nearest: {names} ({_shown(found)})"
        return f"those of no listed tokenizer ({_shown(before)})"

    def _of_long_texts(self) -> str:
        every, short = (len(self.partitions.contradictions((), short=short)) for short in (False, True))
        return "; long texts are treated otherwise" if every > short else ""

    def __str__(self) -> str:
        return self.sentence()


def _of_long_texts(hypothesis: Hypothesis) -> bool:
    return bool(hypothesis.apply.values.keys() & OF_LONG_TEXTS) or hypothesis in SPECIAL


def _shown(contradictions: Sequence[str]) -> str:
    return "; ".join(contradictions[:SHOWN])


def measured_tokenizer(encode: Encode, folder: Path, max_length: int) -> MeasuredTokenizer | None:
    """Find the tokenizer's deviations from texts that have one vector; None where vectors are too noisy to tell.

    Parameters
    ----------
    encode
        The implementation; it is called once.
    folder
        The model's folder.
    max_length
        Its limit.

    Notes
    -----
    Special tokens and a prefix that every text gets do not show.
    """
    texts = probes(max_length)
    repeated = texts[::REPEATED]
    vectors = np.asarray(encode([*texts, *repeated]), dtype=np.float64)
    if vectors.ndim != 2 or len(vectors) != len(texts) + len(repeated) or not np.isfinite(vectors).all():
        return None
    observed = _observed(vectors[: len(texts)], vectors[len(texts) :])
    if observed is None:
        return None
    alike, decided = observed
    return _Partitions(VariedEncoder(folder, texts, max_length=max_length), alike, decided).best()


def _observed(vectors: Array, again: Array) -> tuple[Array, Array] | None:
    """Which vectors are equal, and which pairs are clearly so or not; None for vectors that vary from call to call.

    `again` are those of every REPEATED-th text, run once more beside others.
    """
    spread = float(np.median(np.abs(vectors - vectors.mean(axis=0)).max(axis=1)))
    noise = float(np.abs(vectors[::REPEATED] - again).max())
    if not spread or noise > NOISIEST * spread:
        return None
    distances = np.stack([np.abs(vectors - one).max(axis=1) for one in vectors])
    least = max(3 * noise, ROUNDING * spread)
    clear = max(10 * least, STEPS * step_of(vectors))  # between them, a step may be rounding, or another vector near by
    return distances <= least, (distances <= least) | (distances > clear)


class _Partitions:
    """Compares which probes have equal tokens under hypotheses with which have equal vectors."""

    def __init__(self, encoder: VariedEncoder, alike: Array, decided: Array) -> None:
        self.encoder, self.alike, self.decided = encoder, alike, decided
        self.tried = (*TRIED, *word_limits(encoder.firsts))

    def wrong(self, combination: Combination) -> Array | None:
        """The pairs of texts that contradict the combination; None where it does not apply.

        Without position embeddings texts of the same tokens in another order have one vector as well.
        """
        try:
            tokens = self.encoder.tokens(apply_all(EmbeddingVariant(), combination))
        except NotApplicable:
            return None
        ids = np.split(tokens.input_ids, np.cumsum(tokens.lengths)[:-1])
        numbers: dict[bytes, int] = {}
        if any(each.name == UNORDERED for each in combination):
            ids = [np.sort(each) for each in ids]
        labels = np.array([numbers.setdefault(each.tobytes(), len(numbers)) for each in ids])
        return np.triu((labels[:, None] == labels) != self.alike, 1) & self.decided

    def contradictions(self, combination: Combination, *, short: bool = False) -> tuple[str, ...]:
        """The pairs of texts, or of short ones, that contradict the combination, in words; of one vector first."""
        wrong, texts = self.wrong(combination), self.encoder.firsts
        assert wrong is not None
        pairs = [pair for pair in np.argwhere(wrong) if not short or not any(is_long(texts[i]) for i in pair)]
        pairs.sort(key=lambda pair: (not self.alike[tuple(pair)], sum(len(texts[i]) for i in pair)))
        return tuple(f"{texts[i]!r:.40} and {texts[j]!r:.40} {self._relation(i, j)}" for i, j in pairs)

    def best(self) -> MeasuredTokenizer:
        """The fewest hypotheses with the fewest contradictions."""
        found: tuple[Combination, float] = ((), self.count(()))
        beam, candidates = [found], list(self.tried)
        for size in range(MOST):
            if not found[1]:
                break
            longer = {frozenset((*base, each)): (*base, each) for base, _ in beam for each in candidates}
            possible = [one for one in longer.values() if len(set(one)) > size and _compatible(one)]
            tried = sorted(((one, self.count(one)) for one in possible), key=lambda pair: pair[1])
            if not size:
                candidates = [one[0] for one, count in tried if count < found[1] or one[0] in LENGTHS_AND_SIDES]
            elif not tried or tried[0][1] >= found[1]:
                break
            found, beam = min(found, *tried[:1], key=lambda pair: pair[1]), tried[:BEAM]
        return MeasuredTokenizer(found[0], int(np.triu(self.decided, 1).sum()), self)

    def count(self, combination: Combination) -> float:
        """The number of contradictions; infinite where the combination does not apply."""
        wrong = self.wrong(combination)
        return np.inf if wrong is None else float(wrong.sum())

    def _relation(self, i: int, j: int) -> str:
        return "have one vector" if self.alike[i, j] else "have not one vector"


def _compatible(combination: Combination) -> bool:
    return all(compatible(one, other) for one, other in combinations(combination, 2))
