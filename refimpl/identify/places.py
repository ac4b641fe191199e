"""A formula against the one-term readings of every input: places, ideal weights, the scale between the two."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Int

from refimpl.common.types import Array
from refimpl.identify.formula import DocLengths, Formula
from refimpl.identify.idf import Idf
from refimpl.identify.idf_forms import Numbers
from refimpl.identify.length import Average, LengthKind
from refimpl.identify.probes import SETTINGS
from refimpl.identify.scores import Corpus

BASES = {"e": 1.0, "2": 1 / np.log(2), "10": 1 / np.log(10)}
"""Logarithm base -> the factor that it is to a natural logarithm."""


@dataclass(frozen=True)
class Run:
    """One formula corpus under one setting."""

    corpus: Corpus
    setting: str


@dataclass(frozen=True)
class Idfs:
    """The idf of a term with f occurrences in one document only; 1 where the idf is not known."""

    corpus: Corpus
    idf: Idf | None

    def __call__(self, f: int) -> float:
        """The idf by occurrences."""
        if self.idf is None:
            return 1.0
        docs = self.corpus.layout.docs
        size = self.idf.size(docs)
        mean = self.idf.mean(docs, size)
        return self.idf.of(f if self.idf.counts_occurrences else 1, size, mean)


@dataclass(frozen=True)
class Fit:
    """A formula that all readings match, with the largest relative deviation."""

    formula: Formula
    error: float
    readings: int

    @property
    def base(self) -> str | None:
        """The base of the idf's logarithm, where the scale is explained by one."""
        scale = self.formula.scale
        if self.formula.idf is None or not self.formula.idf.form.has_base:
            return "e" if abs(scale - 1) < max(1e-6, 5 * self.error) else None
        return next((name for name, one in BASES.items() if abs(scale / one - 1) < max(1e-6, 5 * self.error)), None)


def tidy(value: float, relative: float = 1e-5) -> float:
    """`value` in as few decimals (up to 4) as change it by at most `relative` of itself; else as it is."""
    for decimals in range(5):
        if abs(round(value, decimals) - value) <= relative * abs(value):
            return round(value, decimals)
    return value


@dataclass(frozen=True)
class Places:
    """The one-term readings of a run: document, occurrences and idf of the term, score and its error.

    `anchor`: document and idf of the term by whose score the others are divided; None where they are not.
    """

    run: Run
    documents: Int[Array, " places"]
    f: Numbers
    idf: Numbers
    measured: Numbers
    errors: Numbers
    anchor: tuple[int, float] | None
    _known: dict[tuple[LengthKind, Average, float | None], DocLengths] = field(default_factory=dict, compare=False)

    def ideal(self, formula: Formula) -> Numbers:
        """What the formula has for each place, without its scale."""
        k1, b = SETTINGS[self.run.setting]
        lengths = self._lengths(formula)
        values = self.idf * formula.weights(self.f, lengths.at(self.documents), k1, b)
        if self.anchor is None:
            return values * formula.weight_in_query(lengths, k1, b)
        document, idf = self.anchor
        below = formula.weights(np.ones(1), lengths.at(np.array([document])), k1, b)[0]
        return values / (idf * below)

    def _lengths(self, formula: Formula) -> DocLengths:
        docs, setting = self.run.corpus.layout.docs, SETTINGS[self.run.setting]
        if formula.unit_length or isinstance(formula.average, float):
            return formula.doc_lengths(docs, *setting)
        key = formula.kind, formula.average, formula.floor
        if key not in self._known:
            self._known[key] = formula.doc_lengths(docs, *setting)
        return self._known[key]

    def allow(self, formula: Formula) -> bool:
        """Whether these readings alone match the formula, up to a scale."""
        return _compare(self.ideal(formula), self.measured, self.errors) is not None


def places_of(run: Run, idf: Idf | None) -> Places:
    """Terms of the tf document and of other lengths; where the idf is known, also those of the idf document."""
    layout, corpus = run.corpus.layout, run.corpus
    of_f, size = Idfs(corpus, idf), float(len(layout.docs)) if idf is None else idf.size(layout.docs)
    mean = idf.mean(layout.docs, size) if idf is not None else 0.0
    places = [(layout.tf_doc, f, of_f(f), term) for f, term in layout.tf.items()]
    places += [(document, f, of_f(f), term) for document, terms in layout.lengths for f, term in terms.items()]
    if idf is not None:
        places += [(layout.idf_doc, 1, idf.of(df, size, mean), term) for df, term in layout.idf.items()]
    read = [(*place[:3], one) for place in places if (one := corpus.read(place[3], place[0])) is not None]
    columns = np.array([(document, f, value, one.value, one.error) for document, f, value, one in read]).reshape(-1, 5)
    anchor = (layout.anchor[1], of_f(1)) if corpus.scale.best is not None else None
    f, values, measured, errors = columns[:, 1:].T
    return Places(run, columns[:, 0].astype(int), f, values, measured, errors, anchor)


def test(formula: Formula, places: Sequence[Places]) -> Fit | None:
    """Compare the formula, up to one scale, with every one-term reading; None for a mismatch.

    Without a known idf the scale is each corpus' own, the same under every setting.
    """
    groups = [list(places)]
    if formula.idf is None:
        layouts = {id(one.run.corpus.layout): one.run.corpus.layout for one in places}.values()
        groups = [[one for one in places if one.run.corpus.layout is layout] for layout in layouts]
    scales, deviations = [], []
    for group in groups:
        ideal = np.concatenate([one.ideal(formula) for one in group])
        measured, errors = (np.concatenate([getattr(one, name) for one in group]) for name in ("measured", "errors"))
        compared = _compare(ideal, measured, errors)
        if compared is None:
            return None
        scales.append(compared[0])
        deviations.append(compared[1])
    error = max(deviations)
    scale = _tidy_scale(scales[0], error)
    return Fit(replace(formula, scale=scale), error, sum(len(one.measured) for one in places))


def _compare(ideal: Numbers, measured: Numbers, errors: Numbers) -> tuple[float, float] | None:
    """The scale of `measured` over `ideal` and the largest relative deviation; None where one exceeds its error."""
    usable = np.isfinite(ideal) & (np.abs(ideal) > 1e-12) & (measured != 0)
    if not usable.any() or not np.isfinite(ideal).all():
        return None
    weights = (ideal[usable] / errors[usable]) ** 2
    scale = float(np.sum(measured[usable] / ideal[usable] * weights) / np.sum(weights))
    if scale <= 0:
        return None
    slack = float(np.median(errors[usable] / np.abs(measured[usable])))
    largest = float(np.abs(measured).max())
    off = np.abs(measured - scale * ideal)
    if (off > 3 * errors + 2 * slack * np.abs(measured) + 0.3 * slack * largest).any():
        return None
    return scale, float(np.max(off / np.maximum(np.abs(measured), 1e-3 * largest)))


def _tidy_scale(scale: float, error: float) -> float:
    """The scale, set to that of a logarithm's base or a rounder number where the difference is within the error."""
    slack = max(1e-9, 3 * error)
    named = (one for one in BASES.values() if abs(scale / one - 1) <= slack)
    return next(named, tidy(scale, min(slack, 1e-5)))
