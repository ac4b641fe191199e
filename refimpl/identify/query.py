"""The query side: repeated terms, how terms are combined, terms that a document lacks or no document has."""

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from refimpl.identify import length
from refimpl.identify.idf import Idf
from refimpl.identify.probes import Layout
from refimpl.identify.scores import Corpus, Reading

UNKNOWN = "hujok"  # no document has it: "h" and "j" occur in no other word
PAIRS = ((1, 2), (3, 5), (8, 13), (1, 20), (2, 16), (4, 10))
GROUPS = ((1, 3, 5, 8), (2, 4, 6, 10))
REPEATS = (2, 3, 5, 8)
FORMS = (
    *("a a b", "a b c", "a b c d", "a x", "a x y", "a b x", "a b x y"),
    *("a z", "a b z", "a a x", "a a b b c", "z a", "a z b"),
)


def pairs(layout: Layout) -> list[tuple[str, str]]:
    """Pairs of terms of the idf document."""
    return [(layout.idf[one], layout.idf[two]) for one, two in PAIRS]


def more_queries(layout: Layout) -> tuple[str, ...]:
    """The queries of several terms: a to d are in the idf document, x and y in another, z in none."""
    found = [" ".join(pair) for pair in pairs(layout)]
    for group in GROUPS:
        names = dict(zip("abcd", (layout.idf[df] for df in group), strict=True))
        names |= {"x": layout.tf[1], "y": layout.tf[2], "z": UNKNOWN}
        found += [" ".join([names["a"]] * times) for times in REPEATS]
        found += [" ".join(names[letter] for letter in form.split()) for form in FORMS]
    return (*found, UNKNOWN)


@dataclass(frozen=True)
class Match:
    """A query against a document: the query's counts, those of terms in the document, those of known terms."""

    query: Mapping[str, int]
    present: frozenset[str]
    known: frozenset[str]


Repeat = Callable[[int], float]
Combine = Callable[[Match], float]


@dataclass(frozen=True)
class QuerySide:
    """The weight of a term that occurs q times in the query, and the factor of the sum.

    `k3` and `of_length`: see `weight`; 0 where the weight is not saturated.
    """

    repeat: str
    combine: str
    unknown_counts: bool = True
    k3: float = 0.0
    unknown_weighs: bool = False  # a term that no document has counts in the query's norm or sum of idfs
    of_length: float = 0.0
    unknown_n: int = 0  # the document frequency that it then has

    def weight(self, q: int, tokens: int = 1) -> float:
        """The weight of a term that occurs `q` times in a query of `tokens`; 1 where the query is the term.

        Saturated, it is q / (q + k3 + of_length * tokens), over that of q = tokens = 1.
        """
        if self.repeat not in SATURATED:
            return REPEAT[self.repeat][0](q)
        return q * (1 + self.k3 + self.of_length) / (q + self.k3 + self.of_length * tokens)

    def score(self, parts: Mapping[str, float], match: Match, strength: Mapping[str, float]) -> float:
        """The score from each term's contribution; `strength` is what the cosine normalises the query by."""
        query = {t: q for t, q in match.query.items() if self.unknown_counts or t in match.known}
        tokens = sum(query.values())
        weights = {term: self.weight(q, tokens) for term, q in query.items()}
        if self.combine in SHARE_OF:
            powers = {t: w if self.combine == CLAUSES else w * w for t, w in weights.items()}
            norm = math.sqrt(sum(powers[t] * strength.get(t, 0.0) ** 2 for t in weights))
            dot = sum(weights[t] * parts.get(t, 0.0) * strength.get(t, 0.0) for t in weights)
            return SHARE_OF[self.combine](Match(query, match.present, match.known)) * dot / norm if norm else 0.0
        if self.combine == MEAN:
            total, below = (sum(weights[t] * of.get(t, 0.0) for t in weights) for of in (parts, strength))
            return total / below if below else 0.0
        if self.combine == "maximum":
            return max((weights[t] * parts.get(t, 0.0) for t in weights), default=0.0)
        total = sum(weights[t] * parts.get(t, 0.0) for t in weights)
        return total * COMBINE[self.combine][0](Match(query, match.present, match.known))


BY_LENGTH, AS_DOCUMENT = "saturated by length", "as a document"  # the second: with a document's k1, b and average
SATURATED = ("saturated", BY_LENGTH, AS_DOCUMENT)
REPEAT: Mapping[str, tuple[Repeat, str]] = {
    "multiset": (float, "each repetition of a query term counts"),
    "set": (lambda q: 1.0, "query terms as a set: repetitions do not count"),
    "saturated": (float, "a term repeated q times in the query counts (k3 + 1) q / (k3 + q)"),
    BY_LENGTH: (float, "a term repeated q times among a query's t tokens counts q / (q + k3 + c t)"),
    AS_DOCUMENT: (float, "query terms are weighted like a document's terms"),
    "1 + ln q": (lambda q: 1 + math.log(q), "a term repeated q times in the query counts 1 + ln q"),
    "square root": (math.sqrt, "a term repeated q times in the query counts sqrt(q)"),
}


def _matched(match: Match) -> int:
    return sum(term in match.present for term in match.query)


def _tokens(match: Match) -> int:
    return sum(match.query.values())


def _matched_tokens(match: Match) -> int:
    return sum(q for term, q in match.query.items() if term in match.present)


COMBINE: Mapping[str, tuple[Combine, str]] = {
    "sum": (lambda m: 1.0, "the contributions are added"),
    "norm": (
        lambda m: 1 / math.sqrt(sum(q * q for q in m.query.values())) if m.query else 1.0,
        "the sum is divided by the root of the sum of squared query counts",
    ),
    "times matched": (lambda m: float(_matched(m)), "the sum is multiplied by the number of matched query terms"),
    "times matched tokens": (
        lambda m: float(_matched_tokens(m)),
        "the sum is multiplied by the number of matched query tokens",
    ),
    "coordination": (
        lambda m: _matched(m) / max(len(m.query), 1),
        "the sum is multiplied by matched / all different query terms",
    ),
    "coordination of tokens": (
        lambda m: _matched_tokens(m) / max(_tokens(m), 1),
        "the sum is multiplied by matched / all query tokens",
    ),
    "mean": (lambda m: 1 / max(len(m.query), 1), "the sum is divided by the number of different query terms"),
    "mean of tokens": (lambda m: 1 / max(_tokens(m), 1), "the sum is divided by the number of query tokens"),
    "root": (
        lambda m: 1 / math.sqrt(max(len(m.query), 1)),
        "the sum is divided by the root of the number of different query terms",
    ),
    "all terms": (
        lambda m: float(_matched(m) == len(m.query)),
        "only documents with all query terms have a score",
    ),
}


MEAN = "mean by idf"
CLAUSES = "norm and coordination of clauses"
SHARE_OF: Mapping[str, Combine] = {
    "cosine": lambda m: 1.0,
    "cosine and coordination": COMBINE["coordination"][0],
    CLAUSES: COMBINE["coordination of tokens"][0],
}
"""The combinations that are divided by the norm of the query's idfs, and what they are then multiplied by."""
OTHERS: Mapping[str, str] = {
    "cosine": "cosine of query and document",
    "cosine and coordination": "query norm 1 / sqrt(sum of idf^2), and the sum multiplied by matched / all query terms",
    CLAUSES: "query norm 1 / sqrt(sum of idf^2), and the sum multiplied by matched / all query tokens",
    "maximum": "the largest contribution counts",
    MEAN: "the sum is divided by the sum of the query's idfs",
}
"""Combinations that are no factor of the sum, in words."""


def combined(name: str) -> str:
    """How the contributions of the query's terms are combined, in words."""
    return OTHERS[name] if name in OTHERS else COMBINE[name][1]


@dataclass(frozen=True)
class QueryFit:
    """The identified query side and its evidence; `absent`: the score of a term that the document lacks."""

    side: QuerySide
    error: float
    readings: int
    absent: Reading | None
    rounding: float = 0.0
    """The largest deviation, where no term is repeated."""


@dataclass(frozen=True)
class Row:
    """One measured query of several terms: its match and contributions, reading and allowed error."""

    text: str
    match: Match
    parts: Mapping[str, float]
    reading: Reading
    allowed: float
    anchored: tuple[str, Match] | None


def rows(corpus: Corpus) -> list[Row]:
    """The measured queries of several terms in the idf document."""
    layout = corpus.layout
    doc, known = frozenset(layout.docs[layout.idf_doc]), frozenset(t for d in layout.docs for t in d)
    found = []
    for text in more_queries(layout):
        tokens = text.split()
        singles = {term: corpus.read(term, layout.idf_doc) for term in set(tokens)}
        reading = corpus.read(text, layout.idf_doc)
        if reading is None or any(one is None for one in singles.values()):
            continue
        parts = {term: one.value for term, one in singles.items() if one is not None}
        allowed = reading.error + sum(one.error for term in tokens if (one := singles[term]) is not None)
        query = Counter(tokens)
        anchored = None
        if corpus.scale.best is not None:
            anchor, number = layout.anchor
            parts, query = {**parts, anchor: 0.0}, Counter([*tokens, anchor])
            anchored = (anchor, Match(query, frozenset(layout.docs[number]), known))
        found.append(Row(text, Match(query, doc, known), parts, reading, allowed, anchored))
    return found


def of_pairs(corpus: Corpus, idf: Idf) -> list[Row]:
    """The rows where pairs of neighbours are terms as well, which in the idf document occur once."""
    docs = [length.with_pairs(doc) for doc in corpus.layout.docs]
    doc, known = frozenset(docs[corpus.layout.idf_doc]), frozenset(term for each in docs for term in each)
    size, mean = idf.size(docs), idf.mean(docs, idf.size(docs))
    one = corpus.read(corpus.layout.idf[1], corpus.layout.idf_doc)
    unit = one.value / idf.of(1, size, mean) if one is not None else math.nan
    found = []
    for row in rows(corpus):
        query = Counter(length.with_pairs(row.text.split()))
        pairs = {term for term in query if term in doc and term not in row.parts}
        parts = {term: unit * idf.of(sum(term in each for each in docs), size, mean) for term in pairs}
        found.append(replace(row, match=Match(query, doc, known), parts={**row.parts, **parts}))
    return found


def fit(
    corpus: Corpus, idf: Idf | None, further: Sequence[QuerySide] = (), measured: Sequence[Row] = ()
) -> QueryFit | None:
    """The simplest query side that all measured queries match; `idf` gives the strength of a term of n = 0.

    `further` sides are tried after the known ones; `measured` are the queries, by default those of `rows`.
    """
    measured = measured or rows(corpus)
    if len(measured) < 12:
        return None
    known, unknown = _strength(corpus), _unknown_strength(corpus, idf)
    for side in itertools.chain(_sides(measured, unknown is not None), further):
        strength = {**known, UNKNOWN: unknown} if side.unknown_weighs and unknown is not None else known
        worst = rounding = 0.0
        for row in measured:
            expected = side.score(row.parts, row.match, strength)
            if row.anchored is not None:
                anchor, match = row.anchored
                below = side.score({anchor: 1.0}, match, strength)
                expected = expected / below if below else math.nan
            deviation = abs(expected - row.reading.value)
            if not deviation <= 4 * row.allowed + 6 * corpus.scale.precision.relative * abs(expected):
                break
            if max(row.match.query.values()) == 1:
                rounding = max(rounding, deviation)
            worst = max(worst, deviation / max(abs(row.reading.value), 1e-12) if row.reading.value else deviation)
        else:
            absent = corpus.read(corpus.layout.tf[1], corpus.layout.idf_doc)
            return QueryFit(side, worst, len(measured), absent, rounding)
    return None


def _sides(measured: Sequence[Row], unknown_weighs: bool) -> Iterator[QuerySide]:
    if unknown_weighs:
        names = itertools.product(("multiset", "set"), SHARE_OF)
        yield from (QuerySide(*each, unknown_weighs=True) for each in names)
    combinations = (name for name in (*COMBINE, *OTHERS) if name != MEAN)  # see `means_by_idf`
    for combine, repeat in itertools.product(combinations, REPEAT):
        for unknown in (False, True):
            if repeat not in SATURATED:
                yield QuerySide(repeat, combine, unknown)
            elif repeat == "saturated" and (k3 := _k3(measured)) is not None:
                yield QuerySide(repeat, combine, unknown, k3)
            elif repeat == BY_LENGTH and combine == "sum" and (found := _of_length(measured)) is not None:
                yield QuerySide(repeat, combine, unknown, found[0], of_length=found[1])


def means_by_idf(side: QuerySide) -> list[QuerySide]:
    """The means weighted by idf of a side whose sums have a factor of the query: unknown terms are out, or have an n.

    Their scores of one term have no idf: those of two terms together show it.
    """
    if side.combine != "sum" or side.repeat not in ("multiset", "set"):
        return []
    mean = replace(side, combine=MEAN, unknown_counts=True)
    counted = (replace(mean, unknown_weighs=True, unknown_n=n) for n in (0, 1))
    return [replace(mean, unknown_counts=False), *counted]


def _k3(measured: Sequence[Row]) -> float | None:
    """k3 of (k3 + 1) q / (k3 + q), from a term that is repeated twice."""
    ratio = _ratio(measured, [2])
    return _rounded(2 * (ratio - 1) / (2 - ratio)) if ratio is not None and 1.001 < ratio < 1.999 else None


def _of_length(measured: Sequence[Row]) -> tuple[float, float] | None:
    """(k3, of_length) of a weight that depends on the query's length, from a pair and a term that is repeated twice."""
    pair, twice = _ratio(measured, [1, 1]), _ratio(measured, [2])
    if pair is None or twice is None or not 0 < pair < 1 - 1e-6:
        return None
    share = 1 / pair - 1  # of_length / (1 + k3 + of_length)
    below = 2 / twice - 1 - share
    if below <= 0 or share >= 1:
        return None
    return 1 / below * (1 - share) - 1, share / below


def _ratio(measured: Sequence[Row], counts: list[int]) -> float | None:
    """The score of a query of terms that occur `counts` times, over the sum of their scores."""
    for row in measured:
        anchor = row.anchored[0] if row.anchored else ""
        own = {term: q for term, q in row.match.query.items() if term != anchor}
        below = sum(row.parts[term] for term in own)
        if list(own.values()) == counts and below:
            return row.reading.value / below
    return None


def _rounded(value: float) -> float:
    near = round(value, 2)
    return near if abs(near - value) < 1e-4 * max(abs(value), 1.0) else value


def _unknown_strength(corpus: Corpus, idf: Idf | None) -> float | None:
    """The strength of a term that no document has; None without a finite idf of n = 0."""
    if idf is None:
        return None
    size = idf.size(corpus.layout.docs)
    with np.errstate(all="ignore"):
        value = idf.of(0, size, idf.mean(corpus.layout.docs, size))
    return value * idf.scales[0] if np.isfinite(value) else None


def _strength(corpus: Corpus) -> dict[str, float]:
    """Each known term's contribution at one occurrence in the idf document, by its df where it is in another."""
    layout = corpus.layout
    one = corpus.read(layout.idf[1], layout.idf_doc)
    found = dict.fromkeys(layout.tf.values(), one.value) if one is not None else {}
    for term in layout.idf.values():
        if (reading := corpus.read(term, layout.idf_doc)) is not None:
            found[term] = reading.value
    return found
