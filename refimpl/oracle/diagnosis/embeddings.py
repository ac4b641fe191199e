"""Sentence vectors that are not the reference's: which known change gives them."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from refimpl import models
from refimpl.base import check_texts
from refimpl.dense.minilm import MiniLMEmbeddingFunction
from refimpl.oracle.diagnosis.choice import Chosen, choose, varied_tokens
from refimpl.oracle.diagnosis.encoder import EncoderVariant, VariedEncoder
from refimpl.oracle.diagnosis.encoder_causes import ENCODER
from refimpl.oracle.diagnosis.knobs import Knob, turned
from refimpl.oracle.diagnosis.pooling import HEAD, EmbeddingVariant, pooled
from refimpl.oracle.diagnosis.search import Turned, explain
from refimpl.oracle.diagnosis.verdict import Cause, Diagnosis
from refimpl.tokens import TruncationWarning

Array = np.ndarray
AT_A_TIME = 256
MOST_TOKENS = 4096  # in float64 for all texts; with more, float32 says which texts depart


class EmbeddingProblem:
    """Given vectors, and the encoder with its knobs."""

    knobs: Sequence[Knob] = (*ENCODER, *HEAD)

    def __init__(self, given: Array, encoder: VariedEncoder, chosen: Chosen) -> None:
        self.given, self.encoder, self.chosen = given, encoder, chosen

    def errors(self, turned_knobs: Turned, *, few: bool) -> Array:
        """Given less computed vectors, flat; infinite where the model cannot be run like this."""
        variant = turned(EmbeddingVariant(), turned_knobs)
        try:
            return np.concatenate([self._errors(variant, rows) for rows in self.chosen.batches(few=few)])
        except (ValueError, KeyError, AttributeError):  # too long for the positions, no such tensor, no such setting
            return np.array([np.inf])

    def _errors(self, variant: EmbeddingVariant, rows: Array) -> Array:
        states = self.encoder.states(variant, rows)
        vectors = pooled(variant, self.encoder.weights(variant), states)
        defined = states.mask.any(axis=1)  # without special tokens an empty text has no vector, and is no evidence
        return np.asarray(self.given[rows] - vectors)[defined].ravel()

    def names(self, turned_knobs: Turned) -> tuple[str, ...]:
        """What the knobs are called."""
        return tuple(knob.name for knob in turned_knobs)


def diagnose_embeddings(
    given: ArrayLike, texts: Sequence[str], *, model_path: str | Path | None = None, tolerance: float = 1e-6
) -> Diagnosis:
    """Hold vectors `(texts, dim)` against all-MiniLM-L6-v2's (or a model folder's of its kind) and say why they differ.

    The reference is the float64 textbook forward, mean over tokens, unit length. `tolerance` is absolute, an entry.
    Raises TypeError for what are no texts, ValueError where `given` has another shape.
    """
    checked = check_texts(texts, "texts")
    folder = models.path("all-MiniLM-L6-v2" if model_path is None else str(model_path))
    vectors = np.asarray(given, dtype=np.float64)
    encoder = VariedEncoder(folder, checked)
    width = encoder.published.config.hidden_size
    if vectors.shape != (len(checked), width):
        raise ValueError(f"given must be {(len(checked), width)}, a vector a text, got {vectors.shape}")
    expected = _reference(folder, checked, encoder)
    departures = np.abs(vectors - expected).max(axis=1, initial=0.0)
    difference = float(departures.max(initial=0.0))
    if difference <= tolerance:
        return Diagnosis(True, difference, tolerance, ())
    if not np.isfinite(vectors).all():
        culprit = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
        return Diagnosis(False, np.inf, tolerance, (), f"vector {culprit} is not finite, text {checked[culprit]!r:.60}")
    if reordered := _another_order(vectors, expected, tolerance):
        return Diagnosis(False, difference, tolerance, (reordered,))
    tokens = encoder.tokens(EncoderVariant())
    chosen = choose(departures, tokens, varied_tokens(encoder), tolerance)
    return Diagnosis(False, difference, tolerance, explain(EmbeddingProblem(vectors, encoder, chosen), tolerance))


def _reference(folder: Path, texts: list[str], encoder: VariedEncoder) -> Array:
    dtype = "float64" if encoder.tokens(EncoderVariant()).lengths.sum() <= MOST_TOKENS else "float32"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TruncationWarning)  # the reference truncates as it says it does
        return MiniLMEmbeddingFunction(folder, dtype=dtype, max_length=encoder.max_length)(texts).astype(np.float64)


def _another_order(given: Array, expected: Array, tolerance: float) -> Cause | None:
    """The right vectors at other texts: batches sorted by length and not put back, or concurrent answers mixed up."""
    if len(given) < 2:
        return None
    residual, found = 0.0, set[int]()
    for rows in np.array_split(given, -(-len(given) // AT_A_TIME)):
        nearest = np.argmax(rows @ expected.T, axis=1)  # of unit vectors
        residual = max(residual, float(np.abs(rows - expected[nearest]).max()))
        found.update(nearest.tolist())
        if residual > tolerance:
            return None
    if len(found) < 2:
        return None
    explanation = "the vectors are right and stand at other texts: sorted by length, or answers mixed up"
    return Cause(("rows in another order",), explanation, residual, 1.0, True)
