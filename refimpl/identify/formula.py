"""The identified formula as a function of a corpus: predicts scores, to test a combination of factors as a whole."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float64, Int

from refimpl.common.types import Array
from refimpl.identify.expressions import Expression
from refimpl.identify.idf import Idf, frequencies
from refimpl.identify.length import Average, Doc, LengthKind
from refimpl.identify.tf import Shape, Transform

Weights = Float64[Array, " docs"]
Table = Float64[Array, "*shape"]
DeltaKind = Literal["none", "outside", "BM25L", "numerator", "numerator count", "count"]
EmptyTokens = Literal["none", "spaces", "blank"]
Norm = Literal["none", "in K", "divides", "power"]


@dataclass(frozen=True)
class Formula:
    """A sum over query terms of scale * idf * weight; `k1` and `b` None: those of the call.

    `norm`: none; "in K" (1 - b + b L / A is a factor of k1); "divides" (the weight); "power" (L^power divides).
    `empty_tokens`: whether an empty text has one empty token, which counts in its length: "spaces": also each further
    space, as of `text.split(" ")`; "blank": a text of white space alone.
    `unit_length`: the Euclidean norm of the document's idf * weight divides.
    `weighs_query`: idf * weight of a query's term is multiplied by its weight in the query, as in a document.
    `average`: its definition, or a constant. `delta`: see `saturated`. `absent`: terms that a document lacks add the
    weight of zero occurrences. `written`: the whole weight, of f, L, A, k1 and b, in the place of the parts.
    """

    idf: Idf | None
    transform: Transform
    shape: Shape
    again: bool
    kind: LengthKind
    average: Average | float
    norm: Norm
    factor: bool
    delta_kind: DeltaKind = "none"
    delta: float = 0.0
    power: float = 0.0
    floor: float | None = None
    k1: float | None = None
    b: float | None = None
    scale: float = 1.0
    absent: bool = False
    zero_k1: float | None = None  # what a k1 of 0 becomes
    zero_b: float | None = None
    n_empty: bool = True  # empty documents count in N
    average_empty: bool = True
    empty_tokens: EmptyTokens = "none"
    written: Expression | None = None
    unit_length: bool = False
    weighs_query: bool = False

    def settings(self, k1: float, b: float) -> tuple[float, float]:
        """The (k1, b) that a call with `k1` and `b` uses."""
        k1 = self.zero_k1 if k1 == 0 and self.zero_k1 is not None else k1
        b = self.zero_b if b == 0 and self.zero_b is not None else b
        return (k1 if self.k1 is None else self.k1), (b if self.b is None else self.b)

    def weights(self, f: Weights, docs: "DocLengths", k1: float, b: float) -> Weights:
        """The weight of `f` occurrences in each document of `docs`; 0 where f is 0 unless `absent`."""
        k1, b = self.settings(k1, b)
        if self.written is not None:
            value = self.written(f=f, L=docs.lengths, A=docs.average, k1=k1, b=b)
            return np.where((f > 0) | self.absent, value, 0.0)
        with np.errstate(all="ignore"):
            t = np.where(f > 0, self.transform.of(np.maximum(f, 1)), 0.0)
            norm = 1 - b + b * docs.relative
            plain = t * (k1 + 1) if self.factor else t
            value = self.saturated(t, norm, docs.lengths, k1) if self.shape in ("saturated", "shifted") else plain
            if self.norm == "divides":
                value = value / norm
            elif self.norm == "power":
                value = value / docs.lengths**self.power
        if self.again:
            value = value * f
        if self.unit_length:
            value = np.divide(value, docs.norms, out=np.zeros_like(value), where=docs.norms > 0)
        return np.where((f > 0) | self.absent, value, 0.0)

    def saturated(self, t: Table, norm: Table, lengths: Table, k1: float | Table) -> Table:
        """The weight of `t`, the transformed count, where the relative length makes `norm` of it."""
        factor = k1 + 1 if self.factor else 1.0
        k = k1 * (norm if self.norm == "in K" else 1.0) * lengths**self.power
        d = self.delta
        if self.delta_kind == "outside":
            return d + factor * t / (t + k)
        if self.delta_kind == "BM25L":
            c = t / norm
            return factor * (c + d) / (k1 + c + d)
        if self.delta_kind == "numerator":
            return (d + factor * t) / (t + k)
        if self.delta_kind == "numerator count":
            return factor * (t + d) / (t + k)
        if self.delta_kind == "count":
            return factor * (t + d) / (t + d + k)
        return factor * t / (t + k)

    def doc_lengths(self, docs: Sequence[Doc], k1: float, b: float) -> "DocLengths":
        """Lengths, absolute and over the average, and Euclidean norms where they are divided by."""
        if self.empty_tokens != "none":
            docs = [doc or ("",) for doc in docs]
        filled = [doc for doc in docs if any(doc)]
        lengths = self.kind.of(docs)
        measured = docs if self.average_empty else filled
        average = self.average if isinstance(self.average, float) else self.average.of(measured, self.kind)
        relative = lengths / average
        if self.floor is not None:
            relative = np.maximum(relative, self.floor)
        found = DocLengths(lengths, relative, np.ones(len(docs)), average)
        return replace(found, norms=self._norms(docs, found, k1, b)) if self.unit_length else found

    def size(self, docs: Sequence[Doc]) -> float:
        """N."""
        counted = docs if self.n_empty else [doc for doc in docs if any(doc)]
        return float(len(counted)) if self.idf is None else self.idf.size(counted)

    def _norms(self, docs: Sequence[Doc], lengths: "DocLengths", k1: float, b: float) -> Weights:
        """The Euclidean norm of each document's idf * weight."""
        size, mean = self.size(docs), self._mean(docs)
        n = frequencies(docs, self.idf is not None and self.idf.counts_occurrences)
        idf = {term: self.idf.of(count, size, mean) if self.idf else 1.0 for term, count in n.items()}
        plain = replace(self, unit_length=False)
        norms = np.zeros(len(docs))
        for number, counts in enumerate(map(Counter, docs)):
            f = np.array(list(counts.values()), np.float64)
            weights = plain.weights(f, lengths.at(np.full(len(f), number)), k1, b)
            norms[number] = np.linalg.norm(weights * [idf[term] for term in counts])
        return norms

    def weight_in_query(self, docs: "DocLengths", k1: float, b: float) -> float:
        """The weight of a query's only term, once in it, of a query that is weighted like a document; else 1."""
        if not self.weighs_query:
            return 1.0
        one = np.ones(1)
        alone = DocLengths(one, one / docs.average, one, docs.average)
        return float(replace(self, unit_length=False).weights(one, alone, k1, b)[0])

    def _mean(self, docs: Sequence[Doc]) -> float:
        return self.idf.mean(docs, self.size(docs)) if self.idf is not None else 0.0

    def prepare(self, docs: Sequence[Doc], k1: float, b: float, counts: list[Counter[str]] | None = None) -> "Prepared":
        """Lengths, counts and statistics of a corpus; `counts` by document, where they are not of whole terms."""
        occurrences = self.idf is not None and self.idf.counts_occurrences
        n = frequencies([list(each.elements()) for each in counts] if counts else docs, occurrences)
        counts = counts or [Counter(doc) for doc in docs]
        return Prepared(counts, self.doc_lengths(docs, k1, b), self.size(docs), n, self._mean(docs))

    def term(self, term: str, docs: "Prepared", k1: float, b: float) -> Weights:
        """The contribution of one occurrence of `term` in a query, by document."""
        n = docs.n[term]
        if n == 0:
            return np.zeros(len(docs.counts))
        f = np.array([float(count[term]) for count in docs.counts])
        idf = 1.0 if self.idf is None else self.idf.of(n, docs.size, docs.mean_idf)
        return self.scale * idf * self.weights(f, docs.lengths, k1, b) * self.weight_in_query(docs.lengths, k1, b)


@dataclass(frozen=True)
class DocLengths:
    """Lengths, lengths over the average and Euclidean norms, by document; the average."""

    lengths: Weights
    relative: Weights
    norms: Weights
    average: float

    def at(self, documents: Int[Array, " places"]) -> "DocLengths":
        """Those of `documents`, in that order."""
        return DocLengths(self.lengths[documents], self.relative[documents], self.norms[documents], self.average)


@dataclass(frozen=True)
class Prepared:
    """A corpus' counts, lengths, N, document frequencies and mean idf."""

    counts: list[Counter[str]]
    lengths: DocLengths
    size: float
    n: Counter[str]
    mean_idf: float
