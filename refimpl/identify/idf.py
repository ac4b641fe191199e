"""The idf: its form, its floor and how a document frequency is counted, from one-term queries in one document."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float64

from refimpl.common.types import Array
from refimpl.identify.idf_forms import FORMS, IdfForm, Numbers, miswritten_forms
from refimpl.identify.scores import Corpus, Reading


@dataclass(frozen=True)
class Floor:
    """What replaces the idfs that `rule` names.

    `kind`: none; constant (`value`); mean, mean of the positive (`value` times that of the idfs of the vocabulary);
    multiple (`value` times the idf itself). The rules of SHARES compare n / N with `share`.
    """

    kind: str = "none"
    value: float = 0.0
    rule: str = ""
    share: float = 1.0

    @property
    def of_mean(self) -> bool:
        """Whether it is a share of a mean idf."""
        return self.kind in MEANS

    def apply(self, idf: Numbers, mean: float | Numbers, shares: Numbers | None = None) -> Numbers:
        """`idf` with the values that the rule names replaced; `shares` are n / N."""
        if self.kind == "none":
            return idf
        if self.rule in SHARES:
            assert shares is not None
            return np.where(SHARES[self.rule](shares, self.share), self.value, idf)
        if self.kind == "multiple":
            return np.where(RULES[self.rule](idf, 0.0), self.value * idf, idf)
        bound = self.value * (mean if self.of_mean else 1.0)
        with np.errstate(invalid="ignore"):
            return np.where(np.isnan(idf) | RULES[self.rule](idf, bound), bound, idf)  # NaN: of a negative number


SHARES: Mapping[str, Callable[[Numbers, float], Array]] = {"over": np.greater, "at least": np.greater_equal}
"""The rules for terms that are in so many of the documents."""
RULES: Mapping[str, Callable[[Numbers, float | Numbers], Array]] = {
    "negative": lambda idf, bound: idf < -1e-12,
    "zero or negative": lambda idf, bound: idf <= 1e-12,
    "smaller": lambda idf, bound: idf < bound - 1e-12,
    "zero": lambda idf, bound: np.abs(idf) <= 1e-12,
}


def _different_terms(docs: Sequence[Sequence[str]]) -> float:
    return float(len({term for doc in docs for term in doc}))


SIZES: Mapping[str, Callable[[Sequence[Sequence[str]]], float]] = {
    "documents": lambda docs: float(len(docs)),
    "different terms": _different_terms,
    "tokens": lambda docs: float(sum(map(len, docs))),
}
"""What N may be the number of."""


@dataclass(frozen=True)
class Idf:
    """The identified idf; `scales` are the measured scores of one unit of idf, by corpus; N is the size `counted`."""

    form: IdfForm
    floor: Floor
    scales: tuple[float, ...]
    error: float
    counts_occurrences: bool = False
    counted: str = "documents"

    def size(self, docs: Sequence[Sequence[str]]) -> float:
        """N of a corpus."""
        return SIZES[self.counted](docs)

    def of(self, n: int, size: float, mean: float = 0.0) -> float:
        """The idf of a term in `n` of `size` documents; `mean` is that over the vocabulary, before the floor."""
        count = np.array([float(n)])
        with np.errstate(all="ignore"):  # N is 0 where all documents are empty and do not count
            return float(self.floor.apply(self.form.of(count, size), mean, count / size)[0])

    def mean(self, docs: Sequence[Sequence[str]], size: float) -> float:
        """The mean that the floor is a share of, over the vocabulary of `docs`; 0 where it needs none."""
        if not self.floor.of_mean:
            return 0.0
        n = np.array(list(frequencies(docs, self.counts_occurrences).values()), np.float64)
        return mean_idf(self.form.of(n, size), self.floor.kind)


def frequencies(docs: Sequence[Sequence[str]], occurrences: bool) -> Counter[str]:
    """Document frequencies, or total occurrences, by term."""
    return Counter(term for doc in docs for term in (doc if occurrences else set(doc)))


def mean_idf(values: Float64[Array, " vocabulary"], kind: str) -> float:
    """The mean of a vocabulary's idfs that a floor of `kind` is a share of; NaN where one is infinite, 0 of no idf."""
    used = values[values > 0] if kind == "mean of the positive" else values
    if kind == "mean of the positive" and not len(used):
        return 0.0
    return float(np.mean(used)) if len(used) and np.isfinite(used).all() else float("nan")


LEAST_OF = 0.05  # see `_deviation`
SPREAD = 3.0  # that lengths explain; N / n and 1 / n differ in the corpora by 82 / 14
LEAST_POINTS, ENOUGH_POINTS = 5, 12  # of a corpus, of all
MEANS = ("mean", "mean of the positive")
"""The kinds of floors that are a share of a mean idf."""
Curve = dict[int, Reading]


def curve(corpus: Corpus) -> Curve:
    """Document frequency -> score of its term in the corpus' idf document; points without a score are left out."""
    readings = {df: corpus.read(term, corpus.layout.idf_doc) for df, term in corpus.layout.idf.items()}
    return {df: one for df, one in readings.items() if one is not None}


def counts_occurrences(corpus: Corpus) -> bool | None:
    """Whether a document frequency counts occurrences; None where idf hardly depends on it or nothing was read."""
    layout = corpus.layout
    even, uneven = (corpus.read(term, layout.tf_doc) for term in (layout.even, layout.uneven))
    points = curve(corpus)
    if even is None or uneven is None or 2 not in points or 8 not in points or points[2].value == 0 or even.value == 0:
        return None
    if points[8].over(points[2]).near(1.0, 3.0):
        return None
    if uneven.near(even.value, 2.0):
        return False
    expected = points[8].over(points[2])
    return True if uneven.over(even).near(expected.value, 3.0) else None


def fit(corpora: Sequence[Corpus], occurrences: bool) -> Idf | None:
    """The known form, with the fewest changes, that all points of all corpora match; None where none does.

    Corpora of which fewer than five points were read are left out.
    """
    every_curve = [(corpus, curve(corpus)) for corpus in corpora]
    read = [(corpus, points) for corpus, points in every_curve if len(points) >= LEAST_POINTS]
    corpora, curves = [corpus for corpus, _ in read], [points for _, points in read]
    if len(read) < 2 or sum(map(len, curves)) < ENOUGH_POINTS:
        return None
    counts = [np.array(list(frequencies(one.layout.docs, occurrences).values()), np.float64) for one in corpora]
    tried = ((FORMS, "documents"), (miswritten_forms(), "documents"), (FORMS, "different terms"), (FORMS, "tokens"))
    for forms, counted in tried:
        every = (_fit_form(form, corpora, curves, counts, counted) for form in forms)
        if fits := [replace(found, counts_occurrences=occurrences) for found in every if found is not None]:
            return min(fits, key=lambda found: (found.floor.kind != "none", _spread(found) > SPREAD, found.error))
    return None


def _spread(found: Idf) -> float:
    """The largest scale of a corpus over the smallest: near 1, where the form has the right factor of N."""
    return max(found.scales) / min(found.scales)


def _fit_form(
    form: IdfForm, corpora: Sequence[Corpus], curves: Sequence[Curve], counts: Sequence[Array], counted: str
) -> Idf | None:
    scales, parts = [], []
    for corpus, points, frequency in zip(corpora, curves, counts, strict=True):
        dfs = sorted(points)
        n = np.array(dfs, np.float64)
        size = SIZES[counted](corpus.layout.docs)
        ideal = form.of(n, size)
        readings = [points[df] for df in dfs]
        if (
            not np.isfinite(ideal[:LEAST_POINTS]).all()
            or (abs(ideal[:LEAST_POINTS]) < 1e-9).any()
            or any(one.value == 0 for one in readings[:LEAST_POINTS])
        ):
            return None
        scale = float(
            np.median(
                [one.value / value for one, value in zip(readings[:LEAST_POINTS], ideal[:LEAST_POINTS], strict=True)]
            )
        )
        if scale <= 0:
            return None
        scales.append(scale)
        parts.append(Part(ideal, readings, scale, form.of(frequency, size), n / size))
    for floor in itertools.chain([Floor()], _floors(parts)):
        if (error := _deviation(parts, floor)) is not None:
            return Idf(form, floor, tuple(scales), error, counted=counted)
    return None


@dataclass(frozen=True)
class Off:
    """A point that deviates: measured idf, its error, ideal idf, n / N, and the idfs of its corpus' vocabulary."""

    value: float
    error: float
    ideal: float
    share: float
    vocabulary: Float64[Array, " vocabulary"]


@dataclass(frozen=True)
class Part:
    """One corpus: the ideal idf of each reading, the readings, their scale, the idfs of the vocabulary, n / N."""

    ideal: Numbers
    readings: Sequence[Reading]
    scale: float
    vocabulary: Float64[Array, " vocabulary"]
    shares: Numbers

    @cached_property
    def slack(self) -> float:
        """The largest relative error of the readings that the scale is of."""
        return max(each.error / abs(each.value) for each in self.readings[:LEAST_POINTS])

    def allowed(self, one: Reading, expected: float) -> float:
        """The error of a reading, that of the scale, and that of the logarithm's argument, which rounds near 1."""
        return one.error + 2 * self.slack * abs(expected) + 0.3 * self.slack * abs(self.readings[0].value)

    @property
    def off(self) -> list[Off]:
        """The points that deviate."""
        with np.errstate(invalid="ignore"):
            return [
                Off(one.value / self.scale, one.error / self.scale, float(value), float(share), self.vocabulary)
                for one, value, share in zip(self.readings, self.ideal, self.shares, strict=True)
                if not abs(one.value - value * self.scale) <= 4 * self.allowed(one, value * self.scale)
            ]


def _deviation(parts: Sequence[Part], floor: Floor) -> float | None:
    """The largest deviation of the readings from form and floor, relative to them; None where one exceeds its error.

    Readings below `LEAST_OF` of the largest, of which rounded scores show few digits, are divided by that.
    """
    worst = 0.0
    for part in parts:
        mean = mean_idf(part.vocabulary, floor.kind) if floor.of_mean else 0.0
        expected = floor.apply(part.ideal, mean, part.shares) * part.scale
        for one, value in zip(part.readings, expected, strict=True):
            if not np.isfinite(value) or abs(one.value - value) > part.allowed(one, float(value)):
                return None
            worst = max(worst, abs(one.value - value) / max(abs(value), LEAST_OF * float(np.abs(expected).max())))
    return worst


def _floors(parts: Sequence[Part]) -> Iterator[Floor]:
    """The floors that the deviating points suggest: shares of a mean idf, a constant, a multiple of the idf.

    Of a single point any number is a share of the mean, and a multiple.
    """
    found = [one for part in parts for one in part.off]
    if not found:
        return
    first, relative = found[0], max(1e-5, 2 * found[0].error / max(abs(found[0].value), 1e-9))
    if len(found) > 1 and first.value:
        for kind in MEANS:
            if np.isfinite(mean := mean_idf(first.vocabulary, kind)) and mean:
                yield from (Floor(kind, _tidy(first.value / mean, relative), rule) for rule in RULES)
    yield from (Floor("constant", _tidy(first.value, relative), rule) for rule in RULES)
    if len(found) > 1 and first.ideal < 0:
        yield Floor("multiple", _tidy(first.value / first.ideal, relative), "negative")
    if len(found) > 1:
        yield from (Floor("constant", _tidy(first.value, relative), *rule) for rule in _share(parts, found))


def _share(parts: Sequence[Part], off: Sequence[Off]) -> list[tuple[str, float]]:
    """The rule that parts the points that deviate from those of fewer documents, of the roundest share; [] of none."""
    least = min(one.share for one in off)
    below = max((float(share) for part in parts for share in part.shares if share < least), default=0.0)
    if len(off) < sum(int(np.sum(part.shares >= least)) for part in parts):
        return []
    for digits in range(1, 4):
        if round(least, digits) == least:
            return [("at least", least)]
        if (share := np.ceil(below * 10**digits - 1e-9) / 10**digits) < least:
            return [("over", float(share))]
    return []


def _tidy(value: float, relative: float) -> float:
    """`value` in as few significant digits, up to 4, as its relative error allows; else as it is."""
    for digits in range(1, 5):
        rounded = float(f"{value:.{digits}g}")
        if abs(rounded - value) <= relative * max(abs(value), 1e-3):
            return rounded
    return value
