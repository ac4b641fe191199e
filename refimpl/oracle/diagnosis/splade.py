"""SPLADE vectors that are not the reference's: which known change gives them."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import issparse

from refimpl import models
from refimpl.base import check_texts
from refimpl.bert.heads import masked_lm_logits
from refimpl.oracle.diagnosis.choice import Chosen, choose, varied_tokens
from refimpl.oracle.diagnosis.encoder import LONGEST, EncoderVariant, States, VariedEncoder
from refimpl.oracle.diagnosis.encoder_causes import ENCODER
from refimpl.oracle.diagnosis.knobs import Knob, turned
from refimpl.oracle.diagnosis.search import Turned, explain
from refimpl.oracle.diagnosis.verdict import Diagnosis
from refimpl.sparse.splade import SpladeEmbeddingFunction
from refimpl.tokens import TruncationWarning

Array = np.ndarray


@dataclass(frozen=True)
class SpladeVariant(EncoderVariant):
    """What decides a SPLADE vector; the defaults are the reference."""

    reduce: str = "max"
    reduced: str = "tokens"
    saturation: str = "log1p"
    kept: int = 0
    """The number of largest weights that are kept, 0 for all."""


SATURATIONS: dict[str, Callable[[Array], Array]] = {
    "log1p": lambda x: np.log1p(np.maximum(x, 0.0)),
    "relu": lambda x: np.maximum(x, 0.0),
    "log2": lambda x: np.log2(1.0 + np.maximum(x, 0.0)),
    "twice": lambda x: np.log1p(np.log1p(np.maximum(x, 0.0))),
    "none": lambda x: x,
}
REDUCTIONS: dict[str, Callable[[Array], Array]] = {
    "sum": lambda weights: weights.sum(axis=0),
    "mean": lambda weights: weights.mean(axis=0),
}
HEAD = (
    *(
        Knob(
            f"maximum over padding, {name}",
            f"padding's logits enter the maximum, as in pymilvus.model; {name}",
            {"reduced": "all", "padded_to": to},
        )
        for name, to in (
            ("padded to the longest", LONGEST),
            ("padded to 128", 128),
            ("padded to 256", 256),
            ("padded to 512", 512),
        )
    ),
    Knob("sum for maximum", "weights are summed over tokens, as in SPLADE's first version", {"reduce": "sum"}),
    Knob("mean for maximum", "weights are averaged over tokens", {"reduce": "mean"}),
    Knob("special tokens left out", "[CLS] and [SEP] are left out of the maximum", {"reduced": "words"}),
    Knob("first token only", "the logits of [CLS] are taken", {"reduced": "first"}),
    Knob("no log1p", "relu of the logits, without log(1 + x)", {"saturation": "relu"}),
    Knob("log base 2", "log2(1 + x) for ln(1 + x)", {"saturation": "log2"}),
    Knob("log1p twice", "log(1 + x) is applied twice", {"saturation": "twice"}),
    Knob("logits", "neither relu nor log(1 + x)", {"saturation": "none"}),
    *(
        Knob(f"largest {k} kept", "only a row's largest weights are kept", {"kept": k})
        for k in (32, 64, 100, 128, 256, 512)
    ),
)


class SpladeProblem:
    """Given rows, and the encoder with its knobs."""

    knobs: Sequence[Knob] = (*ENCODER, *HEAD)

    def __init__(self, given: Array, encoder: VariedEncoder, chosen: Chosen) -> None:
        self.given, self.encoder, self.chosen = given, encoder, chosen

    def errors(self, turned_knobs: Turned, *, few: bool) -> Array:
        """Given less computed rows, flat."""
        variant = turned(SpladeVariant(), turned_knobs)
        try:
            return np.concatenate([self._errors(variant, rows) for rows in self.chosen.batches(few=few)])
        except (ValueError, KeyError, AttributeError):
            return np.array([np.inf])

    def _errors(self, variant: SpladeVariant, rows: Array) -> Array:
        states = self.encoder.states(variant, rows)
        computed = [self._row(variant, states, i) for i in range(len(rows))]
        return np.asarray(self.given[rows] - np.array(computed)).ravel()

    def names(self, turned_knobs: Turned) -> tuple[str, ...]:
        """What the knobs are called."""
        return tuple(knob.name for knob in turned_knobs)

    def _row(self, variant: SpladeVariant, states: States, text: int) -> Array:
        used = _used(variant.reduced, states.mask[text])
        logits = masked_lm_logits(self.encoder.weights(variant), states.hidden_states[text, used])
        saturate = SATURATIONS[variant.saturation]
        if variant.reduce == "max":  # saturation rises with the logit, so it may come after
            row = saturate(logits.max(axis=0))
        else:
            row = REDUCTIONS[variant.reduce](saturate(logits))
        if variant.kept:
            row = np.where(row >= np.partition(row, -variant.kept)[-variant.kept], row, 0.0)
        return np.asarray(row)


def diagnose_splade(
    given: ArrayLike, texts: Sequence[str], *, model_path: str | Path | None = None, tolerance: float = 1e-5
) -> Diagnosis:
    """Hold rows `(texts, vocab)`, dense or sparse, against splade-tiny's (or a model folder's) and say why they differ.

    The reference is the float64 forward, log(1 + relu(max over tokens)), nothing pruned. `tolerance` is absolute.
    Raises TypeError for what are no texts, ValueError where `given` has another shape.
    """
    checked = check_texts(texts, "texts")
    folder = models.path("splade-tiny" if model_path is None else str(model_path))
    rows = np.asarray(given.toarray() if issparse(given) else given, dtype=np.float64)  # type: ignore[union-attr]  # sparse
    reference = SpladeEmbeddingFunction(str(folder), dtype="float64")
    if rows.shape != (len(checked), reference.dim):
        raise ValueError(f"given must be {(len(checked), reference.dim)}, a row a text, got {rows.shape}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TruncationWarning)  # the reference truncates as it says it does
        expected = reference(checked).toarray()
    departures = np.abs(rows - expected).max(axis=1, initial=0.0)
    difference = float(departures.max(initial=0.0))
    if difference <= tolerance:
        return Diagnosis(True, difference, tolerance, ())
    if not np.isfinite(rows).all():
        return Diagnosis(False, np.inf, tolerance, (), "a weight is not finite")
    encoder = VariedEncoder(folder, checked)
    chosen = choose(departures, encoder.tokens(EncoderVariant()), varied_tokens(encoder), tolerance)
    return Diagnosis(False, difference, tolerance, explain(SpladeProblem(rows, encoder, chosen), tolerance))


def _used(which: str, mask: Array) -> Array:
    place, last = np.arange(len(mask)), int(mask.sum()) - 1
    words = mask & (place > 0) & (place < last)
    if which == "words" and words.any():
        return words
    return {"tokens": mask, "all": np.ones_like(mask), "first": place == 0, "words": mask}[which]
