"""Known idfs that scores allow which are divided by the best one of their query: only ratios within a query show."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int

from refimpl.common.types import Array
from refimpl.diagnosis.bm25_idfs import KNOWN_FLOORS, SLACK, weights_of
from refimpl.diagnosis.bm25_readings import ScoredCorpus
from refimpl.identify.formula import Formula
from refimpl.identify.idf import Floor, Idf
from refimpl.identify.idf_forms import FORMS, IdfForm

FLOORS = (*KNOWN_FLOORS, Floor("mean", 0.1, "smaller"))
Documents = Int[Array, " docs"]


@dataclass(frozen=True)
class Group:
    """Documents that have equally many terms of a query that repeats none: one factor of the sum, if any."""

    corpus: int
    query: int
    terms: Int[Array, " terms"]
    documents: Documents


class BestTable:
    """Every idf with every known floor and counting, compared by the ratios of the scores of each group."""

    def __init__(
        self, corpora: Sequence[ScoredCorpus], errors: Sequence[Array], forms: Sequence[IdfForm] = FORMS
    ) -> None:
        self._corpora, self._errors = corpora, errors
        self._groups = [group for number, one in enumerate(corpora) for group in _groups(number, one)]
        self._groups.sort(key=lambda group: -len(group.documents))
        kinds = [True, False] if any(one.size != one.filled for one in corpora) else [True]
        every = itertools.product(forms, FLOORS, (False, True), kinds)
        self._rows = [(Idf(form, floor, (), 0.0, occurrences), n_empty) for form, floor, occurrences, n_empty in every]
        with np.errstate(all="ignore"):
            self._idfs = [np.array([one.idf(*row) for row in self._rows]) for one in corpora]

    def fits(self, formula: Formula) -> Iterator[Formula]:
        """`formula` with each idf under which all groups' scores have the ratios of the sums of idf times weight."""
        if not self._groups:
            return
        rows = np.arange(len(self._rows))
        weights = [weights_of(one, formula) for one in self._corpora]
        for group in self._groups:
            sums = (
                self._idfs[group.corpus][np.ix_(rows, group.terms)]
                @ weights[group.corpus][np.ix_(group.terms, group.documents)]
            )
            rows = rows[self._matches(group, sums)]
        for row in rows:
            idf, n_empty = self._rows[row]
            yield replace(formula, idf=idf, n_empty=n_empty)

    def _matches(self, group: Group, sums: Array) -> Array:
        """Whether the sums `(rows, docs)` have the ratios of the scores to the first one."""
        scores = self._corpora[group.corpus].scores[group.query, group.documents]
        slack = self._errors[group.corpus][group.query, group.documents] / np.abs(scores)
        with np.errstate(all="ignore"):
            left, right = sums * scores[0], sums[:, :1] * scores
            allowed = SLACK * (slack + slack[0]) * np.abs(right) + 1e-12
            return np.asarray((np.abs(left - right) <= allowed).all(axis=1))


def _groups(number: int, one: ScoredCorpus) -> Iterator[Group]:
    for query in np.flatnonzero((one.q.max(axis=1, initial=0) == 1) & (one.q.sum(axis=1) > 1)):
        matched, terms = one.matched[query], np.flatnonzero(one.q[query])
        for count in range(1, len(terms) + 1):
            documents = np.flatnonzero((matched == count) & (one.scores[query] != 0))
            if len(documents) > 1:
                yield Group(number, int(query), terms, documents)
