"""What was done to the scores after they were summed: sign, rounding, float format, scaling by the best, squashing."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float64

from refimpl.common.types import Array
from refimpl.identify.ask import Scores
from refimpl.identify.probes import Layout

Values = Float64[Array, " values"]


@dataclass(frozen=True)
class Precision:
    """How exact a score is: `error(v) = relative * |v| + absolute`; scores that were cut off lie `offset` higher."""

    name: str
    relative: float = 1e-10
    absolute: float = 1e-13
    decimals: int | None = None
    offset: float = 0.0

    def centred(self, value: float) -> float:
        """The middle of the values that are cut off to the score; of 0, which is no hit, 0."""
        return value + self.offset * float(np.sign(value))

    def error(self, value: float) -> float:
        """The largest error that this precision explains."""
        return self.relative * abs(value) + self.absolute


CLIPPED, LEAST_LOWER = 3, 5  # terms of the largest score, different lower ones, of scores that are clipped
CHANCE = 1e-4  # of rounded scores that look like float32 numbers, printed with the fewest digits
SINGLE_EPS = 3e-7  # relative error of a float32 sum, which rounded scores may have besides
FLOAT64 = Precision("float64")
FLOAT32 = Precision("float32", relative=1e-6, absolute=1e-9)
INSIDE = Precision("float64, with errors as large as those of float32", relative=1e-6, absolute=1e-9)
FLOAT16 = Precision("float16", relative=2e-3, absolute=1e-6)


def coarser(found: Precision, values: Values) -> Iterator[Precision]:
    """What scores that look like `found` may be as well: of float32 arithmetic, whole numbers, cut off."""
    decimals = found.decimals
    if found is FLOAT64:
        yield INSIDE
        if np.array_equal(values, np.round(values)) and np.abs(values).max(initial=0.0) > 1:
            decimals = 0
            yield Precision("rounded to whole numbers", 1e-12, 0.505, decimals)
    if decimals is not None:
        unit, name = 10.0**-decimals, f"cut off after {decimals} decimals" if decimals else "cut off to whole numbers"
        yield Precision(name, 1e-12, 0.505 * unit, decimals, unit / 2)


def precision(values: Values) -> Precision:
    """The coarsest format that has every one of `values` exactly; float64 for fewer than 6 different ones."""
    distinct = np.unique(values[values != 0])
    if len(distinct) < 6 or np.array_equal(distinct, np.round(distinct)):
        return FLOAT64
    for decimals in range(1, 10):
        if np.allclose(distinct, np.round(distinct, decimals), rtol=1e-14, atol=1e-15):
            # of fewer decimals, the error of float32 is far below that of the rounding
            single = decimals > 3 and _is_exact(distinct, np.float32)
            if single and _chance(distinct, 10.0**-decimals) < CHANCE:
                return FLOAT32
            name = f"rounded to {decimals} decimal{'s' if decimals > 1 else ''}"
            return Precision(name, SINGLE_EPS if single else 1e-12, 0.505 * 10.0**-decimals, decimals)
    with np.errstate(over="ignore"):
        formats = ((np.float16, FLOAT16), (np.float32, FLOAT32))
        for dtype, found in formats:
            if _is_exact(distinct, dtype):
                return found
    for digits in range(4, 12):
        if all(float(f"{value:.{digits}g}") == value for value in distinct):
            return Precision(f"rounded to {digits} significant digits", 0.505 * 10.0 ** (1 - digits), 1e-13)
    return FLOAT64


def _is_exact(values: Values, dtype: type[np.floating]) -> bool:
    """Whether every value is one of `dtype`'s, or the shortest decimal number that stands for one."""
    cast = values.astype(dtype)
    return bool(np.all(cast.astype(np.float64) == values)) or np.array_equal(shortest(cast), values)


def shortest(values: Array) -> Array:
    """Floating-point numbers as float64, each the number that its fewest digits are, as JSON has it."""
    return np.array([float(str(value)) for value in values.ravel()]).reshape(values.shape)


def _chance(values: Values, unit: float) -> float:
    """The probability that multiples of `unit` near `values` are the shortest ones of float32 numbers."""
    return float(np.prod(np.minimum(1.0, unit / np.spacing(np.abs(values).astype(np.float32)))))


Squash = Callable[[float], float]


def _logit(value: float) -> float:
    return float(np.log(value / (1 - value)))


SQUASHES: dict[str, tuple[Squash, str]] = {
    "none": (lambda value: value, "x"),
    "sigmoid": (_logit, r"\frac{1}{1 + e^{-x}}"),
    "tanh": (lambda value: float(np.arctanh(value)), r"\tanh x"),
    "x / (1 + x)": (lambda value: value / (1 - value), r"\frac{x}{1 + x}"),
    "1 - exp(-x)": (lambda value: -float(np.log1p(-value)), "1 - e^{-x}"),
    "ln(1 + x)": (lambda value: float(np.expm1(value)), r"\ln(1 + x)"),
    "arctan 2 / pi": (lambda value: float(np.tan(value * np.pi / 2)), r"\frac{2}{\pi} \arctan x"),
}
"""Name -> the inverse function, and the function as LaTeX; each maps a sum x to a score."""


@dataclass(frozen=True)
class Reading:
    """A measured number and the error that the precision of the scores allows it."""

    value: float
    error: float

    def over(self, other: "Reading") -> "Reading":
        """The quotient of two readings, with its error."""
        ratio = self.value / other.value
        return Reading(ratio, abs(self.error / other.value) + abs(ratio * other.error / other.value))

    def near(self, expected: float, slack: float = 1.0) -> bool:
        """Whether `expected` is within the error."""
        return bool(abs(self.value - expected) <= slack * self.error)


@dataclass(frozen=True)
class Scale:
    """Sign, precision, scaling by each query's best score (its value; None: unscaled), and squashing function.

    `rows`: the function of a row that was undone, in `refimpl.identify.row_scaling`.
    """

    sign: float = 1.0
    precision: Precision = FLOAT64
    best: float | None = None
    squash: str = "none"
    cut: int | None = None  # only so many hits are returned
    rows: str = "none"
    clip: float | None = None  # the largest score, where larger sums become it


@dataclass
class Corpus:
    """The scores of one layout for the queries `queries`; `read` gives a sum, with scale and squashing undone."""

    layout: Layout
    scores: Scores
    scale: Scale
    queries: Sequence[str]
    rows: Mapping[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self.rows = {query: row for row, query in reversed(list(enumerate(self.queries)))}

    def read(self, query: str, document: int) -> Reading | None:
        """The sum of `query` in `document`; for scores scaled by the best, in units of the anchor's; None: no score."""
        if self.scale.best is None:
            return self._undone(query, document)
        anchor, anchor_doc = self.layout.anchor
        if document == anchor_doc or set(query.split()) & (set(self.layout.docs[anchor_doc]) - {anchor}):
            return None
        own, other = (self._undone(f"{query} {anchor}", one) for one in (document, anchor_doc))
        if own is None or other is None or abs(other.value) < 1e-9:
            return None
        return own.over(other)

    def _may_be_cut(self, query: str, document: int) -> bool:
        """Whether a score of 0 may be that of a hit that is not returned: below `cut` others, or negative."""
        terms = set(query.split())
        if not terms & set(self.layout.docs[document]):
            return False
        hits = int(np.count_nonzero(self.scores[self.rows[query]]))
        return len(terms) == 1 or hits >= (self.scale.cut or 0)

    def _undone(self, query: str, document: int) -> Reading | None:
        if query not in self.rows:
            return None
        raw = float(self.scores[self.rows[query], document]) * self.scale.sign
        if np.isnan(raw):
            return None
        if raw == 0 and self.scale.cut is not None and self._may_be_cut(query, document):
            return None
        if self.scale.clip is not None and raw >= self.scale.clip:
            return None
        error, raw = self.scale.precision.error(raw), self.scale.precision.centred(raw)
        if self.scale.squash == "none":
            return Reading(raw, error)
        if raw == 0:  # no hit
            return Reading(0.0, error)
        undo = SQUASHES[self.scale.squash][0]
        with np.errstate(all="ignore"):
            low, value, high = (undo(np.float64(raw + shift)) for shift in (-error, 0.0, error))
        if not np.isfinite([low, value, high]).all():
            return None
        return Reading(value, abs(high - low) / 2 + 1e-15)


def find_scale(layout: Layout, scores: Scores, queries: Sequence[str], pairs: Sequence[tuple[str, str]]) -> Scale:
    """The scale of the scores of the queries `queries`; `pairs` are terms of the layout's idf document.

    Each pair is one of the queries ("first second").
    """
    corpus = Corpus(layout, scores, Scale(), queries)
    rare = [float(scores[corpus.rows[layout.idf[df]], layout.idf_doc]) for df in sorted(layout.idf)[:5]]
    sign = -1.0 if float(np.nansum(rare)) < 0 else 1.0
    values = scores[[corpus.rows[term] for term in layout.terms()]].ravel()
    values = values[np.isfinite(values)]
    best = _best(sign * scores)
    found = Scale(sign, precision(values if best is None else scores[np.isfinite(scores)]), best)
    if found.best is not None:
        return found
    found = replace(found, clip=_clip(corpus, sign))
    for name in SQUASHES:
        candidate = replace(found, squash=name)
        if _additive(Corpus(layout, scores, candidate, queries), pairs):
            return candidate
    return found


def lower_is_better(layout: Layout, scores: Scores, queries: Sequence[str]) -> bool:
    """Whether the scores of more occurrences of a term are not higher, so that negative scores are negated ones."""
    corpus = Corpus(layout, scores, Scale(), queries)
    few, many = (float(scores[corpus.rows[layout.tf[f]], layout.tf_doc]) for f in (min(layout.tf), max(layout.tf)))
    return many <= few


def _best(rows: Scores) -> float | None:
    """The best score of every query, where all queries have the same one."""
    best = rows.max(axis=1)
    best = best[(best != 0) & np.isfinite(best)]
    if len(best) < 20 or np.ptp(best) > 1e-6 * abs(best[0]):
        return None
    return float(best[0])


def _clip(corpus: Corpus, sign: float) -> float | None:
    """The largest score, where terms of several document frequencies have it in one document, and others differ."""
    layout = corpus.layout
    of_terms = [sign * float(corpus.scores[corpus.rows[term], layout.idf_doc]) for term in layout.idf.values()]
    largest = float(np.nanmax(sign * corpus.scores))
    lower = {score for score in of_terms if score < largest}
    return largest if of_terms.count(largest) >= CLIPPED and len(lower) >= LEAST_LOWER else None


def _additive(corpus: Corpus, pairs: Sequence[tuple[str, str]]) -> bool:
    """Whether a pair's score is the same multiple of the sum of its terms' scores for all pairs."""
    ratios = []
    for first, second in pairs:
        document = corpus.layout.idf_doc
        one, two, both = (corpus.read(query, document) for query in (first, second, f"{first} {second}"))
        if one is None or two is None or both is None or one.value + two.value == 0:
            return False
        ratios.append(both.over(Reading(one.value + two.value, one.error + two.error)))
    middle = float(np.median([ratio.value for ratio in ratios]))
    return all(ratio.near(middle, 3.0) for ratio in ratios)
