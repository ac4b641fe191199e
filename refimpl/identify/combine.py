"""Combines tf, length and scale: every combination that the fits leave is tested on all one-term readings."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Int

from refimpl.common.types import Array
from refimpl.identify import length, miswritten, tf
from refimpl.identify.formula import DeltaKind, DocLengths, Formula
from refimpl.identify.idf import Idf
from refimpl.identify.idf_forms import Numbers
from refimpl.identify.length import AVERAGES, Average, LengthKind, Line
from refimpl.identify.probes import SETTINGS
from refimpl.identify.scores import Corpus, Reading
from refimpl.identify.tf import Tf

LEAST_COUNTS = 4  # numbers of occurrences that show a weight
BASES = {"e": 1.0, "2": 1 / np.log(2), "10": 1 / np.log(10)}
"""Logarithm base -> the factor that it is to a natural logarithm."""
DELTAS: Mapping[length.Delta, tuple[DeltaKind, ...]] = {
    "none": ("none",),
    "proportional": ("outside", "BM25L"),
    "constant": ("numerator", "numerator count", "count"),
}


@dataclass(frozen=True)
class Run:
    """One formula corpus under one setting."""

    corpus: Corpus
    setting: str


@dataclass(frozen=True)
class Shape:
    """What the fits found: the tf of each run, and each line of lengths with its kind of delta."""

    tfs: tuple[Tf, ...]
    lines: tuple[tuple[length.Delta, Line], ...]
    points: tuple[tuple[length.LengthPoint, ...], ...]


def shape(runs: Sequence[Run], idf: Idf | None) -> Shape | None:
    """Fit the tf of each run and the lengths of the runs of the first setting; None where no tf form is known."""
    tfs = []
    for run in runs:
        found = tf.fit(tf.points(run.corpus, _idf_of(run.corpus, idf)))
        if found is None:
            return None
        tfs.append(found)
    if len({(one.transform.name, one.shape, one.again) for one in tfs}) > 1:
        return None
    first = [(run, one) for run, one in zip(runs, tfs, strict=True) if run.setting == "first"]
    deltas: tuple[length.Delta, ...] = ("none",) if tfs[0].shape != "shifted" else ("proportional", "constant")
    powers = (0.0, 1.0) if tfs[0].shape in ("saturated", "shifted") else (0.0, 0.5, 1.0)
    found_lines, points = [], []
    for delta in deltas:
        measured = [_points(run.corpus, one, idf, delta, _unit(one, tfs[0], idf)) for run, one in first]
        if any(one is None for one in measured):
            continue
        points = [tuple(one) for one in measured if one is not None]
        found_lines += [(delta, line) for line in length.lines([run.corpus for run, _ in first], points, powers)]
    return Shape(tuple(tfs), tuple(found_lines), tuple(points))


def _idf_of(corpus: Corpus, idf: Idf | None) -> "Idfs":
    return Idfs(corpus, idf)


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


def _unit(fitted: Tf, first: Tf, idf: Idf | None) -> float:
    """What a factor of a length is relative to: without saturation the first run's scale, as far as idfs are known."""
    saturated = fitted.shape in ("saturated", "shifted")
    return fitted.scale if saturated or idf is None else first.scale


def _points(
    corpus: Corpus, fitted: Tf, idf: Idf | None, delta: length.Delta, unit: float
) -> list[length.LengthPoint] | None:
    measured = length.measure(corpus, replace(fitted, scale=unit), _idf_of(corpus, idf), delta)
    if measured is None:
        return None
    saturated = fitted.shape in ("saturated", "shifted")
    value = fitted.q if saturated else unit / fitted.scale
    error = (fitted.scale_error / fitted.scale) * (value + 1)
    return [*measured, length.LengthPoint(corpus.layout.tf_doc, Reading(value, error))]


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


def fits(runs: Sequence[Run], idf: Idf | None, found: Shape, takes: bool) -> list[Fit]:
    """Every combination that matches all readings of `runs`, the simplest first.

    `takes`: whether the target was given k1 and b at all.
    """
    good: dict[Formula, Fit] = {}  # by the formula of scale 1
    places = [places_of(run, idf) for run in runs]
    for candidate in _candidates(runs, idf, found, takes):
        unscaled = replace(candidate, scale=1.0)
        if unscaled not in good and (fit := test(candidate, places)) is not None:
            good[unscaled] = fit
    best = runs[0].corpus.scale.best is not None
    return sorted(good.values(), key=lambda fit: rank(fit, best))


def miswritten_fits(runs: Sequence[Run], idf: Idf | None, takes: bool) -> list[Fit]:
    """The first textbook weight with a mistake of writing that matches all readings of `runs`, of several counts."""
    places = [places_of(run, idf) for run in runs]
    if len(np.unique(places[0].f)) < LEAST_COUNTS:
        return []
    possible = (one for one in miswritten.formulas(idf, takes) if places[0].allow(one))
    fits = (fit for one in possible if (fit := test(one, places)) is not None)
    return list(itertools.islice(fits, 1))


def rank(fit: Fit, best: bool) -> tuple[bool, int, int]:
    """How complicated a fit is: unexplained scale, number of fixed parameters, and of those that are not round.

    `best`: scores are divided by the best one, so the scale is not measured.
    """
    formula = fit.formula
    fixed = [value for value in (formula.k1, formula.b) if value is not None]
    odd = sum(value != round(value, 3) for value in (*fixed, formula.delta))
    return fit.base is None and not best and formula.idf is not None, len(fixed), odd


def _candidates(runs: Sequence[Run], idf: Idf | None, found: Shape, takes: bool) -> Iterator[Formula]:
    fitted = found.tfs[0]
    docs = runs[0].corpus.layout.docs
    if idf is not None and fitted.shape in ("constant", "unsaturated"):
        tokens, mean = length.KINDS[0], AVERAGES[0]
        yield Formula(idf, fitted.transform, fitted.shape, fitted.again, tokens, mean, "cosine", False, k1=0.0, b=0.0)
    for delta, line in found.lines:
        flat = line.flat
        averages = [AVERAGES[0]] if flat else list(_distinct_averages(runs, line))
        for average, kind, factor in itertools.product(averages, DELTAS[delta], (True, False)):
            base = Formula(
                idf, fitted.transform, fitted.shape, fitted.again, line.kind, average, "none", factor, floor=line.floor
            )
            if fitted.shape in ("saturated", "shifted"):
                yield from _saturated(base, fitted, line, kind, average.of(docs, line.kind), flat, takes)
            elif takes or not factor:
                yield from _unsaturated(base, line, average, docs, flat, takes)
        if not flat and fitted.shape in ("saturated", "shifted"):
            yield from _constant_average(idf, fitted, line, DELTAS[delta], takes)


def _distinct_averages(runs: Sequence[Run], line: Line) -> Iterator[Average]:
    """The definitions of the average, without those that have the same value in every corpus as an earlier one."""
    seen = set()
    for average in AVERAGES:
        values = tuple(average.of(run.corpus.layout.docs, line.kind) for run in runs)
        if values not in seen:
            seen.add(values)
            yield average


def _saturated(
    base: Formula, fitted: Tf, line: Line, kind: DeltaKind, mean: float, flat: bool, takes: bool
) -> Iterator[Formula]:
    shift = fitted.p if kind == "count" else 0.0
    kappa = line.intercept - shift + line.slopes[0] * mean
    if kappa <= 0:
        return
    ratio = fitted.p / fitted.q
    b = 0.0 if flat else line.slopes[0] * mean / kappa
    norm = replace(base, norm="none" if flat else "in K", delta_kind=kind, power=line.power)
    slack = _slack(fitted)
    sources = ((None, None), (None, b), ("fit", None), ("fit", b)) if takes else (("fit", b),)
    roundings = (10 * slack, slack) if slack > 1e-5 else (slack,)  # of rounded scores, the rounder number first
    for relative, (k1_source, b_source) in itertools.product(roundings, sources):
        if flat and b_source is None:
            continue
        own = kappa * (1 - ratio) if kind == "BM25L" else kappa
        k1 = tidy(own, relative) if k1_source else None
        fixed_b = None if b_source is None else tidy(b, 2 * relative)
        factor = (SETTINGS["first"][0] if k1 is None else k1) + 1 if base.factor else 1.0
        delta = tidy(_delta(kind, fitted, factor, kappa), relative)
        yield replace(norm, k1=k1, b=fixed_b, delta=delta)


def _slack(fitted: Tf) -> float:
    """The relative error of a fitted parameter, at least that of float32."""
    return max(1e-5, fitted.scale_error / fitted.scale)


def _delta(kind: DeltaKind, fitted: Tf, factor: float, kappa: float) -> float:
    """The delta of a kind, from p and q; `factor` is k1 + 1 or 1."""
    ratio = fitted.p / fitted.q
    if kind == "outside":
        return factor * ratio / (1 - ratio) if ratio < 1 else 0.0
    return {
        "none": 0.0,
        "BM25L": ratio * kappa,
        "numerator": fitted.p * factor,
        "numerator count": fitted.p,
        "count": fitted.p,
    }[kind]


def _unsaturated(
    base: Formula, line: Line, average: Average, docs: Sequence[length.Doc], flat: bool, takes: bool
) -> Iterator[Formula]:
    k1 = None if base.factor else 0.0
    if flat:
        yield replace(base, norm="power" if line.power else "none", power=line.power, k1=k1, b=0.0)
        return
    if line.power:
        return
    mean = average.of(docs, line.kind)
    share = line.slopes[0] * mean / (line.intercept + line.slopes[0] * mean)
    for b in [None, tidy(share)] if takes else [tidy(share)]:
        yield replace(base, norm="divides", b=b, k1=k1)
    if base.shape == "constant":
        for k1 in (None, 1.2):
            yield replace(base, shape="saturated", norm="in K", k1=k1, b=None if k1 is None else 0.75)


def _constant_average(
    idf: Idf | None, fitted: Tf, line: Line, kinds: Sequence[DeltaKind], takes: bool
) -> Iterator[Formula]:
    """The same slope in corpora of different averages: the average is a constant.

    It is known where k1 and b are those of the call, or where the scale is explained by a factor k1 + 1.
    """
    if max(line.slopes) - min(line.slopes) > 1e-3 * abs(line.slopes[0]) or line.slopes[0] <= 0:
        return
    start = Formula(idf, fitted.transform, fitted.shape, fitted.again, line.kind, 1.0, "in K", True, floor=line.floor)
    k1, b = SETTINGS["first"]
    constant = tidy(k1 * b / line.slopes[0], 10 * _slack(fitted))
    for kind, factor in itertools.product(kinds, (True, False)) if takes else ():
        candidate = replace(start, average=constant, factor=factor)
        yield from (one for one in _saturated(candidate, fitted, line, kind, constant, False, True) if one.k1 is None)
    for scale in BASES.values() if "none" in kinds else ():
        k1 = tidy(fitted.scale / scale - 1)
        constant = tidy((k1 - line.intercept) / line.slopes[0])
        if k1 > 0 and constant > 1 and k1 == round(k1, 3) and constant == round(constant):
            yield replace(start, average=constant, norm="in K", k1=k1, b=tidy(1 - line.intercept / k1))


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
            return values
        document, idf = self.anchor
        below = formula.weights(np.ones(1), lengths.at(np.array([document])), k1, b)[0]
        return values / (idf * below)

    def _lengths(self, formula: Formula) -> DocLengths:
        if formula.norm == "cosine" or isinstance(formula.average, float):
            return formula.doc_lengths(self.run.corpus.layout.docs)
        key = formula.kind, formula.average, formula.floor
        if key not in self._known:
            self._known[key] = formula.doc_lengths(self.run.corpus.layout.docs)
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
