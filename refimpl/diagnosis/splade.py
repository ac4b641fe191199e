"""The cause of a mismatch of SPLADE vectors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import issparse

from refimpl import models
from refimpl.bert.heads import masked_lm_logits
from refimpl.common.texts import check_texts
from refimpl.common.types import Array
from refimpl.common.warning import silenced
from refimpl.diagnosis.encoder import EncoderVariant, VariedEncoder, identity
from refimpl.diagnosis.encoder_hypotheses import ENCODER, padded
from refimpl.diagnosis.hypotheses import Combination, Hypothesis, NotApplicable, apply_all, change
from refimpl.diagnosis.pooling import words_only
from refimpl.diagnosis.result import Diagnosis
from refimpl.diagnosis.sampling import Sample, select_sample, varied_tokens
from refimpl.diagnosis.search import Problem, explain
from refimpl.sparse.splade import SpladeEmbeddingFunction
from refimpl.tokens import TruncationWarning


def relu(x: Array) -> Array:
    """max(x, 0)."""
    return np.maximum(x, 0.0)


def saturate(x: Array) -> Array:
    """log(1 + relu(x)) (Formal et al. 2021, equation 1)."""
    return np.log1p(relu(x))


def maximum(logits: Array, saturation: Callable[[Array], Array]) -> Array:
    """Over tokens `(tokens, vocab)`; saturation is monotonic, so that it may come after."""
    return saturation(logits.max(axis=0))


def total(logits: Array, saturation: Callable[[Array], Array]) -> Array:
    """Sum over tokens."""
    return np.asarray(saturation(logits).sum(axis=0))


def mean(logits: Array, saturation: Callable[[Array], Array]) -> Array:
    """Mean over tokens."""
    return np.asarray(saturation(logits).mean(axis=0))


def first_only(mask: Array) -> Array:
    """[CLS] only."""
    return np.broadcast_to(np.arange(mask.shape[1]) == 0, mask.shape)


@dataclass(frozen=True)
class SpladeVariant(EncoderVariant):
    """Everything that determines a SPLADE vector; the defaults are the reference."""

    reduce: Callable[[Array, Callable[[Array], Array]], Array] = maximum
    reduced: Callable[[Array], Array] = identity
    """The mask `(texts, seq)` of the positions that are reduced, of the mask of tokens."""
    saturation: Callable[[Array], Array] = saturate
    kept: int = 0
    """The number of largest weights that are kept, 0 for all."""


splade = partial(change, SpladeVariant)

HEAD = (
    *padded(
        "maximum over padding",
        "the maximum includes the logits of padding, as in pymilvus.model",
        SpladeVariant,
        reduced=np.ones_like,
    ),
    Hypothesis("sum for maximum", "weights are summed over tokens, as in SPLADE's first version", splade(reduce=total)),
    Hypothesis("mean for maximum", "weights are averaged over tokens", splade(reduce=mean)),
    Hypothesis("special tokens left out", "[CLS] and [SEP] are left out of the maximum", splade(reduced=words_only)),
    Hypothesis("first token only", "the logits of [CLS] are taken", splade(reduced=first_only)),
    Hypothesis("no log1p", "relu of the logits, without log(1 + x)", splade(saturation=relu)),
    Hypothesis("log base 2", "log2(1 + x) for ln(1 + x)", splade(saturation=lambda x: np.log2(1.0 + relu(x)))),
    Hypothesis("log1p twice", "log(1 + x) is applied twice", splade(saturation=lambda x: np.log1p(saturate(x)))),
    Hypothesis("logits", "neither relu nor log(1 + x)", splade(saturation=identity)),
    *(
        Hypothesis(f"largest {k} kept", "only the largest weights of a vector are kept", splade(kept=k))
        for k in (32, 64, 100, 128, 256, 512)
    ),
)


class SpladeProblem(Problem):
    """Vectors `(texts, vocab)`, and the encoder that they are compared with."""

    hypotheses: Sequence[Hypothesis] = (*ENCODER, *HEAD)

    def __init__(self, actual: Array, encoder: VariedEncoder, sample: Sample) -> None:
        self.actual, self.encoder, self.sample = actual, encoder, sample

    def errors(self, combination: Combination, *, few: bool) -> Array:
        """Actual - computed vectors, flat."""
        variant = apply_all(SpladeVariant(), combination)
        return np.concatenate([self._errors(variant, rows) for rows in self.sample.batches(few=few)])

    def _errors(self, variant: SpladeVariant, rows: Array) -> Array:
        states = self.encoder.states(variant, rows)
        reduced = variant.reduced(states.mask)
        if not reduced.any(axis=1).all():
            raise NotApplicable("a text without a token has no vector")
        computed = [self._vector(variant, states.hidden_states[i, reduced[i]]) for i in range(len(rows))]
        return np.asarray(self.actual[rows] - np.array(computed)).ravel()

    def _vector(self, variant: SpladeVariant, hidden_states: Array) -> Array:
        logits = masked_lm_logits(self.encoder.weights(variant), hidden_states)
        vector = variant.reduce(logits, variant.saturation)
        if variant.kept > len(vector):
            raise NotApplicable(f"a vector has {len(vector)} weights")
        if variant.kept:
            vector = np.where(vector >= np.partition(vector, -variant.kept)[-variant.kept], vector, 0.0)
        return np.asarray(vector)


def diagnose_splade(
    actual: ArrayLike, texts: Sequence[str], *, model_path: str | Path | None = None, tolerance: float = 1e-5
) -> Diagnosis:
    """Compare SPLADE vectors with splade-tiny's (or another model folder's), and find why they differ.

    The reference is the float64 forward, log(1 + relu(max over tokens)), nothing pruned.

    Parameters
    ----------
    actual
        Vectors `(texts, vocab)`, dense or sparse.
    texts
        The texts, in the same order.
    model_path
        A model folder; default splade-tiny.
    tolerance
        Absolute, per entry.

    Raises
    ------
    TypeError
        For texts that are not a list of str.
    ValueError
        For another shape.
    """
    checked = check_texts(texts, "texts")
    folder = models.path("splade-tiny" if model_path is None else str(model_path))
    rows = np.asarray(actual.toarray() if issparse(actual) else actual, dtype=np.float64)  # type: ignore[union-attr]  # sparse
    reference = SpladeEmbeddingFunction(str(folder), dtype="float64")
    if rows.shape != (len(checked), reference.dim):
        raise ValueError(f"expected vectors of shape {(len(checked), reference.dim)}, got {rows.shape}: one per text")
    with silenced(TruncationWarning):  # the reference truncates at its own length
        expected = reference(checked).toarray()
    deviations = np.abs(rows - expected).max(axis=1, initial=0.0)
    difference = float(deviations.max(initial=0.0))
    if difference <= tolerance:
        return Diagnosis(True, difference, tolerance, ())
    if not np.isfinite(rows).all():
        return Diagnosis(False, np.inf, tolerance, (), "a weight is not finite")
    encoder = VariedEncoder(folder, checked)
    sample = select_sample(deviations, encoder.tokens(EncoderVariant()), varied_tokens(encoder), tolerance)
    return Diagnosis(False, difference, tolerance, explain(SpladeProblem(rows, encoder, sample), tolerance))
