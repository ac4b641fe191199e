"""The identified formula is compared with scores of a corpus that no fit has used."""

import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from refimpl.identify.ask import Probe, Scores
from refimpl.identify.formula import Formula, Prepared
from refimpl.identify.length import OF_TEXT, PAIRS, with_pairs
from refimpl.identify.probes import SETTINGS
from refimpl.identify.query import BY_LENGTH, UNKNOWN, Match, QuerySide
from refimpl.identify.row_scaling import SPANS
from refimpl.identify.scores import SQUASHES, Reading, Scale
from refimpl.identify.words import words

Occurrences = Callable[[str, str], int]
"""How often a term is in a text."""


def probe() -> Probe:
    """70 random documents of 1 to 120 tokens over a Zipf vocabulary, 24 queries of one to five terms."""
    random_ = random.Random(11)
    fresh = words(5)
    vocabulary = [next(fresh) for _ in range(90)]
    weights = [1 / rank for rank in range(1, 91)]
    docs = [random_.choices(vocabulary, weights, k=random_.randint(1, 120)) for _ in range(70)]
    queries = [random_.choices(vocabulary, weights, k=random_.randint(1, 5)) for _ in range(22)]
    queries += [[vocabulary[3], vocabulary[3], vocabulary[20]], [vocabulary[8], UNKNOWN]]
    return Probe(tuple(" ".join(d) for d in docs), tuple(" ".join(q) for q in queries), *SETTINGS["first"])


def changed_probe() -> Probe:
    """As many other documents of the same vocabulary, and the same queries: nothing of the first ones may be kept."""
    first, random_ = probe(), random.Random(12)
    vocabulary = [word for word, _ in zip(words(5), range(90), strict=False)]
    lengths = [random_.randint(1, 60) for _ in first.corpus]  # about half of those before
    docs = [random_.choices(vocabulary[::-1], [1 / rank for rank in range(1, 91)], k=length) for length in lengths]
    return replace(first, corpus=tuple(" ".join(doc) for doc in docs))


@dataclass(frozen=True)
class HeldOut:
    """How many scores were compared and match, the largest relative deviation, and the worst one in words.

    `place` is the query and the document of the worst one.
    """

    compared: int
    matching: int
    error: float
    worst: str
    place: tuple[int, int] = (0, 0)

    @property
    def matches(self) -> bool:
        """Whether every score matches."""
        return self.compared > 0 and self.compared == self.matching


def predict(formula: Formula, side: QuerySide, inputs: Probe, occurrences: Occurrences | None = None) -> Scores:
    """The sums of `formula` and `side`, before scaling and squashing.

    `occurrences` counts a term in a text; by default its words between white space.
    """
    docs = [split(document, formula) for document in inputs.corpus]
    pairs = formula.kind == PAIRS
    counts = [Counter(with_pairs(doc)) for doc in docs] if pairs else None
    if occurrences is not None:
        counts = _counted(inputs, occurrences)
    prepared = formula.prepare(docs, inputs.k1, inputs.b, counts)
    side = _side(side, formula, prepared.lengths.average, inputs.k1, inputs.b)
    known = frozenset(prepared.n)
    present = [frozenset(count) for count in prepared.counts]
    scores = np.zeros((len(inputs.queries), len(docs)))
    for row, text in enumerate(inputs.queries):
        query = Counter(with_pairs(text.split()) if pairs else text.split())
        parts = {term: formula.term(term, prepared, inputs.k1, inputs.b) for term in query}
        weigh = partial(_strength, formula, prepared, side)
        strength = {term: weigh(term) for term in query}
        for column in range(len(docs)):
            own = {term: float(values[column]) for term, values in parts.items()}
            scores[row, column] = side.score(own, Match(query, present[column], known), strength)
    return scores


def _side(side: QuerySide, formula: Formula, average: float, k1: float, b: float) -> QuerySide:
    """The query side; of queries that are weighted like documents, with the corpus' own average length."""
    if side.repeat != BY_LENGTH or not (formula.weighs_query or formula.unit_length):
        return side
    k1, b = formula.settings(k1, b)
    return replace(side, k3=k1 * (1 - b), of_length=k1 * b / average)


def of_vectors(formula: Formula, docs: Sequence[Sequence[str]]) -> list[QuerySide]:
    """The cosines with queries that are weighted like the documents `docs`."""
    setting = SETTINGS["first"]
    average = formula.doc_lengths(docs, *setting).average
    counts = (False, False), (True, False), (True, True)  # a term that no document has: in the length, in the norm
    sides = (QuerySide(BY_LENGTH, "cosine", one, unknown_weighs=other) for one, other in counts)
    return [_side(side, formula, average, *setting) for side in sides]


def split(text: str, formula: Formula) -> list[str]:
    """The terms; with an empty one beside each further space where it counts: in characters, or by `split(" ")`."""
    if formula.empty_tokens == "blank":
        return text.split() or [""]
    spaces = formula.empty_tokens == "spaces" or formula.kind.name in OF_TEXT
    return text.split(" ") if spaces and not re.search(r"[^\S ]", text) else text.split()


def _counted(inputs: Probe, occurrences: Occurrences) -> list[Counter[str]]:
    """The occurrences of the queries' terms in each document that has one."""
    terms = {term for query in inputs.queries for term in query.split()}
    counts = ({term: occurrences(term, document) for term in terms} for document in inputs.corpus)
    return [Counter({term: count for term, count in each.items() if count}) for each in counts]


def _strength(formula: Formula, docs: Prepared, side: QuerySide, term: str) -> float:
    """What the query's norm, or sum of idfs, has of a term."""
    n = docs.n[term]
    if not n and not side.unknown_weighs:
        return 0.0
    n = n or side.unknown_n
    return formula.idf.of(n, docs.size, docs.mean_idf) if formula.idf is not None else 1.0


def compare(
    formula: Formula,
    side: QuerySide,
    scale: Scale,
    scores: Scores,
    cut: bool,
    inputs: Probe,
    tolerance: float = 0.0,
    occurrences: Occurrences | None = None,
) -> HeldOut:
    """Compare the scores of `inputs` with the prediction; where hits are cut, documents with score 0 are left out.

    `tolerance` is allowed in any case, relative to max(1, |score|); `occurrences` as in `predict`.
    """
    expected = predict(formula, side, inputs, occurrences)
    terms = np.array([[len(query.split())] for query in inputs.queries])
    best = expected.max(axis=1, keepdims=True)
    if scale.best is not None:
        span = SPANS[scale.rows](expected) if scale.rows in SPANS else best
        expected = np.where(best > 0, expected / np.where(best > 0, span, 1) * scale.best, expected)
    if scale.clip is not None:
        expected = np.minimum(expected, scale.clip)
    measured, allowed = _undone(scores * scale.sign, scale)
    allowed = allowed * (terms + 1) + 1e-12 * np.nanmax(np.abs(expected), initial=0.0)
    allowed = np.maximum(allowed, tolerance * np.maximum(1.0, np.abs(expected)))
    used = (scores != 0) if cut or scale.squash != "none" else np.ones(scores.shape, bool)
    used = used & np.isfinite(scores)
    if scale.best is not None:
        used = used & (best > 0)  # how a best score of 0 or less is divided by is not tested
    off = np.abs(measured - expected)
    relative = off / np.maximum(np.abs(measured), 1e-3 * np.abs(measured[used]).max(initial=0.0) + 1e-300)
    good = (off <= allowed) | ~used
    row, column = np.unravel_index(int(np.argmax(np.where(used, off / allowed, 0))), off.shape)
    worst = f"query {row}, document {column}: measured {measured[row, column]:.9g}, formula {expected[row, column]:.9g}"
    largest = float(np.max(relative[used], initial=0.0))
    return HeldOut(int(used.sum()), int((good & used).sum()), largest, worst, (int(row), int(column)))


def _undone(scores: Scores, scale: Scale) -> tuple[Scores, Scores]:
    """Scores with the squashing undone, and the error that their precision allows."""
    readings = np.empty(scores.shape), np.empty(scores.shape)
    undo = SQUASHES[scale.squash][0]
    for index, score in np.ndenumerate(scores):
        error, score = scale.precision.error(float(score)), scale.precision.centred(float(score))
        one = Reading(score, error)
        if scale.squash != "none" and score:
            with np.errstate(all="ignore"):
                one = Reading(undo(float(score)), abs(undo(float(score) + error) - undo(float(score) - error)) + 1e-13)
        readings[0][index], readings[1][index] = one.value, 3 * one.error
    return readings
