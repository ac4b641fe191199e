"""Known idfs (form, floor, counting, scale) that the scores of one-term queries allow under a known weight."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64

from refimpl.common.types import Array
from refimpl.diagnosis.bm25_readings import ScoredCorpus, TermReading
from refimpl.identify.formula import DocLengths, Formula
from refimpl.identify.idf import MEANS, RULES, Floor, Idf, mean_idf
from refimpl.identify.idf_forms import FORMS, IdfForm
from refimpl.identify.places import BASES

Means = Mapping[str, Array]
"""Kind of floor -> the mean of each reading's corpus."""
Points = Float64[Array, " points"]
NO_FLOOR = Floor()
KNOWN_FLOORS = (
    NO_FLOOR,
    Floor("constant", 0.0, "negative"),
    Floor("mean", 0.25, "negative"),
    Floor("constant", 1e-6, "zero or negative"),
)
SLACK = 2.0
MOST_FLOORED = 0.7  # of the readings
MIN_POINTS = 3  # different idfs that must agree on a scale that is no logarithm's


@dataclass(frozen=True)
class Readings:
    """Measured products of scale and idf, and their errors."""

    values: Points
    errors: Points

    @property
    def relative(self) -> Points:
        """The relative errors."""
        return self.errors / np.maximum(np.abs(self.values), 1e-300)


@dataclass(frozen=True)
class Counting:
    """An idf form, what n counts, and whether empty documents count in N."""

    form: IdfForm
    occurrences: bool
    n_empty: bool


class Table:
    """Each of some forms with each counting, with the ideal idf of each term reading."""

    def __init__(
        self, corpora: Sequence[ScoredCorpus], terms: Sequence[TermReading], forms: Sequence[IdfForm] = FORMS
    ) -> None:
        self._corpora, self._terms = corpora, terms
        self._weights: dict[Formula, Points] = {}
        self._corpus = np.array([one.corpus for one in terms], dtype=np.int64)
        kinds = [True, False] if any(one.size != one.filled for one in corpora) else [True]
        self.rows = [Counting(*row) for row in itertools.product(forms, (False, True), kinds)]
        with np.errstate(all="ignore"):
            self.ideal = np.array([self._ideal(row) for row in self.rows])
        self.has_base = np.array([row.form.has_base for row in self.rows])
        self._known: dict[Counting, Means] = {}

    def _ideal(self, row: Counting) -> Points:
        n = np.array([self._corpora[one.corpus].n[row.occurrences][one.term] for one in self._terms])
        return row.form.of(n, self._sizes(row)[self._corpus])

    def _sizes(self, row: Counting) -> Array:
        return np.array([float(one.size if row.n_empty else one.filled) for one in self._corpora])

    def _means(self, row: Counting) -> Means:
        """The means of the idfs of each reading's corpus, by the kind of floor that is a share of them."""
        if row not in self._known:
            pairs = zip(self._corpora, self._sizes(row), strict=True)
            with np.errstate(all="ignore"):
                every = [row.form.of(one.vocabulary[row.occurrences], float(size)) for one, size in pairs]
            means = {kind: np.array([mean_idf(values, kind) for values in every]) for kind in MEANS}
            self._known[row] = {kind: values[self._corpus] for kind, values in means.items()}
        return self._known[row]

    def fits(self, formula: Formula, factors: Points) -> Iterator[Formula]:
        """`formula` with each idf, floor, counting and scale that all readings match; `factors` are the queries'."""
        readings, kept = self._read(formula, factors)
        if not len(kept):
            return
        ideal = self.ideal[:, kept]
        for usable, scales in _scales(ideal, self.has_base, readings):
            with np.errstate(all="ignore"):
                expected = scales[:, None] * ideal
                off = ~(np.abs(readings.values - expected) <= SLACK * readings.errors + 1e-9 * np.abs(expected))
            for row in np.flatnonzero(usable & (off.mean(axis=1) <= MOST_FLOORED)):
                counting = self.rows[row]
                scale = _rounded(float(scales[row]), SLACK * float(np.min(readings.relative)))
                means = {kind: values[kept] for kind, values in self._means(counting).items()} if off[row].any() else {}
                for floor in _floors(ideal[row], means, readings, float(scales[row]), off[row]):
                    idf = Idf(counting.form, floor, (), 0.0, counting.occurrences)
                    yield replace(formula, idf=idf, n_empty=counting.n_empty, scale=scale)

    def _read(self, formula: Formula, factors: Points) -> tuple[Readings, Array]:
        """Scores over weights and factors, and which terms these are: those whose weight is 0 are left out."""
        if formula not in self._weights:
            tables = [weights_of(one, formula) for one in self._corpora]
            self._weights[formula] = np.array([tables[one.corpus][one.term, one.document] for one in self._terms])
        weights = self._weights[formula] * factors
        kept = np.flatnonzero(np.isfinite(weights) & (weights > 0))
        values, errors = (np.array([getattr(one, name) for one in self._terms]) for name in ("score", "error"))
        return Readings(values[kept] / weights[kept], errors[kept] / weights[kept]), kept


def weights_of(one: ScoredCorpus, formula: Formula) -> Array:
    """The weights `(terms, docs)` of a corpus."""
    average = one.average(formula.average, formula.kind, formula.average_empty)
    lengths = one.lengths(formula.kind)
    relative = lengths / average
    relative = relative if formula.floor is None else np.maximum(relative, formula.floor)
    shape = one.f.shape
    tables = [np.broadcast_to(each, shape).ravel() for each in (lengths, relative, np.ones(shape[1]))]
    tiled = DocLengths(tables[0], tables[1], tables[2], average)
    return formula.weights(one.f.ravel(), tiled, one.k1, one.b).reshape(shape)


def _floors(ideal: Points, means: Means, readings: Readings, scale: float, off: Array) -> list[Floor]:
    """The floors under which all readings match: rules differ in idfs that other scores may show."""
    if not off.any():
        return [NO_FLOOR]
    floors = dict.fromkeys((*KNOWN_FLOORS, *_suggested(ideal, means, readings, scale, np.flatnonzero(off))))
    return [
        floor
        for floor in floors
        if _matches(floor.apply(ideal, means.get(floor.kind, np.zeros_like(ideal))), readings, scale)
    ]


def _scales(ideal: Array, has_base: Array, readings: Readings) -> Iterator[tuple[Array, Array]]:
    """Whether each row can have a scale, and the scale: those of logarithms, then the ratio at the largest idf."""
    with np.errstate(all="ignore"):
        usable = np.isfinite(ideal) & (ideal > 1e-6) & (readings.values != 0)
    largest = np.argmax(np.where(usable, ideal, -np.inf), axis=1)
    ratio = readings.values[largest] / ideal[np.arange(len(ideal)), largest]
    some = usable.any(axis=1)
    sign = np.where(some & (ratio < 0), -1.0, 1.0)
    named = np.zeros(len(ideal), bool)
    for base in BASES.values():
        can = has_base | (base == 1)
        named |= can & (np.abs(ratio / (sign * base) - 1) <= 1e-4)
        yield can, sign * base
    values = np.sort(np.where(usable, np.round(ideal, 9), -1.0), axis=1)
    different = (np.diff(values, axis=1) > 0).sum(axis=1) + usable.all(axis=1)
    constant = np.where(usable, ideal == ideal[:, :1], True).all(axis=1)  # its readings are of different terms
    different = np.where(constant, different.max(initial=0), different)
    yield some & ~named & (different >= MIN_POINTS), ratio


def _rounded(value: float, slack: float) -> float:
    """`value` in as few significant digits as its error allows."""
    for digits in range(1, 7):
        short = float(f"{value:.{digits}g}")
        if abs(short - value) <= max(slack, 1e-12) * abs(value):
            return short
    return value


def _matches(expected: Points, readings: Readings, scale: float) -> bool:
    with np.errstate(all="ignore"):
        off = np.abs(readings.values - scale * expected)
        return bool((off <= SLACK * readings.errors + 1e-9 * np.abs(scale * expected)).all())


def _suggested(ideal: Points, means: Means, readings: Readings, scale: float, off: Array) -> Iterator[Floor]:
    """Constant floors, shares of a mean and multiples of the idf that the deviating readings have."""
    levels = readings.values[off] / scale
    error = 2 * float(np.max(readings.errors[off])) / abs(scale) + 1e-9
    if np.ptp(levels) <= error:
        level = _rounded(float(levels[0]), error / max(abs(levels[0]), 1e-9))
        yield from (Floor("constant", level, rule) for rule in RULES)
    for kind, mean in means.items():
        if (share := _share(levels, mean[off], error)) is not None:
            yield from (Floor(kind, share, rule) for rule in RULES)
    if (ideal[off] < 0).all() and (share := _share(levels, ideal[off], error)) is not None:
        yield Floor("multiple", share, "negative")


def _share(levels: Points, of: Points, error: float) -> float | None:
    """The one number that the levels are of `of`; None where they differ."""
    with np.errstate(all="ignore"):
        shares = levels / of
    if not np.isfinite(shares).all() or np.ptp(shares) > 1e-6 + error / np.min(np.abs(of)):
        return None
    return _rounded(float(shares[0]), 1e-5)
