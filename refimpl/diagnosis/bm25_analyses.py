"""Usual ways to split texts into terms, enumerated, and those that agree with which documents a query finds."""

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from jaxtyping import Bool

from refimpl.common.types import Array
from refimpl.diagnosis.bm25_scores import Analyze
from refimpl.diagnosis.rewriting import accents_stripped
from refimpl.identify import token_words, tokens
from refimpl.sparse.analyzers import stem_english, stem_porter, stopwords
from refimpl.sparse.analyzers.own_stopwords import LUCENE_ENGLISH

REMOVED = "\x00"  # in the place of a removed word that counts in the length; no query has it
MOST_DOCUMENTS, MOST_QUERIES = 64, 20  # of a case that analyses are compared on

Terms = tuple[str, ...]
Words = Callable[[str], list[str]]
Change = Callable[[str], str]
Keeps = Callable[[str], bool]

SPLITS: dict[str, Words] = {
    "words between white space": str.split,
    r"runs of \w": re.compile(r"\w+").findall,
    r"runs of two or more \w": re.compile(r"\b\w\w+\b").findall,
    "runs of ASCII letters and digits": re.compile("[A-Za-z0-9]+").findall,
    "runs of letters": re.compile(r"[^\W\d_]+").findall,
}


def _lowered_without_accents(text: str) -> str:
    return accents_stripped(text.lower())


LUCENE = frozenset(LUCENE_ENGLISH.split())
CASES: dict[str, Change] = {
    "": str,
    "lower-cased": str.lower,
    "without accents": accents_stripped,
    "lower-cased without accents": _lowered_without_accents,
}


@cache
def _nltk_english() -> frozenset[str]:
    return stopwords.of_language("english")


FILTERS: dict[str, Keeps] = {
    "": lambda word: True,
    "without Lucene's 33 stop words": lambda word: word not in LUCENE,
    "without NLTK's English stop words": lambda word: word not in _nltk_english(),
    "of two or more letters": lambda word: len(word) > 1,
    "of three or more letters": lambda word: len(word) > 2,
}
STEMS: dict[str, Change] = {
    "": str,
    "Porter stems": lru_cache(1 << 14)(stem_porter.stem),
    "Snowball's English stems": lru_cache(1 << 14)(stem_english.stem),
    "without a final s": lambda word: word.removesuffix("s"),
}
SIDES = ("", "in documents only", "in queries only")


@lru_cache(1 << 14)
def _split(split: str, case: str, text: str) -> list[str]:
    return SPLITS[split](CASES[case](text))


@dataclass(frozen=True)
class Steps:
    """How one side is split: the names of a split, a change of case, a filter and a stemmer."""

    split: str
    case: str
    filter: str
    stem: str
    counts_removed: bool = False
    dropped: frozenset[str] = frozenset()
    """Further words that are removed, before they are stemmed."""

    @property
    def words(self) -> str:
        """The steps in words."""
        names = [self.split, *(name for name in (self.case, self.filter, self.stem) if name)]
        return ", ".join(names) + (", removed words count in the length" if self.counts_removed else "")

    def _keeps(self, word: str) -> bool:
        return FILTERS[self.filter](word) and word not in self.dropped

    def __call__(self, text: str) -> list[str]:
        """The terms, in order; `REMOVED` for each removed word where those count in the length."""
        stem = STEMS[self.stem]
        words = _split(self.split, self.case, text)
        if self.counts_removed:
            return [stem(word) if self._keeps(word) else REMOVED for word in words]
        return [stem(word) for word in words if self._keeps(word)]


@dataclass(frozen=True)
class Analysis:
    """How documents and queries are split into terms, in words and as functions."""

    name: str
    documents: Analyze
    queries: Analyze


def analyses() -> Iterator[Analysis]:
    """Every combination of steps, the same for documents and queries, then with one step on one side alone."""
    for names in itertools.product(SPLITS, CASES, FILTERS, STEMS):
        for counts in (False, True) if names[2] else (False,):
            documents = Steps(*names, counts)
            yield Analysis(documents.words, documents, Steps(*names))
            for number, side in itertools.product((1, 2, 3), SIDES[1:]):
                if names[number] and (not counts or side == SIDES[1]):
                    yield _on_one_side(documents, number, side)


def _on_one_side(both: Steps, number: int, side: str) -> Analysis:
    """The analysis of which step `number` is left out on the other side."""
    names = [both.split, both.case, both.filter, both.stem]
    plain = Steps(names[0], names[1], names[2], names[3])
    step, names[number] = names[number], ""
    without = Steps(names[0], names[1], names[2], names[3])
    documents, queries = (both, without) if side == SIDES[1] else (without, plain)
    counted = ", removed words count in the length" if both.counts_removed else ""
    return Analysis(f"{without.words}, {step} {side}{counted}", documents, queries)


@dataclass(frozen=True)
class Hits:
    """Texts and queries, and which documents `(queries, docs)` each query returns."""

    corpus: Sequence[str]
    queries: Sequence[str]
    returned: Bool[Array, "queries docs"]

    def sampled(self) -> "Hits":
        """At most MOST_DOCUMENTS and MOST_QUERIES of them, spread over all."""
        rows, columns = (
            np.linspace(0, len(texts) - 1, min(len(texts), most), dtype=int)
            for texts, most in ((self.queries, MOST_QUERIES), (self.corpus, MOST_DOCUMENTS))
        )
        corpus, queries = [self.corpus[i] for i in columns], [self.queries[i] for i in rows]
        return Hits(corpus, queries, self.returned[np.ix_(rows, columns)])

    def wrong(self, documents: Sequence[Terms], queries: Sequence[Terms]) -> int:
        """The number of pairs of a query and a document that are a hit without a common term, or the other way.

        Where fewer are wrong so, a hit has all terms of the query.
        """
        terms, query_terms = [frozenset(each) for each in documents], [frozenset(each) for each in queries]
        some = [[not query.isdisjoint(document) for document in terms] for query in query_terms]
        every = [[bool(query) and query <= document for document in terms] for query in query_terms]
        shape = self.returned.shape
        return min(int(np.sum(np.array(each, bool).reshape(shape) != self.returned)) for each in (some, every))


def agreeing(cases: Sequence[Hits]) -> list[Analysis]:
    """The analyses with the fewest wrong hits, simple ones first; of those that split a sample alike, the first.

    Empty where none has as few as white space, or where all that have split the sample as white space does.
    """
    cases = sorted((case.sampled() for case in cases), key=lambda case: case.returned.size)
    sides = {side: [getattr(case, side) for case in cases] for side in ("corpus", "queries")}

    @cache
    def split(analyze: Analyze, side: str) -> tuple[tuple[Terms, ...], ...]:
        return tuple(tuple(tuple(analyze(text)) for text in texts) for texts in sides[side])

    seen, least, best = set(), np.inf, list[Analysis]()
    for analysis in analyses():
        documents, queries = split(analysis.documents, "corpus"), split(analysis.queries, "queries")
        if (documents, queries) in seen:
            continue
        seen.add((documents, queries))
        wrong = sum(map(Hits.wrong, cases, documents, queries))
        if wrong <= least:
            best = [*(best if wrong == least else []), analysis]
            least = wrong
    return [analysis for analysis in best if analysis != WHITE_SPACE]


WHITE_SPACE = next(analyses())


def disagreements(analysis: Analysis, probed: Hits) -> list[str]:
    """The names of the written forms of `refimpl.identify.tokens` that other queries find than under the analysis."""
    rows = {query: row for row, query in enumerate(probed.queries)}
    columns = {document: column for column, document in enumerate(probed.corpus)}

    def differs(query: str, document: str) -> bool:
        common = not set(analysis.queries(query)).isdisjoint(analysis.documents(document))
        return common != bool(probed.returned[rows[query], columns[document]])

    return [name for name, cells in tokens.cells().items() if any(differs(*cell) for cell in cells)]


def of_folding(names: Sequence[str]) -> bool:
    """Whether one of the names is of cases, accents or plurals: the analysis folds what the implementation does not."""
    return not {*token_words.FOLDED, token_words.CAPITALS}.isdisjoint(names)
