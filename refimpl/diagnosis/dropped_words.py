"""Words that an implementation leaves out of every text, such as stop words: solved for, text by text."""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import chain, combinations

from refimpl.diagnosis.embedding_problem import EmbeddingProblem
from refimpl.diagnosis.hypotheses import Combination, Hypothesis
from refimpl.diagnosis.token_hypotheses import encoder
from refimpl.sparse.analyzers.own_stopwords import LUCENE_ENGLISH, OWN

STOPWORDS = frozenset(OWN["english"].split()) | frozenset(LUCENE_ENGLISH.split())
MOST_TOGETHER = 5  # undecided words of a text, of which every part is tried
MOST_TEXTS = 24
SHOWN = 8

Drop = Callable[[str, frozenset[str]], str]


def _whole_words(text: str, words: frozenset[str]) -> str:
    """Words between spaces, so that one with a comma stays."""
    return " ".join(word for word in text.split() if word.lower() not in words)


def _words(text: str, words: frozenset[str]) -> str:
    """Words between any other characters."""
    return re.sub(r"\w+", lambda match: "" if match[0].lower() in words else match[0], text)


@cache
def without_words(drop: Drop, words: frozenset[str]) -> Hypothesis:
    """The hypothesis that these words are left out; one object per words."""
    listed = sorted(words)
    named = ", ".join(listed[:SHOWN]) + (f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else "")
    return Hypothesis(
        f"words dropped ({named})",
        "these words are left out of every text, as stop words are for BM25",
        encoder(text_changes=(lambda text: drop(text, words),)),
        remedy="an encoder needs every word",
    )


class DroppedWordSearch:
    """Finds the stop words that are left out, where texts without them match."""

    def __init__(self, problem: EmbeddingProblem) -> None:
        self.problem = problem

    def __call__(
        self, context: Combination, explained: Sequence[int], unexplained: Sequence[int]
    ) -> Iterator[Combination]:
        """`context` with the words whose absence explains the shortest unexplained texts; nothing where none does."""
        texts = self.problem.encoder.firsts
        rows = sorted(unexplained, key=lambda row: len(texts[row]))[:MOST_TEXTS]
        for drop, split in ((_whole_words, str.split), (_words, re.compile(r"\w+").findall)):
            kept = frozenset(word for row in explained for word in split(texts[row].lower()))
            some = [(row, frozenset(split(texts[row].lower())) & STOPWORDS) for row in rows]
            if explained and some[0][1] - kept and (words := self._solved(context, drop, kept, some)):
                yield (*context, without_words(drop, words))

    def _solved(
        self, context: Combination, drop: Drop, kept: frozenset[str], rows: Sequence[tuple[int, frozenset[str]]]
    ) -> frozenset[str]:
        """The words that explain the texts one after another; none where the first is not explained."""
        dropped = frozenset[str]()
        for number, (row, words) in enumerate(rows):
            undecided = sorted(words - kept - dropped)
            few = len(undecided) <= MOST_TOGETHER
            sizes = range(len(undecided), -1, -1) if few else (len(undecided), 1)
            parts = chain.from_iterable(combinations(undecided, size) for size in sizes)
            tried = (dropped | set(part) for part in parts)
            exact = (each for each in tried if self._explains(context, drop, each, row))
            nearest = next(exact, None)
            if nearest is not None:
                dropped, kept = nearest, kept | (words - nearest)
            elif not number:
                return frozenset()
        return dropped

    def _explains(self, context: Combination, drop: Drop, words: frozenset[str], row: int) -> bool:
        return bool(words) and self.problem.trial((*context, without_words(drop, words)), [row]).count > 0
