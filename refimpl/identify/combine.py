"""Combines tf, length and scale: every combination that the fits leave is tested on all one-term readings."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from refimpl.identify import length, miswritten, tf
from refimpl.identify.formula import DeltaKind, Formula
from refimpl.identify.idf import Idf
from refimpl.identify.length import AVERAGES, Average, Line
from refimpl.identify.places import BASES, Fit, Idfs, Run, places_of, test, tidy
from refimpl.identify.probes import SETTINGS
from refimpl.identify.scores import Corpus, Reading
from refimpl.identify.tf import Tf

LEAST_COUNTS = 4  # numbers of occurrences that show a weight
USUAL = ((1.2, 0.75), (1.5, 0.75), (2.0, 0.75), (1.6, 0.75), (0.9, 0.4), (1.2, 0.7), (1.0, 0.5))
"""(k1, b) of published packages, for what no reading shows alone."""
DELTAS: Mapping[length.Delta, tuple[DeltaKind, ...]] = {
    "none": ("none",),
    "proportional": ("outside", "BM25L"),
    "constant": ("numerator", "numerator count", "count"),
}


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
        found = tf.fit(tf.points(run.corpus, Idfs(run.corpus, idf)))
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


def _unit(fitted: Tf, first: Tf, idf: Idf | None) -> float:
    """What a factor of a length is relative to: without saturation the first run's scale, as far as idfs are known."""
    saturated = fitted.shape in ("saturated", "shifted")
    return fitted.scale if saturated or idf is None else first.scale


def _points(
    corpus: Corpus, fitted: Tf, idf: Idf | None, delta: length.Delta, unit: float
) -> list[length.LengthPoint] | None:
    measured = length.measure(corpus, replace(fitted, scale=unit), Idfs(corpus, idf), delta)
    if measured is None:
        return None
    saturated = fitted.shape in ("saturated", "shifted")
    value = fitted.q if saturated else unit / fitted.scale
    error = (fitted.scale_error / fitted.scale) * (value + 1)
    return [*measured, length.LengthPoint(corpus.layout.tf_doc, Reading(value, error))]


def fits(runs: Sequence[Run], idf: Idf | None, found: Shape, takes: bool, weighs_query: bool = False) -> list[Fit]:
    """Every combination that matches all readings of `runs`, the simplest first.

    `takes`: whether the target was given k1 and b at all.
    `weighs_query`: whether queries may be weighted like documents.
    """
    good: dict[Formula, Fit] = {}  # by the formula of scale 1
    places = [places_of(run, idf) for run in runs]
    candidates = _candidates(runs, idf, found, takes)
    if weighs_query:
        candidates = itertools.chain.from_iterable((replace(one, weighs_query=True), one) for one in candidates)
    for candidate in candidates:
        unscaled = replace(candidate, scale=1.0)
        if unscaled not in good and (fit := test(candidate, places)) is not None:
            good[unscaled] = fit
    if not good and idf is not None and found.tfs[0].shape == "saturated":
        possible = (one for one in _of_unit_length(idf, found.tfs[0], takes) if places[0].allow(one))
        good = {one: fit for one in possible if (fit := test(one, places)) is not None}
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


def rank(fit: Fit, best: bool) -> tuple[bool, int, int, float]:
    """How complicated a fit is: unexplained scale, number of fixed parameters, their decimals, the power of lengths.

    `best`: scores are divided by the best one, so the scale is not measured.
    """
    formula = fit.formula
    fixed = [value for value in (formula.k1, formula.b) if value is not None]
    decimals = sum(len(f"{value:.12g}".partition(".")[2]) for value in (*fixed, formula.delta))
    unexplained = fit.base is None and not best and formula.idf is not None
    return unexplained, len(fixed), decimals, formula.power


def _candidates(runs: Sequence[Run], idf: Idf | None, found: Shape, takes: bool) -> Iterator[Formula]:
    fitted = found.tfs[0]
    docs = runs[0].corpus.layout.docs
    if idf is not None and fitted.shape in ("constant", "unsaturated"):
        tokens, mean = length.KINDS[0], AVERAGES[0]
        plain = Formula(idf, fitted.transform, fitted.shape, fitted.again, tokens, mean, "none", False, k1=0.0, b=0.0)
        yield replace(plain, unit_length=True)
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


def _of_unit_length(idf: Idf, fitted: Tf, takes: bool) -> Iterator[Formula]:
    """Weights of BM25 over their Euclidean norm in the document: no line of lengths shows k1 and b."""
    tokens, mean = length.KINDS[0], AVERAGES[0]
    plain = Formula(idf, fitted.transform, fitted.shape, fitted.again, tokens, mean, "in K", False, unit_length=True)
    if takes:
        yield plain
    yield from (replace(plain, k1=k1, b=b) for k1, b in USUAL)


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
    in_query = 1 + line.intercept + line.slopes[0]  # f + K of a query's only term, weighted like a document's
    for scale in BASES.values() if "none" in kinds else ():
        for own in (fitted.scale / scale, math.sqrt(fitted.scale / scale * in_query)):
            k1 = tidy(own - 1)
            constant = tidy((k1 - line.intercept) / line.slopes[0])
            if k1 > 0 and constant > 1 and k1 == round(k1, 3) and constant == round(constant):
                yield replace(start, average=constant, norm="in K", k1=k1, b=tidy(1 - line.intercept / k1))
