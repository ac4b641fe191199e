"""Sentence vectors, and how near the reference under a combination of hypotheses comes to each of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from refimpl.common.types import Array
from refimpl.diagnosis.encoder import VariedEncoder, identity
from refimpl.diagnosis.encoder_hypotheses import ENCODER, PARTS_ROUNDED
from refimpl.diagnosis.hypotheses import Combination, Hypothesis, NotApplicable, apply_all
from refimpl.diagnosis.pooling import HEAD, EmbeddingVariant, scaled
from refimpl.diagnosis.rare_token_hypotheses import RARE, word_limits
from refimpl.diagnosis.structure.families import MASKS
from refimpl.diagnosis.text_states import TextStates
from refimpl.diagnosis.token_hypotheses import TOKENS

ROUNDING = 1e-12  # of float64, relative to a vector's length
FLOAT32 = 2.0**-23  # relative rounding of a stored value that was float32 on its way


@dataclass(frozen=True)
class Trial:
    """The errors that remain with a combination of hypotheses, text by text; one entry per text in every array."""

    combination: Combination
    rows: Array
    squares: Array
    """Sum of squared errors; infinite where a hypothesis does not apply."""
    residuals: Array
    """The largest error, relative to the vector's length."""
    explained: Array
    """Whether every entry is within the tolerance."""
    evidence: Array
    """False for a text without a token, which has no vector and counts as explained."""

    @property
    def count(self) -> int:
        """Number of texts with evidence that are explained."""
        return int(np.sum(self.explained & self.evidence))

    @property
    def order(self) -> tuple[int, int, int, float]:
        """Sort key: most texts explained, then fewest hypotheses, listed before enumerated, then smallest errors."""
        enumerated = sum("faults" in each.apply.values for each in self.combination)
        return -self.count, len(self.combination), enumerated, float(self.squares.sum())


class EmbeddingProblem:
    """Vectors `(texts, dim)` and the encoder that they are compared with.

    Parameters
    ----------
    actual
        The vectors, finite.
    encoder
        The encoder, with the texts.
    tolerance
        Per entry, relative to the length of the computed vector. A vector that is stored in low precision may have any
        value that a vector within the tolerance is rounded to.
    """

    hypotheses: Sequence[Hypothesis] = (*HEAD, *TOKENS, *(each for each in ENCODER if each not in TOKENS))

    def __init__(self, actual: Array, encoder: VariedEncoder, tolerance: float) -> None:
        self.actual, self.encoder, self.tolerance = actual, encoder, tolerance
        self.states = TextStates(encoder, single=tolerance >= 1e-6)
        listed = (each for each in self.hypotheses if not each.apply.values.keys() & {"store", "normalize"})
        self.searched = (*listed, *PARTS_ROUNDED, *RARE, *word_limits(encoder.firsts), *MASKS)
        """Rare ones and those about masks too; without those about length and storage, which the vectors show."""

    def vectors(self, combination: Combination, rows: Sequence[int]) -> tuple[Array, Array]:
        """The vectors `(rows, dim)` under the combination, before they are stored, and whether each text has a token.

        Raises NotApplicable where a hypothesis does not apply.
        """
        variant = apply_all(EmbeddingVariant(), combination)
        weights = self.encoder.weights(variant)
        states = self.states(variant, rows)
        vectors = [scaled(variant, weights, one.hidden_states[None], one.mask[None])[0] for one in states]
        defined = np.array([one.mask.any() for one in states], dtype=bool)
        return np.stack(vectors).astype(np.float64), defined

    def same_tokens(self, one: Combination, other: Combination) -> bool:
        """Whether every text has the same tokens under both; False where either does not apply."""
        try:
            tokens = [self.encoder.tokens(apply_all(EmbeddingVariant(), each)) for each in (one, other)]
        except NotApplicable:
            return False
        ids, lengths = zip(*((each.input_ids, each.lengths) for each in tokens), strict=True)
        return np.array_equal(*lengths) and np.array_equal(*ids)

    def trial(self, combination: Combination, rows: Sequence[int]) -> Trial:
        """The combination on the texts `rows`."""
        rows = list(rows)
        try:
            vectors, defined = self.vectors(combination, rows)
        except NotApplicable:
            return _inapplicable(combination, rows)
        if not np.isfinite(vectors).all():
            return _inapplicable(combination, rows)
        explained, errors = self.compared(vectors, apply_all(EmbeddingVariant(), combination).store, rows)
        errors[~defined] = 0.0
        lengths = np.maximum(np.linalg.norm(vectors, axis=1), np.finfo(np.float64).tiny)
        residuals = np.abs(errors).max(axis=1, initial=0.0) / lengths
        return Trial(combination, np.array(rows), np.sum(errors**2, axis=1), residuals, explained | ~defined, defined)

    def compared(self, vectors: Array, store: Callable[[Array], Array], rows: Sequence[int]) -> tuple[Array, Array]:
        """Whether stored `vectors` of the texts `rows` explain each text, and the errors `(rows, dim)`."""
        lengths = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(np.float64).tiny)
        slack, actual = self.tolerance * lengths, self.actual[list(rows)]
        rounding = ROUNDING * lengths
        if store is not identity:  # a scale that is taken from the vector deviates as its largest entry, up or down
            magnitudes = np.abs(actual)
            rounding = (
                rounding
                + FLOAT32 * magnitudes
                + 2 * slack * magnitudes / np.maximum(magnitudes.max(axis=1, keepdims=True), 1e-300)
            )
        above = actual >= store(vectors - slack) - rounding
        below = actual <= store(vectors + slack) + rounding
        return (above & below).all(axis=1), actual - store(vectors)


def _inapplicable(combination: Combination, rows: Sequence[int]) -> Trial:
    infinite, never = np.full(len(rows), np.inf), np.zeros(len(rows), dtype=bool)
    return Trial(combination, np.array(rows), infinite, infinite, never, ~never)
