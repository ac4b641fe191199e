"""A tokenizer, measured: texts of one vector have the same tokens, whatever else an implementation computes of them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from refimpl.common.types import Array
from refimpl.diagnosis.encoder import EncoderVariant, VariedEncoder
from refimpl.diagnosis.hypotheses import Combination, NotApplicable, apply_all, compatible
from refimpl.diagnosis.token_hypotheses import PREFIXES, SPECIAL, TOKENS
from refimpl.diagnosis.token_probes import REPEATED, probes

ROUNDING = 1e-5  # of the spread of vectors, by which two vectors of the same tokens may differ
NOISIEST = 1e-3  # noise up to which two vectors can be distinguished
MOST = 5  # hypotheses together
BEAM = 4
SHOWN = 3
TRIED = (*(each for each in TOKENS if each not in (*SPECIAL, *PREFIXES)), *SPECIAL)
"""Special tokens at the end: they show by the number of other tokens alone, as several truncations do."""
LENGTHS_AND_SIDES = tuple(each for each in TRIED if each.apply.values.keys() & {"max_length", "truncation"})
"""Tried together where neither of two explains a pair of texts alone."""

Encode = Callable[[list[str]], Array]
"""An implementation: texts to vectors `(texts, dim)`."""


@dataclass(frozen=True)
class MeasuredTokenizer:
    """The hypotheses under which the reference's tokens are equal where the vectors are, and pairs that contradict."""

    combination: Combination
    pairs: int
    contradictions: tuple[str, ...]

    def added_to(self, context: Combination) -> Iterator[Combination]:
        """`context` with the hypotheses that it lacks, if there are some and they can be combined."""
        whole = tuple(dict.fromkeys((*context, *self.combination)))
        if len(whole) > len(context) and _compatible(whole):
            yield whole

    def __str__(self) -> str:
        names = " and ".join(hypothesis.name for hypothesis in self.combination)
        opening = f"tokens, measured by {self.pairs} pairs of texts that have one vector or not: "
        if self.contradictions:
            found = f"{names}, but not only" if names else "not those of the model"
            return f"{opening}{found} ({'; '.join(self.contradictions[:SHOWN])})"
        return opening + (names or "as the model's, special tokens and a prefix aside")


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
    vectors = np.asarray(encode([*texts, *texts[:REPEATED]]), dtype=np.float64)
    if vectors.ndim != 2 or len(vectors) != len(texts) + REPEATED or not np.isfinite(vectors).all():
        return None
    observed = _observed(vectors[: len(texts)], vectors[len(texts) :])
    if observed is None:
        return None
    alike, decided = observed
    problem = _Partitions(VariedEncoder(folder, texts, max_length=max_length), alike, decided)
    return problem.best(texts)


def _observed(vectors: Array, again: Array) -> tuple[Array, Array] | None:
    """Which vectors are equal, and which pairs are clearly so or not; None for vectors that vary from call to call."""
    spread = float(np.median(np.abs(vectors - vectors.mean(axis=0)).max(axis=1)))
    noise = float(np.abs(vectors[: len(again)] - again).max())
    if not spread or noise > NOISIEST * spread:
        return None
    distances = np.stack([np.abs(vectors - one).max(axis=1) for one in vectors])
    least = max(3 * noise, ROUNDING * spread)
    return distances <= least, (distances <= least) | (distances > 3 * least)


class _Partitions:
    """Compares which probes have equal tokens under hypotheses with which have equal vectors."""

    def __init__(self, encoder: VariedEncoder, alike: Array, decided: Array) -> None:
        self.encoder, self.alike, self.decided = encoder, alike, decided

    def wrong(self, combination: Combination) -> Array | None:
        """The pairs of texts that contradict the combination; None where it does not apply."""
        try:
            tokens = self.encoder.tokens(apply_all(EncoderVariant(), combination))
        except NotApplicable:
            return None
        ids = np.split(tokens.input_ids, np.cumsum(tokens.lengths)[:-1])
        numbers: dict[bytes, int] = {}
        labels = np.array([numbers.setdefault(each.tobytes(), len(numbers)) for each in ids])
        return np.triu((labels[:, None] == labels) != self.alike, 1) & self.decided

    def best(self, texts: Sequence[str]) -> MeasuredTokenizer:
        """The fewest hypotheses with the fewest contradictions."""
        found: tuple[Combination, float] = ((), self._count(()))
        beam, candidates = [found], list(TRIED)
        for size in range(MOST):
            if not found[1]:
                break
            longer = {frozenset((*base, each)): (*base, each) for base, _ in beam for each in candidates}
            possible = [one for one in longer.values() if len(set(one)) > size and _compatible(one)]
            tried = sorted(((one, self._count(one)) for one in possible), key=lambda pair: pair[1])
            if not size:
                candidates = [one[0] for one, count in tried if count < found[1] or one[0] in LENGTHS_AND_SIDES]
            elif not tried or tried[0][1] >= found[1]:
                break
            found, beam = min(found, *tried[:1], key=lambda pair: pair[1]), tried[:BEAM]
        combination = found[0]
        wrong = self.wrong(combination)
        assert wrong is not None
        where = [f"{texts[i]!r:.40} and {texts[j]!r:.40} {self._relation(i, j)}" for i, j in np.argwhere(wrong)]
        return MeasuredTokenizer(combination, int(np.triu(self.decided, 1).sum()), tuple(where))

    def _count(self, combination: Combination) -> float:
        wrong = self.wrong(combination)
        return np.inf if wrong is None else float(wrong.sum())

    def _relation(self, i: int, j: int) -> str:
        return "have one vector" if self.alike[i, j] else "have not one vector"


def _compatible(combination: Combination) -> bool:
    return all(compatible(one, other) for one, other in combinations(combination, 2))
