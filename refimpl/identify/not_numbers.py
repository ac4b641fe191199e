"""Scores that are NaN: named with the documents that have them, and read as 0 where these lack the query's words."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64

from refimpl.common.types import Array
from refimpl.sparse.analyzers.own_stopwords import OWN

PLAIN = re.compile(r"[a-z]{3,}")  # a word that an analyzer keeps, but for stop words
STOP_WORDS = frozenset(OWN["english"].split())
Of = Literal["blank", "unrelated", "related"]
WORDS: Mapping[frozenset[Of], str] = {
    frozenset({"blank"}): "of documents without a word",
    frozenset({"unrelated"}): "of documents without a word of the query",
    frozenset({"blank", "unrelated"}): "of documents without a word of the query, empty ones included",
}


@dataclass(frozen=True)
class NotNumbers:
    """How many of `size` scores are NaN, and of which documents; `related`: those with a plain word of the query."""

    count: int = 0
    size: int = 0
    of: frozenset[Of] = frozenset()

    def __add__(self, other: "NotNumbers") -> "NotNumbers":
        return NotNumbers(self.count + other.count, self.size + other.size, self.of | other.of)

    def __bool__(self) -> bool:
        return self.count > 0

    @property
    def documents(self) -> str:
        """Which documents have them."""
        return WORDS.get(self.of, "also of documents with a word of the query")

    @property
    def related(self) -> bool:
        """Whether a document with a word of the query has one."""
        return "related" in self.of

    @property
    def treated(self) -> str:
        """What they are read as."""
        return "their queries are not read" if self.related else "read as 0"

    def __str__(self) -> str:
        return f"{self.count} of {self.size} scores are NaN, {self.documents}"


def without(
    scores: Float64[Array, "queries docs"], corpus: Sequence[str], queries: Sequence[str]
) -> tuple[Float64[Array, "queries docs"], NotNumbers]:
    """The scores with 0 for NaN, and what was NaN.

    The scores of a query are all NaN where those of a document with a word of it are: they are not read.
    """
    places = np.argwhere(np.isnan(scores))
    of_queries, of_documents = ([set(text.split()) for text in texts] for texts in (queries, corpus))
    kinds = [_of(of_queries[query], of_documents[document]) for query, document in places]
    found = np.where(np.isnan(scores), 0.0, scores)
    found[[query for (query, _), kind in zip(places, kinds, strict=True) if kind == "related"]] = np.nan
    return found, NotNumbers(len(places), scores.size, frozenset(kinds))


def _of(query: set[str], document: set[str]) -> Of:
    if not document:
        return "blank"
    shared = (query & document) - STOP_WORDS
    return "related" if any(map(PLAIN.fullmatch, shared)) else "unrelated"
