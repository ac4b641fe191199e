"""Corpora as implementations read them that do not count whole terms, or measure lengths in other units than terms."""

import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from refimpl.common.types import Array
from refimpl.diagnosis.bm25_problem import GivenCase
from refimpl.diagnosis.bm25_readings import ScoredCorpus
from refimpl.diagnosis.bm25_scores import Analyze
from refimpl.identify.heldout import Occurrences


def substrings(term: str, text: str) -> int:
    """How often the text has the term, within words too; occurrences do not overlap."""
    return text.count(term) if term else 0


def prefixes(term: str, text: str) -> int:
    """How many words of the text begin with the term."""
    return sum(word.startswith(term) for word in text.split())


MATCHINGS: Mapping[str, Occurrences] = {"substrings": substrings, "prefixes": prefixes}
UNITS: Mapping[str, Analyze] = {
    "runs of ASCII word characters": re.compile(r"\w+", re.ASCII).findall,
    "runs of word characters": re.compile(r"\w+").findall,
    "characters": list,
}
"""What lengths are counted in, beside terms."""


def readings(cases: Sequence[GivenCase], analyze: Analyze) -> Iterator[tuple[tuple[str, ...], list[ScoredCorpus]]]:
    """Each matching and each unit of lengths that the scores allow, in words, with the corpora.

    Parts of terms are tried only where documents without a whole term of the query have scores.
    """
    whole = [_corpus(case, analyze, None, None) for case in cases]
    for matching, words in _matchings(cases, analyze, whole):
        tried = whole if matching is None else []
        for unit in (None, *UNITS):
            corpora = [_corpus(case, analyze, matching, unit) for case in cases]
            if all(map(ScoredCorpus.possible, corpora)) and not (tried and _same_lengths(corpora, tried)):
                tried = tried or corpora
                yield words + (() if unit is None else (f"unit of the lengths: {unit} instead of terms",)), corpora


def _matchings(
    cases: Sequence[GivenCase], analyze: Analyze, whole: Sequence[ScoredCorpus]
) -> Iterator[tuple[str | None, tuple[str, ...]]]:
    """Whole terms, or each other matching, in words; together those that count the same in these texts."""
    if all(map(ScoredCorpus.possible, whole)):
        yield None, ()
        return
    groups: list[tuple[list[str], list[ScoredCorpus]]] = []
    for name in MATCHINGS:
        corpora = [_corpus(case, analyze, name, None) for case in cases]
        same = next((names for names, others in groups if _same_counts(corpora, others)), None)
        if same is None:
            groups.append(([name], corpora))
        else:
            same.append(name)
    for names, _ in groups:
        yield names[0], (f"matching: {' or '.join(names)} instead of whole terms",)


def _corpus(case: GivenCase, analyze: Analyze, matching: str | None, unit: str | None) -> ScoredCorpus:
    documents, queries = case.tokens(analyze)
    own = documents if unit is None else [UNITS[unit](str(text)) for text in case.corpus]
    terms = list(dict.fromkeys(term for query in queries for term in query))
    counts = _whole(terms, documents) if matching is None else _counts(terms, case.corpus, MATCHINGS[matching])
    return ScoredCorpus(own, queries, case.k1, case.b, case.scores, None if matching is unit is None else counts)


def _whole(terms: Sequence[str], documents: Sequence[Sequence[str]]) -> Array:
    return np.array([[list(doc).count(term) for term in terms] for doc in documents], np.float64)


def _counts(terms: Sequence[str], texts: Sequence[object], occurrences: Occurrences) -> Array:
    return np.array([[occurrences(term, str(text)) for term in terms] for text in texts], np.float64)


def _same_lengths(some: Sequence[ScoredCorpus], others: Sequence[ScoredCorpus]) -> bool:
    return all(np.array_equal(a.reduced.lengths, b.reduced.lengths) for a, b in zip(some, others, strict=True))


def _same_counts(some: Sequence[ScoredCorpus], others: Sequence[ScoredCorpus]) -> bool:
    return all(np.array_equal(a.f, b.f) for a, b in zip(some, others, strict=True))
