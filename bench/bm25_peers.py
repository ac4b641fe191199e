"""BM25 of the other libraries behind one interface: build from token lists, then the top k per query, with scores.

All use Lucene's formula with k1 = 1.2 and b = 0.75, the only one in tantivy (with lengths in one byte, times k1 + 1);
rank_bm25 has only its own.
"""

import tempfile
from typing import Any

import numpy as np

from bench import peers
from refimpl import BM25Index

K1, B = 1.2, 0.75

Tokens = list[list[str]]


def ours(tokens: Tokens) -> Any:
    return BM25Index.from_tokens(tokens, variant="lucene", k1=K1, b=B)


def bm25s_build(tokens: Tokens, backend: str = "numpy") -> Any:
    bm25s = peers.get("bm25s")
    assert bm25s is not None
    index = bm25s.BM25(method="lucene", k1=K1, b=B, backend=backend)
    index.index(tokens, show_progress=False)
    if backend == "numba":
        index.activate_numba_scorer()
    return index


def bm25s_search(index: Any, queries: Tokens, k: int) -> Any:
    return index.retrieve(queries, k=k, show_progress=False, n_threads=0)


class Tantivy:
    """One segment, in memory, one writing thread; tokens are joined by spaces and split at white space."""

    def __init__(self, tokens: Tokens) -> None:
        self.tantivy: Any = peers.get("tantivy")
        builder = self.tantivy.SchemaBuilder()
        builder.add_integer_field("id", stored=True)
        builder.add_text_field("text", tokenizer_name="whitespace", index_option="freq")
        self.schema = builder.build()
        self._folder = tempfile.TemporaryDirectory()
        index = self.tantivy.Index(self.schema, path=self._folder.name)
        writer = index.writer(400_000_000, 1)
        for number, doc in enumerate(tokens):
            writer.add_document(self.tantivy.Document(id=number, text=" ".join(doc)))
        writer.commit()
        writer.wait_merging_threads()
        index.reload()
        self.searcher = index.searcher()

    def parsed(self, queries: Tokens) -> list[Any]:
        """The queries as tantivy's objects, so that parsing is not measured."""
        return [
            self.tantivy.Query.boolean_query(
                [
                    (self.tantivy.Occur.Should, self.tantivy.Query.term_query(self.schema, "text", w, "freq"))
                    for w in query
                ]
            )
            for query in queries
        ]

    def search(self, parsed: list[Any], k: int) -> list[Any]:
        return [self.searcher.search(query, k, count=False).hits for query in parsed]

    def hits(self, results: list[Any]) -> list[list[tuple[int, float]]]:
        return [[(self.searcher.doc(at)["id"][0], score) for score, at in hits] for hits in results]


class Turbo:
    """bm25-turbo, which takes texts: its words are those of the tokens, and splitting a query is part of its time."""

    def __init__(self, tokens: Tokens) -> None:
        library: Any = peers.get("bm25_turbo_python")
        self.index = library.BM25(method="lucene", k1=K1, b=B)
        self.index.index([" ".join(doc) for doc in tokens])

    def joined(self, queries: Tokens) -> list[str]:
        """The queries as texts, so that joining is not measured."""
        return [" ".join(query) for query in queries]

    def search(self, texts: list[str], k: int) -> list[Any]:
        return [self.index.search_numpy(text, k) for text in texts]


def rank_bm25_build(tokens: Tokens) -> Any:
    rank_bm25 = peers.get("rank_bm25")
    assert rank_bm25 is not None
    return rank_bm25.BM25Okapi(tokens, k1=K1, b=B)


def rank_bm25_search(index: Any, queries: Tokens, k: int) -> list[Any]:
    """The best k of get_scores, by a partition instead of its own full sort."""
    results = []
    for query in queries:
        scores = index.get_scores(query)
        best = np.argpartition(-scores, k)[:k]
        best = best[np.argsort(-scores[best])]
        results.append((best, scores[best]))
    return results
