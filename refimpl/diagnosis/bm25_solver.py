"""The formula of fixed BM25 scores, factor by factor: weights by ratios, then the idf, then the query side.

Of every combination of known factors that the readings leave, the one with the fewest differences from the expected
variant comes first; it counts only where it gives every score.
"""

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from refimpl.common.types import Array
from refimpl.diagnosis import bm25_idfs, bm25_weights
from refimpl.diagnosis.bm25_best import BestTable
from refimpl.diagnosis.bm25_output import Output
from refimpl.diagnosis.bm25_readings import Cells, ScoredCorpus, TermReading, cells, errors, term_readings
from refimpl.diagnosis.bm25_words import Difference, differences
from refimpl.identify import features
from refimpl.identify.features import Features
from refimpl.identify.formula import Formula
from refimpl.identify.idf_forms import FORMS, IdfForm, miswritten_forms
from refimpl.identify.places import BASES
from refimpl.identify.query import COMBINE, REPEAT, SATURATED, Match, QuerySide
from refimpl.identify.row_scaling import scaled

MAX_WEIGHTS, MAX_IDFS, MAX_TRIED, MAX_FOUND = 40, 200, 3000, 3
ROUND, NOT_ROUND, ROUND_DIGITS = 0.3, 2.0, 3  # differences that a scale counts more, by its significant digits
K3 = (1.2, 1.5, 2.0, 7.0, 8.0, 1000.0)


@dataclass(frozen=True)
class Solution:
    """A formula that gives every score, and how it differs from the expected variant."""

    formula: Formula
    side: QuerySide
    output: Output
    differences: tuple[Difference, ...]
    residual: float


class Solver:
    """Scores of corpora, which `solutions` explains by known factors."""

    def __init__(self, corpora: Sequence[ScoredCorpus], output: Output, expected: Features, tolerance: float) -> None:
        self.corpora, self.output, self.expected, self.tolerance = corpora, output, expected, tolerance
        self._sides: dict[tuple[int, str, bool], Array] = {}
        self._parts: dict[tuple[int, Formula], Array] = {}
        self._largest_first = sorted(range(len(corpora)), key=lambda number: -corpora[number].scores.size)

    def solutions(self) -> list[Solution]:
        """The solutions with the fewest differences: of known weights and idfs, else with one of them miswritten."""
        known = self._weights(bm25_weights.survivors)
        if found := self._solutions(known, FORMS):
            return found
        written = self._weights(bm25_weights.miswritten_survivors)
        return self._solutions(written, FORMS) or self._solutions(known, miswritten_forms())

    def _solutions(self, weights: Sequence[Formula], forms: Sequence[IdfForm]) -> list[Solution]:
        if not weights:
            return []
        terms = term_readings(self.corpora, self.output.precision, self.tolerance)
        if self.output.best is not None:
            error = [errors(one.scores, self.output.precision, self.tolerance) for one in self.corpora]
            ratios = BestTable(self.corpora, error, forms)
            every = (formula for weight in weights for formula in ratios.fits(weight))
            return self._simplest(sorted(every, key=self._cost)[:MAX_IDFS], list(self._sides_of()))
        table = bm25_idfs.Table(self.corpora, terms, forms)
        for factors, sides in self._factors(terms):
            every = (formula for weight in weights for formula in table.fits(weight, factors))
            if found := self._simplest(sorted(every, key=self._cost)[:MAX_IDFS], sides):
                return found
        return []

    def _simplest(self, formulas: Sequence[Formula], sides: Sequence[QuerySide]) -> list[Solution]:
        """Of the formulas with the query sides, those of the smallest cost that give every score."""
        of_formulas, of_sides = [self._cost(one) for one in formulas], [self._cost_of_side(one) for one in sides]
        costs = [one + other for one, other in itertools.product(of_formulas, of_sides)]
        pairs = zip(costs, *zip(*itertools.product(formulas, sides), strict=True), strict=True)
        found: list[Solution] = []
        least = np.inf
        for cost, formula, side in sorted(pairs, key=lambda pair: pair[0])[:MAX_TRIED]:
            if cost > least or len(found) == MAX_FOUND:
                break
            if (solution := self.confirmed(formula, side)) is not None:
                found.append(solution)
                least = cost
        return found

    def _weights(self, survivors: Callable[[Cells], list[Formula]]) -> list[Formula]:
        """The weights that ratios of scores allow, with and without a factor, those like the expected one first."""
        absent = self._absent()
        measured = cells(self.corpora, self.output.precision, self.tolerance, absent)
        if not len(measured.f):
            return []
        weights = [replace(one, absent=absent) for one in survivors(measured)]
        weights = sorted(weights, key=self._cost)[:MAX_WEIGHTS]
        return [one for weight in weights for each in _with_empty(measured, weight) for one in _with_factor(each)]

    def _factors(self, terms: Sequence[TermReading]) -> list[tuple[Array, list[QuerySide]]]:
        """The different factors of the readings' queries, each with the query sides that have it."""
        groups: dict[bytes, tuple[Array, list[QuerySide]]] = {}
        zero = np.array([one.score == 0 for one in terms])
        for side in self._sides_of():
            factors = np.array([self._factor(side, one) for one in terms], np.float64)
            if factors.any() and ((factors > 0) | zero).all():
                groups.setdefault(np.round(factors, 12).tobytes(), (factors, []))[1].append(side)
        return list(groups.values())

    def _factor(self, side: QuerySide, one: TermReading) -> float:
        """What the query multiplies the score of a term by that is the only one the document has."""
        corpus = self.corpora[one.corpus]
        combined = self._combined(one.corpus, side)
        factor = combined if isinstance(combined, float) else float(combined[one.query, one.document])
        return side.weight(int(corpus.q[one.query, one.term])) * factor

    def _absent(self) -> bool:
        """Whether documents without a term of the query have scores."""
        without = [one.scores[((one.q > 0).astype(float) @ (one.f > 0)) == 0] for one in self.corpora]
        return any(np.any(each != 0) for each in without)

    def _sides_of(self) -> Iterator[QuerySide]:
        unknown = any(not set(query) <= one.known for one in self.corpora for query in one.queries)
        for combine, repeat, counts in itertools.product(COMBINE, REPEAT, (True, False) if unknown else (True,)):
            if repeat not in SATURATED:
                yield QuerySide(repeat, combine, counts)
            elif repeat == "saturated":
                yield from (QuerySide(repeat, combine, counts, k3) for k3 in K3)

    def confirmed(self, formula: Formula, side: QuerySide) -> Solution | None:
        """The formula as a solution; None where a score is another one."""
        residual, cut = 0.0, False
        for number in self._largest_first:
            one, predicted = self.corpora[number], self.predict(number, formula, side)
            given = one.scores if self.output.rows == "none" else one.given
            off = np.abs(predicted - given)
            allowed = errors(given, self.output.precision, self.tolerance) * self._roundings(one)
            allowed = np.maximum(allowed, self.tolerance * np.maximum(1.0, np.abs(predicted)))
            left_out = (off > allowed) & self._not_returned(one, predicted, allowed)
            if not ((off <= allowed) | left_out).all():
                return None
            cut |= bool(left_out.any())
            residual = max(residual, float(np.max(np.where(given == 0, 0.0, off), initial=0.0)))
        found = self._differences(formula, side)
        if cut and self.output.cut is not None:
            found.append(Difference("number of hits", f"at most {self.output.cut}", "all"))
        return Solution(formula, side, self.output, tuple(found), residual)

    def _roundings(self, one: ScoredCorpus) -> Array | float:
        """How often the error of a score may occur in it: once where the sum is rounded, else at each term."""
        once = self.output.precision.decimals is not None and not self.output.each_term
        return 1.0 if once else np.asarray(one.q.sum(axis=1)[:, None] + 1)

    def _not_returned(self, one: ScoredCorpus, predicted: Array, allowed: Array) -> Array:
        """Scores of 0 that do not rank above the first `cut`, where only these are returned."""
        if self.output.cut is None and self.output.squash == "none":
            return np.zeros(predicted.shape, bool)
        if self.output.cut is None:
            return one.scores == 0
        if self.output.cut >= len(one.columns):
            return np.zeros(predicted.shape, bool)
        lowest = -np.partition(-predicted, self.output.cut - 1, axis=1)[:, [self.output.cut - 1]]
        return (one.scores == 0) & (predicted <= lowest + allowed)

    def predict(self, number: int, formula: Formula, side: QuerySide) -> Array:
        """The scores `(queries, docs)` of a corpus; those given where none is positive and the best would divide."""
        one = self.corpora[number]
        assert formula.idf is not None
        parts = (formula.scale * one.idf(formula.idf, formula.n_empty))[:, None] * self._weights_of(number, formula)
        if self.output.each_term and self.output.precision.decimals is not None:
            parts = np.round(parts, self.output.precision.decimals)
        repeats = np.array([0.0, *(side.weight(q) for q in range(1, int(one.q.max(initial=0)) + 1))])[one.q.astype(int)]
        sums = (repeats @ parts) * self._combined(number, side)
        if self.output.rows != "none":
            return scaled(sums, self.output.rows) * (self.output.best or 1.0)
        if self.output.best is None:
            return sums
        best = np.max(sums, axis=1, keepdims=True, initial=0.0)
        undivided = np.where(one.scores.max(axis=1, keepdims=True, initial=0.0) > 0, sums, one.scores)
        return np.where(best > 0, sums / np.where(best > 0, best, 1.0) * self.output.best, undivided)

    def _weights_of(self, number: int, formula: Formula) -> Array:
        key = number, replace(formula, idf=None, scale=1.0, n_empty=True)
        if key not in self._parts:
            self._parts[key] = bm25_idfs.weights_of(self.corpora[number], formula)
        return self._parts[key]

    def _combined(self, number: int, side: QuerySide) -> Array | float:
        """The factor of each sum, by what the document has of the query."""
        if side.combine == "sum":
            return 1.0
        key = number, side.combine, side.unknown_counts
        if key not in self._sides:
            one = self.corpora[number]
            known, present = one.known, one.present
            counts = [Counter(term for term in query if side.unknown_counts or term in known) for query in one.queries]
            combine = COMBINE[side.combine][0]
            self._sides[key] = np.array(
                [[combine(Match(query, terms, known)) for terms in present] for query in counts]
            ).reshape(one.scores.shape)
        return self._sides[key]

    def _cost(self, formula: Formula) -> float:
        """The number of differences of a formula; a scale of no logarithm counts more, by its digits."""
        count = float(len(differences(self._formula_features(formula), self.expected)))
        if formula.idf is None or _base(formula) is not None:
            return count
        return count + (ROUND if float(f"{formula.scale:.{ROUND_DIGITS}g}") == formula.scale else NOT_ROUND)

    def _cost_of_side(self, side: QuerySide) -> int:
        """The number of differences of a query side."""
        return len(differences(_side_features(side), self.expected))

    def _differences(self, formula: Formula, side: QuerySide) -> list[Difference]:
        return differences(self._formula_features(formula) | _side_features(side), self.expected)

    def _formula_features(self, formula: Formula) -> dict[str, str]:
        """The features by which a formula is compared with the expected one."""
        found = features.weight_features(formula)
        found["precision"] = self.output.precision.name
        found["squash"] = self.output.squash if self.output.best is None else "divided by the best"
        found["squash"] = found["squash"] if self.output.rows == "none" else self.output.rows
        found["sign"] = "negated" if formula.scale < 0 else "positive"
        found["empty"] = features.EMPTY[formula.n_empty, formula.average_empty]
        if formula.idf is not None:
            idf, base = formula.idf, _base(formula)
            found |= {"idf": idf.form.name, "floor": features.floor_name(idf.floor)}
            found["df"] = "occurrences" if idf.counts_occurrences else "documents"
            if self.output.best is not None:
                return found
            found["base"] = (base if idf.form.has_base else "none") if base else f"scale {abs(formula.scale):.6g}"
        return found


def _side_features(side: QuerySide) -> dict[str, str]:
    return {"repeat": side.repeat, "combine": side.combine}


def _base(formula: Formula) -> str | None:
    """The base of the logarithm that the scale is of."""
    return next((name for name, one in BASES.items() if math.isclose(abs(formula.scale), one, rel_tol=1e-5)), None)


def _with_empty(measured: Cells, weight: Formula) -> list[Formula]:
    """With empty documents in the average length and without, where the measured cells do not show it."""
    if weight.norm not in ("in K", "divides") or all(one.size == one.filled for one in measured.corpora):
        return [weight]
    counted, left_out = (measured.relative(weight.kind, weight.average, empty, weight.floor) for empty in (True, False))
    if not np.allclose(counted, left_out):
        return [weight]
    return [replace(weight, average_empty=empty) for empty in (True, False)]


def _with_factor(weight: Formula) -> list[Formula]:
    """With and without k1 + 1, which ratios of scores do not show."""
    if weight.written is not None:
        return [weight]
    if weight.shape not in ("saturated", "shifted"):
        return [replace(weight, factor=False)]
    if weight.delta_kind in ("outside", "numerator"):
        return [weight]
    return [replace(weight, factor=factor) for factor in (True, False)]
