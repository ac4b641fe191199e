"""Packages of the field, run unmodified: each is named as itself, with its own settings."""

import sqlite3

import numpy as np
import pytest

from refimpl.check.targets.python import PythonTarget
from refimpl.identify import identify_bm25


def rank_bm25(name):
    def scores(corpus, queries, k1, b):
        import rank_bm25

        with np.errstate(all="ignore"):  # k1 = 0 divides 0 by 0
            model = getattr(rank_bm25, name)([text.split() for text in corpus], k1=k1, b=b)
            return [model.get_scores(query.split()) for query in queries]

    return scores


def bm25s(method):
    def scores(corpus, queries, k1, b):
        import bm25s

        with np.errstate(all="ignore"):
            model = bm25s.BM25(method=method, k1=k1, b=b)
            model.index([text.split() for text in corpus], show_progress=False)
            return [model.get_scores(query.split()) for query in queries]

    return scores


def pymilvus_model(corpus, queries, k1, b):
    from pymilvus.model.sparse import BM25EmbeddingFunction

    function = BM25EmbeddingFunction(str.split, k1=k1, b=b)
    function.fit(corpus)
    return (function.encode_queries(queries) @ function.encode_documents(corpus).T).toarray()


def sklearn(**options):
    def scores(corpus, queries):
        from sklearn.feature_extraction.text import TfidfVectorizer

        vectorizer = TfidfVectorizer(**options)
        documents = vectorizer.fit_transform(corpus)
        return (vectorizer.transform(queries) @ documents.T).toarray()

    return scores


def tantivy(corpus, queries):
    import tantivy

    builder = tantivy.SchemaBuilder()
    builder.add_text_field("text", tokenizer_name="whitespace")
    builder.add_unsigned_field("number", stored=True)
    index = tantivy.Index(builder.build())
    writer = index.writer(num_threads=1)
    for number, text in enumerate(corpus):
        writer.add_document(tantivy.Document(text=text, number=number))
    writer.commit()
    index.reload()
    searcher, rows = index.searcher(), np.zeros((len(queries), len(corpus)))
    for row, query in zip(rows, queries, strict=True):
        terms = [tantivy.Query.term_query(index.schema, "text", term) for term in query.split()]
        any_term = tantivy.Query.boolean_query([(tantivy.Occur.Should, term) for term in terms])
        for score, address in searcher.search(any_term, limit=len(corpus)).hits:
            row[searcher.doc(address)["number"][0]] = score
    return rows


def fts5(corpus, queries):
    table = sqlite3.connect(":memory:")
    table.execute("create virtual table t using fts5(x)")
    table.executemany("insert into t(rowid, x) values (?, ?)", list(enumerate(corpus)))
    rows = np.zeros((len(queries), len(corpus)))
    for row, query in zip(rows, queries, strict=True):
        match = " OR ".join('"' + word.replace('"', '""') + '"' for word in query.split())
        for number, score in table.execute("select rowid, bm25(t) from t where t match ?", (match,)):
            row[number] = score
    return rows


def check(function, name):
    identified = identify_bm25(PythonTarget(function, "peer"))
    assert identified.confirmed
    assert f"this is the formula of {name}" in identified.sentence
    return {factor.name: factor.value for factor in identified.factors}


def test_sqlite():
    factors = check(fts5, "SQLite FTS5 bm25()")
    assert factors["k1 and b"] == "k1 = 1.2, b = 0.75"
    assert factors["sign"] == "negated: lower is better"
    assert factors["tokenisation"].startswith("case folded, accents removed")
    assert factors["tokens: emoji (😀)"] == "dropped"


@pytest.mark.peer
@pytest.mark.parametrize(
    ("function", "name"),
    [
        (rank_bm25("BM25Okapi"), "rank_bm25 BM25Okapi"),
        (rank_bm25("BM25L"), "rank_bm25 BM25L"),
        (rank_bm25("BM25Plus"), "rank_bm25 BM25Plus"),
        (bm25s("lucene"), "bm25s lucene"),
        (bm25s("robertson"), "bm25s robertson"),
        (bm25s("atire"), "bm25s atire"),
        (bm25s("bm25l"), "bm25s bm25l"),
        (bm25s("bm25+"), "bm25s bm25+"),
        (pymilvus_model, "pymilvus.model BM25EmbeddingFunction"),
        (tantivy, "tantivy"),
        (sklearn(), "scikit-learn TfidfVectorizer"),
        (sklearn(sublinear_tf=True, smooth_idf=False), "scikit-learn TfidfVectorizer, sublinear_tf, smooth_idf=False"),
    ],
)
def test_packages_are_named_as_themselves(function, name):
    check(function, name)


@pytest.mark.peer
def test_the_one_byte_table_is_tantivys():
    """A check on every length that a probe has, from tantivy's own scores."""
    factors = check(tantivy, "tantivy")
    assert factors["length normalisation"] == "tokens in one byte (Lucene's table)"
    assert factors["k1 and b"] == "k1 = 1.2, b = 0.75"
    assert factors["precision"] == "float32"
