"""Fixed BM25 scores as readings: the cells in which one query term occurs, whose ratios do not depend on its idf."""

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float64, Int

from refimpl.common.types import Array
from refimpl.diagnosis.bm25_scores import BM25Corpus, TokenLists
from refimpl.identify.idf import Idf, frequencies, mean_idf
from refimpl.identify.length import Average, LengthKind
from refimpl.identify.scores import Precision

Values = Float64[Array, " cells"]
Indices = Int[Array, " cells"]
ENOUGH = 8  # different document frequencies that show the idf
MAX_CELLS = 160  # that weights are tried on; the scores of all cells confirm them


class ScoredCorpus:
    """A corpus and queries as tokens, with parameters, and the scores `(queries, docs)` that were given for them.

    `n` are document frequencies (False) and total occurrences (True) of the query terms, of the whole corpus; `f`,
    `q`, `scores` and lengths are of the sampled documents and queries. `counts` are those of `BM25Corpus`.
    """

    def __init__(
        self,
        documents: TokenLists,
        queries: TokenLists,
        k1: float,
        b: float,
        scores: Array,
        counts: Array | None = None,
    ) -> None:
        self.documents, self.queries = documents, queries
        self.k1, self.b, self.scores = k1, b, scores
        self.given, self.read = scores, np.ones(len(queries), dtype=bool)
        self.reduced = BM25Corpus(documents, queries, counts)
        self.known = frozenset(np.array(self.reduced.terms, object)[self.reduced.counts.any(axis=0)])
        self.f = np.ascontiguousarray(self.reduced.counts.T)  # (terms, docs)
        self.q = self.reduced.queries  # (queries, terms)
        self.n = {False: np.count_nonzero(self.f, axis=1).astype(np.float64), True: self.f.sum(axis=1)}
        self.size, self.filled = len(documents), int(np.count_nonzero(self.reduced.lengths))
        self.columns = np.arange(len(documents))
        self._lengths: dict[str, Array] = {}
        self._averages: dict[tuple[str, str, bool], float] = {}
        self._idfs: dict[tuple[Idf, bool], Array] = {}

    def with_scores(self, scores: Array) -> "ScoredCorpus":
        """The same corpus with other scores; `given` stay those that were given, rows of NaN are not `read`."""
        other = copy(self)
        other.read = ~np.isnan(scores).any(axis=1)
        other.scores = np.where(other.read[:, None], scores, 0.0)
        return other

    def sampled(self, most: int) -> "ScoredCorpus":
        """At most about `most` scores: those of queries of few terms, and of documents with many of their terms."""
        if self.scores.size <= most:
            return self
        rows: Array = np.argsort(self.q.sum(axis=1), kind="stable")[: max(16, most // 1000)]
        hits = ((self.q[rows] > 0).any(axis=0).astype(np.float64) @ (self.f > 0)) + 1e-6 * self.f.sum(axis=0)
        columns = np.sort(np.argsort(-hits, kind="stable")[: most // len(rows)])
        other = copy(self)
        other.queries = [self.queries[int(row)] for row in rows]
        other.q, other.scores = self.q[rows], self.scores[np.ix_(rows, columns)]
        other.given, other.read = other.scores, self.read[rows]
        other.f, other.columns = self.f[:, columns], columns
        other.__dict__.pop("matched", None)  # it is of all documents
        return other

    def possible(self) -> bool:
        """Whether each query's documents with a score have a term of it, or all documents have a score."""
        scored = self.scores != 0
        return bool((scored <= (self.matched > 0)).all(axis=1)[~scored.all(axis=1)].all())

    @cached_property
    def matched(self) -> Float64[Array, "queries docs"]:
        """The number of different query terms that each document has."""
        return np.asarray((self.q > 0).astype(np.float64) @ (self.f > 0))

    def idf(self, idf: Idf, n_empty: bool) -> Float64[Array, " terms"]:
        """The idf of each query term; 0 for a term that no document has. `n_empty`: empty documents count in N."""
        key = idf, n_empty
        if key not in self._idfs:
            size, n = float(self.size if n_empty else self.filled), self.n[idf.counts_occurrences]
            with np.errstate(all="ignore"):
                every = idf.form.of(self.vocabulary[idf.counts_occurrences], size)
                mean = mean_idf(every, idf.floor.kind) if self.filled else 0.0
                values = idf.floor.apply(idf.form.of(np.maximum(n, 1), size), mean)
            self._idfs[key] = np.where(n > 0, values, 0.0)
        return self._idfs[key]

    @property
    def present(self) -> list[frozenset[str]]:
        """The query terms that each sampled document has."""
        terms = np.array(self.reduced.terms, object)
        return [frozenset(terms[column > 0]) for column in self.f.T]

    @cached_property
    def vocabulary(self) -> Mapping[bool, Array]:
        """Document frequencies (False) and total occurrences (True) of all terms of the corpus."""
        counts = {kind: frequencies(self.documents, kind).values() for kind in (False, True)}
        return {kind: np.array(list(values), np.float64) for kind, values in counts.items()}

    def lengths(self, kind: LengthKind) -> Array:
        """The documents' lengths."""
        if kind.name not in self._lengths:
            self._lengths[kind.name] = kind.of(self.documents)
        return self._lengths[kind.name][self.columns]

    def average(self, average: Average | float, kind: LengthKind, count_empty: bool) -> float:
        """The average length by its definition."""
        if isinstance(average, float):
            return average
        count_empty = count_empty or self.filled == self.size
        key = average.name, kind.name, count_empty
        if key not in self._averages:
            measured = self.documents if count_empty else [doc for doc in self.documents if doc]
            self._averages[key] = average.of(measured, kind) if measured else 1.0
        return self._averages[key]


@dataclass(frozen=True)
class Cells:
    """Cells with a score and one distinct query term, over all corpora; `reference` is the largest of the query's."""

    corpora: Sequence[ScoredCorpus]
    corpus: Indices
    document: Indices
    f: Values
    scores: Values
    slack: Values
    """The relative error of each score."""
    reference: Indices

    def lengths(self, kind: LengthKind) -> Values:
        """The lengths of the cells' documents."""
        return self._each([one.lengths(kind) for one in self.corpora])

    def relative(self, kind: LengthKind, average: Average | float, count_empty: bool, floor: float | None) -> Values:
        """The lengths over the average, at least `floor`."""
        averages = [one.average(average, kind, count_empty) for one in self.corpora]
        relative = self.lengths(kind) / np.array(averages)[self.corpus]
        return relative if floor is None else np.maximum(relative, floor)

    def parameter(self, name: str) -> Values:
        """`k1` or `b` of the cells' corpora."""
        return np.array([getattr(one, name) for one in self.corpora])[self.corpus]

    def _each(self, by_corpus: Sequence[Array]) -> Values:
        starts = np.cumsum([0, *(len(each) for each in by_corpus)])
        return np.concatenate(by_corpus)[starts[self.corpus] + self.document]


@dataclass(frozen=True)
class TermReading:
    """A score by one query term alone: the term's weight in the document, times its idf, times the query's factor."""

    corpus: int
    query: int
    term: int
    document: int
    score: float
    error: float


def errors(scores: Array, precision: Precision, tolerance: float) -> Array:
    """The error of each score: that of its precision, at least `tolerance` relative to max(1, |score|)."""
    own = precision.relative * np.abs(scores) + precision.absolute
    return np.maximum(own, tolerance * np.maximum(1.0, np.abs(scores)))


def cells(corpora: Sequence[ScoredCorpus], precision: Precision, tolerance: float, absent: bool) -> Cells:
    """The cells of all corpora; `absent`: terms that a document lacks add to its score, so only queries of one term."""
    rows: list[Array] = []
    references: list[Array] = []
    count = 0
    for number, one in enumerate(corpora):
        slack = errors(one.scores, precision, tolerance) / np.maximum(np.abs(one.scores), 1e-300)
        for query, term, documents in _groups(one, absent):
            scores = one.scores[query, documents]
            order = np.argsort(-np.abs(scores), kind="stable")
            documents, size = documents[order], len(order)
            columns = [np.full(size, number), documents, one.f[term, documents], scores[order], slack[query, documents]]
            rows.append(np.stack(columns, axis=1))
            references.append(np.full(size, count))
            count += size
    table = np.concatenate(rows) if rows else np.empty((0, 5))
    reference = np.concatenate(references) if references else np.empty(0, np.int64)
    index = _selected(table, reference)
    renumbered = np.zeros(len(table), np.int64)
    renumbered[index] = np.arange(len(index))
    corpus, document = (table[index, column].astype(np.int64) for column in (0, 1))
    f, scores, error = (table[index, column] for column in (2, 3, 4))
    return Cells(corpora, corpus, document, f, scores, error, renumbered[reference[index]])


def _groups(one: ScoredCorpus, absent: bool) -> Iterator[tuple[int, int, Array]]:
    """Query, term and at least two documents that have a score by that term alone."""
    for query in range(len(one.queries)):
        terms = np.flatnonzero(one.q[query])
        if absent and len(terms) != 1:
            continue
        for term in terms:
            usable = np.arange(len(one.columns)) if absent else lone_documents(one, query, int(term))
            documents = usable[one.scores[query, usable] != 0]
            if len(documents) > 1:
                yield query, int(term), documents


def _selected(table: Array, references: Indices) -> Int[Array, " selected"]:
    """All cells, or MAX_CELLS of them from all groups in turn, each with its reference."""
    others = np.flatnonzero(np.arange(len(table)) != references)
    if len(others) > MAX_CELLS:
        place = np.zeros(len(table))
        _, starts, counts = np.unique(references, return_index=True, return_counts=True)
        for start, count in zip(starts, counts, strict=True):
            place[start : start + count] = np.arange(count)
        turns = place * 0x9E3779B1 % 1024  # spread over the documents of a group, the same in every run
        others = others[np.argsort(turns[others], kind="stable")][:MAX_CELLS]
    return np.unique(np.concatenate([others, references[others]]))


def lone_documents(one: ScoredCorpus, query: int, term: int) -> Indices:
    """The documents that have `term` and no other term of the query."""
    return np.flatnonzero((one.f[term] > 0) & (one.matched[query] == 1))


def term_readings(corpora: Sequence[ScoredCorpus], precision: Precision, tolerance: float) -> list[TermReading]:
    """One reading per term: of queries of one token where they are enough, else also of others' lone terms."""
    found: dict[tuple[int, int], TermReading] = {}
    for number, one in enumerate(corpora):
        error = errors(one.scores, precision, tolerance)
        for query in np.argsort(one.q.sum(axis=1), kind="stable"):
            if not one.read[query]:
                continue
            for term in np.flatnonzero(one.q[query]):
                documents = lone_documents(one, int(query), int(term))
                if not len(documents) or (number, int(term)) in found:
                    continue
                document = int(documents[np.argmax(np.abs(one.scores[query, documents]))])
                score, own = float(one.scores[query, document]), float(error[query, document])
                found[number, int(term)] = TermReading(number, int(query), int(term), document, score, own)
    single = [one for one in found.values() if corpora[one.corpus].q[one.query].sum() == 1]
    different = {(corpora[one.corpus].n[False][one.term], corpora[one.corpus].size) for one in single}
    return single if len(different) >= ENOUGH else list(found.values())
