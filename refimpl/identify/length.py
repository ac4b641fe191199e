"""Length normalisation: what q (in t / (t + q)), or the factor of an unsaturated tf, becomes at other lengths."""

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64

from refimpl.common.types import Array
from refimpl.identify.scores import Corpus, Reading
from refimpl.identify.tf import Tf
from refimpl.sparse.bm25.lengths import lossy_lengths

Doc = Sequence[str]
Lengths = Float64[Array, " docs"]


def _lucene_byte(lengths: Lengths) -> Lengths:
    return lossy_lengths(lengths.astype(np.int64))


def _whoosh_byte(lengths: Lengths) -> Lengths:
    """Rounded up to a length that has a code in whoosh.util.numeric's table, round(27 (1.033^code - 1))."""
    table = np.array([round((1.033**code - 1) * 27) for code in range(256)], np.float64)
    return table[np.minimum(np.searchsorted(table, lengths, side="left"), 255)]


def _old_lucene_byte(lengths: Lengths) -> Lengths:
    """Lucene 4 to 6: 1 / sqrt(L) as a float of three bits of mantissa (SmallFloat.floatToByte315), squared back."""
    bits = (1 / np.sqrt(np.maximum(lengths, 1))).astype(np.float32).view(np.int32)
    kept = ((bits >> 21) << 21).view(np.float32).astype(np.float64)
    return 1 / kept**2


@dataclass(frozen=True)
class LengthKind:
    """What is taken as the length of a document of `tokens` tokens and `distinct` different ones."""

    name: str
    of: Callable[[Sequence[Doc]], Lengths]
    text: str = "L"


def _tokens(docs: Sequence[Doc]) -> Lengths:
    return np.array([float(len(doc)) for doc in docs])


def _distinct(docs: Sequence[Doc]) -> Lengths:
    return np.array([float(len(set(doc))) for doc in docs])


def _largest_counts(docs: Sequence[Doc]) -> Lengths:
    return np.array([float(max(Counter(doc).values(), default=1)) for doc in docs])


def _characters(docs: Sequence[Doc]) -> Lengths:
    return np.array([float(len(" ".join(doc))) for doc in docs])


def with_pairs(doc: Doc) -> list[str]:
    """The tokens, and each pair of neighbours as a further one."""
    return [*doc, *(f"{one} {next_}" for one, next_ in itertools.pairwise(doc))]


PAIRS = LengthKind("tokens and pairs of neighbours", lambda docs: _tokens([with_pairs(doc) for doc in docs]))
"""Of terms that are words and pairs of words."""
KINDS = (
    LengthKind("tokens", _tokens),
    LengthKind("distinct terms", _distinct),
    LengthKind("tokens in one byte (Lucene's table)", lambda docs: _lucene_byte(_tokens(docs))),
    LengthKind("tokens in one byte (Whoosh's table)", lambda docs: _whoosh_byte(_tokens(docs))),
    LengthKind("tokens in one byte (Lucene 4 to 6's table)", lambda docs: _old_lucene_byte(_tokens(docs))),
    LengthKind("characters", _characters),
    LengthKind("square root of tokens", lambda docs: np.sqrt(_tokens(docs))),
    LengthKind("logarithm of 1 + tokens", lambda docs: np.log1p(_tokens(docs))),
    LengthKind("largest count of a term", _largest_counts),
)


OF_TEXT = ("characters", "bytes")
"""Names of kinds that measure a text, white space included."""


@dataclass(frozen=True)
class Average:
    """A definition of the average length, of documents of which the lengths are those of a LengthKind."""

    name: str
    of: Callable[[Sequence[Doc], LengthKind], float]


def _mean_of(kind: LengthKind) -> Callable[[Sequence[Doc], LengthKind], float]:
    return lambda docs, _: float(np.mean(kind.of(docs)))


AVERAGES = (
    Average("mean of the same lengths", lambda docs, kind: float(np.mean(kind.of(docs)))),
    Average("mean of tokens", _mean_of(KINDS[0])),
    Average("mean of distinct terms", _mean_of(KINDS[1])),
    Average("mean, rounded down to an integer", lambda docs, kind: float(np.floor(np.mean(kind.of(docs))))),
    Average("mean, rounded to an integer", lambda docs, kind: float(np.round(np.mean(kind.of(docs))))),
    Average("mean, rounded up to an integer", lambda docs, kind: float(np.ceil(np.mean(kind.of(docs))))),
    Average("median", lambda docs, kind: float(np.median(kind.of(docs)))),
    Average("maximum", lambda docs, kind: float(np.max(kind.of(docs)))),
    Average("mean of the different lengths", lambda docs, kind: float(np.mean(np.unique(kind.of(docs))))),
    Average("geometric mean", lambda docs, kind: float(np.exp(np.mean(np.log(np.maximum(kind.of(docs), 1)))))),
    Average("minimum", lambda docs, kind: float(np.min(kind.of(docs)))),
    Average("sum / (N + 1)", lambda docs, kind: float(np.sum(kind.of(docs)) / (len(docs) + 1))),
)
Delta = Literal["none", "proportional", "constant"]


@dataclass(frozen=True)
class LengthPoint:
    """The measured `value` at one document: q, or 1 / factor for an unsaturated tf."""

    document: int
    value: Reading


def measure(corpus: Corpus, tf: Tf, idf: Callable[[int], float], delta: Delta) -> list[LengthPoint] | None:
    """One point per document of another length; None where its terms contradict each other."""
    found = []
    for document, terms in corpus.layout.lengths:
        values = []
        for f, term in terms.items():
            reading = corpus.read(term, document)
            if reading is not None and reading.value != 0:
                values.append(_solve(reading.over(Reading(idf(f), 0.0)), f, tf, delta))
        known = [value for value in values if value is not None]
        if len(known) < len(values) or not known:
            if len(known) < len(values) and delta != "none":
                return None
            continue
        best = min(known, key=lambda one: one.error)
        if any(abs(one.value - best.value) > 3 * (one.error + best.error) for one in known):
            return None
        found.append(LengthPoint(document, best))
    return found


def _solve(reading: Reading, f: int, tf: Tf, delta: Delta) -> Reading | None:
    """Q (or 1 / factor) from the weight of `f` occurrences, and its error."""
    t = float(tf.transform.of(np.array([float(f)]))[0])
    value, error = reading.value / (f if tf.again else 1), reading.error / (f if tf.again else 1)
    if tf.shape in ("constant", "unsaturated"):
        return Reading(tf.scale * t / value, error * tf.scale * t / value**2) if value else None
    return _solve_saturated(value, error, t, tf, delta)


def _solve_saturated(value: float, error: float, t: float, tf: Tf, delta: Delta) -> Reading | None:
    ratio = tf.p / tf.q if delta == "proportional" else 0.0
    p = tf.p if delta == "constant" else 0.0
    # v = C (t + p + ratio q) / (t + q)
    below = value - tf.scale * ratio
    if below <= 0:
        return None
    q = (tf.scale * (t + p) - value * t) / below
    slope = (-t - q) / below
    return Reading(q, abs(slope) * error + tf.scale_error * abs((t + p) / below))


@dataclass(frozen=True)
class Line:
    """value = (intercept + slope max(L, floor)) L^power in each corpus; `slopes` are by corpus."""

    kind: LengthKind
    intercept: float
    slopes: tuple[float, ...]
    error: float
    noise: float  # the median relative error of a point
    power: float = 0.0
    floor: float | None = None  # in units of the average of tokens

    @property
    def flat(self) -> bool:
        """Whether the slopes are zero within the error: at 1000 tokens they change nothing that shows."""
        return all(abs(slope) * 1000 < max(1e-6, 3 * self.noise) * abs(self.intercept) for slope in self.slopes)


SHORTEST = (0.5, 0.25, 1.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.75, 0.8, 0.9)
"""The smallest lengths that count, over the average of tokens, the usual ones first."""


def lines(
    corpora: Sequence[Corpus], points: Sequence[Sequence[LengthPoint]], powers: Sequence[float] = (0.0, 1.0)
) -> list[Line]:
    """Each kind of length of which all points are a linear function, with one intercept for all corpora."""
    for kinds, floor in ((KINDS, None), ((PAIRS,), None), *((KINDS, floor) for floor in SHORTEST)):
        every = (_line(corpora, points, kind, power, floor) for power, kind in itertools.product(powers, kinds))
        if found := [line for line in every if line is not None]:
            return found
    return []


def _line(
    corpora: Sequence[Corpus],
    points: Sequence[Sequence[LengthPoint]],
    kind: LengthKind,
    power: float,
    floor: float | None,
) -> Line | None:
    rows, values, errors = [], [], []
    for number, (corpus, measured) in enumerate(zip(corpora, points, strict=True)):
        lengths = kind.of(corpus.layout.docs)
        own = lengths if floor is None else np.maximum(lengths, floor * np.mean(lengths))
        for point in measured:
            factor = lengths[point.document] ** power
            slopes = [0.0] * len(corpora)
            slopes[number] = own[point.document]
            rows.append([1.0, *slopes])
            values.append(point.value.value / factor)
            errors.append(point.value.error / factor)
    if len(rows) < 3 + len(corpora):
        return None
    weights = 1 / np.array(errors)
    matrix = np.array(rows) * weights[:, None]
    norms = np.linalg.norm(matrix, axis=0)
    solution = np.linalg.lstsq(matrix / norms, np.array(values) * weights)[0] / norms
    residuals = np.abs(np.array(rows) @ solution - values)
    if (residuals * weights > 4.0).any():
        return None
    error = float(np.max(residuals / np.maximum(np.abs(values), 1e-12)))
    noise = float(np.median(np.array(errors) / np.abs(values)))
    return Line(kind, float(solution[0]), tuple(map(float, solution[1:])), error, noise, power, floor)


OF_HITS = "mean of the documents that the query finds"
HitLengths = Literal["equal", "differ", "over their mean"]


def among_hits(corpus: Corpus, k1: float, b: float) -> HitLengths:
    """What lengths do to the scores of the commonest term in its documents, which a term of one document cannot show.

    "over their mean": they are f / (f + k1 (1 - b + b L / A)) up to a factor, where A is the mean of those documents.
    """
    term = corpus.layout.idf[max(corpus.layout.idf)]
    documents = [number for number, doc in enumerate(corpus.layout.docs) if term in doc]
    readings = [one for number in documents if (one := corpus.read(term, number)) is not None]
    if len(readings) < len(documents) or any(one.value <= 0 for one in readings):
        return "equal"
    values = np.array([one.value for one in readings])
    slack = 6 * max(one.error / one.value for one in readings)
    if np.ptp(values) <= slack * values.max():
        return "equal"
    lengths = KINDS[0].of([corpus.layout.docs[number] for number in documents])
    scales = values * (1 + k1 * (1 - b + b * lengths / lengths.mean()))
    return "over their mean" if np.ptp(scales) <= max(slack, 1e-9) * scales.max() else "differ"
