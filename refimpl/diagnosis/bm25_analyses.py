"""Usual ways to split texts into terms, enumerated, and those that agree with which documents a query finds."""

import itertools
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from jaxtyping import Bool

from refimpl.common.types import Array
from refimpl.diagnosis.bm25_scores import Analyze
from refimpl.sparse.analyzers import stem_english, stem_porter, stopwords
from refimpl.sparse.analyzers.own_stopwords import LUCENE_ENGLISH

REMOVED = "\x00"  # stands for a removed word where it counts in the length; no query has it
MOST_DOCUMENTS, MOST_QUERIES = 400, 40  # of a case that analyses are compared on
BEST = 4

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


def _unaccented(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", text.lower()) if unicodedata.category(c) != "Mn")


LUCENE = frozenset(LUCENE_ENGLISH.split())
CASES: dict[str, Change] = {"": str, "lower-cased": str.lower, "lower-cased without accents": _unaccented}


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

    def __call__(self, text: str) -> list[str]:
        """The terms, in order; `REMOVED` for each removed word where those count in the length."""
        keeps, stem = FILTERS[self.filter], STEMS[self.stem]
        words = _split(self.split, self.case, text)
        if self.counts_removed:
            return [stem(word) if keeps(word) else REMOVED for word in words]
        return [stem(word) for word in words if keeps(word)]


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
            yield Analysis(_words(documents), documents, Steps(*names))
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
    return Analysis(f"{_words(without)}, {step} {side}{_counted(both)}", documents, queries)


def _words(steps: Steps) -> str:
    names = [steps.split, *(name for name in (steps.case, steps.filter, steps.stem) if name)]
    return ", ".join(names) + _counted(steps)


def _counted(steps: Steps) -> str:
    return ", removed words count in the length" if steps.counts_removed else ""


@dataclass(frozen=True)
class Found:
    """Texts and queries, and which documents `(queries, docs)` each query finds."""

    corpus: Sequence[str]
    queries: Sequence[str]
    hits: Bool[Array, "queries docs"]

    def wrong(self, analysis: Analysis) -> int:
        """The number of pairs of a query and a document that are a hit without a common term, or the other way.

        Where fewer are wrong so, a hit has all terms of the query.
        """
        documents = [frozenset(analysis.documents(text)) for text in self.corpus]
        asked = [frozenset(analysis.queries(text)) for text in self.queries]
        some = [[not query.isdisjoint(document) for document in documents] for query in asked]
        every = [[bool(query) and query <= document for document in documents] for query in asked]
        shape = self.hits.shape
        return min(int(np.sum(np.array(each, bool).reshape(shape) != self.hits)) for each in (some, every))


def agreeing(cases: Sequence[Found]) -> list[Analysis]:
    """The analyses with the fewest wrong hits, simple ones first; empty where white space alone has as few."""
    cases = sorted((_sampled(case) for case in cases), key=lambda case: case.hits.size)
    best, found = sum(case.wrong(WHITE_SPACE) for case in cases), list[tuple[int, Analysis]]()
    for analysis in analyses():
        wrong = 0
        for case in cases:
            wrong += case.wrong(analysis)
            if wrong > best:
                break
        else:
            best = min(best, wrong)
            found.append((wrong, analysis))
    return [analysis for wrong, analysis in found if wrong == best and analysis != WHITE_SPACE]


def _sampled(case: Found) -> Found:
    rows = np.linspace(0, len(case.queries) - 1, min(len(case.queries), MOST_QUERIES), dtype=int)
    columns = np.linspace(0, len(case.corpus) - 1, min(len(case.corpus), MOST_DOCUMENTS), dtype=int)
    hits = case.hits[np.ix_(rows, columns)]
    return Found([case.corpus[i] for i in columns], [case.queries[i] for i in rows], hits)


WHITE_SPACE = next(analyses())
