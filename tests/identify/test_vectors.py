"""BM25s that give vectors: queries weighted like documents, cosines of weights, unknown terms that are refused."""

import math
from collections import Counter

import pytest
from miswritten_bm25 import lucene, usual

from refimpl.check.targets.python import PythonTarget
from refimpl.identify import Identification, identify_bm25


def identified(function) -> Identification:
    return identify_bm25(PythonTarget(function, "mine"))


def weights(tokens, average, k1, b):
    return {term: usual(f, len(tokens), average, k1, b) for term, f in Counter(tokens).items()}


def chroma(corpus, queries, k1=1.2, b=0.75):
    """The inner products of chromadb's ChromaBm25EmbeddingFunction for white-space tokens: no idf, a length of 256."""
    docs = [weights(text.split(), 256, k1, b) for text in corpus]
    asked = [weights(text.split(), 256, k1, b) for text in queries]
    return [[sum(w * doc.get(term, 0) for term, w in query.items()) for doc in docs] for query in asked]


def chroma_with_its_defaults(corpus, queries):
    return chroma(corpus, queries)


@pytest.mark.parametrize(
    ("function", "parameters"),
    [(chroma, ""), (chroma_with_its_defaults, "k1 = 1.2, b = 0.75, ")],
    ids=["given", "fixed"],
)
def test_a_query_that_is_weighted_like_a_document_is_told(function, parameters):
    found = identified(function)
    assert found.sentence.startswith(
        "No idf, tf saturated f, factor k1 + 1, lengths: tokens, average length: constant 256, "
        f"{parameters}query terms are weighted like a document's terms: "
    )
    assert found.confirmed


def test_another_weight_by_the_length_of_the_query_is_no_documents():
    """k1 = 2, b = 0.5 and an average of 10 in queries: K = 1 + 0.1 t."""

    def with_other_parameters(corpus, queries, k1, b):
        docs = [weights(text.split(), 50, k1, b) for text in corpus]
        asked = [weights(text.split(), 10, 2.0, 0.5) for text in queries]
        return [[sum(w * doc.get(term, 0) for term, w in query.items()) for doc in docs] for query in asked]

    found = identified(with_other_parameters)
    assert "a term repeated q times among a query's t tokens counts q / (q + k3 + c t)" in found.sentence
    assert next(one for one in found.factors if one.name == "repeated query terms").value.endswith("k3 = 1, c = 0.1")
    assert found.confirmed


def bagmodels(corpus, queries, k1, b, *, known_only=True):
    """The cosine of documents' and queries' vectors of idf and weight, as bagmodels 0.1.5 computes it."""
    docs = [text.split() for text in corpus]
    df = Counter(term for doc in docs for term in set(doc))
    average = sum(map(len, docs)) / len(docs) or 1

    def vector(tokens):
        weighted = weights(tokens, average, k1, b)
        return {t: w * lucene(df[t], len(docs)) for t, w in weighted.items() if t in df or not known_only}

    def cosine(one, other):
        product = sum(w * other.get(term, 0) for term, w in one.items())
        norms = math.sqrt(sum(w * w for w in one.values()) * sum(w * w for w in other.values()))
        return product / norms if norms else 0.0

    vectors = [vector(doc) for doc in docs]
    return [[cosine(vector(text.split()), each) for each in vectors] for text in queries]


@pytest.mark.parametrize("known_only", [True, False])
def test_the_cosine_of_two_bm25_vectors_is_told(known_only):
    found = identified(lambda corpus, queries, k1, b: bagmodels(corpus, queries, k1, b, known_only=known_only))
    assert found.sentence.startswith(
        "Lucene idf, tf saturated f, lengths: tokens, and the Euclidean norm of the weights, "
        "query terms are weighted like a document's terms, cosine of query and document: "
    )
    assert found.confirmed


def test_the_cosine_of_tf_idf_vectors_has_a_length_normalisation():
    """As scikit-learn's TfidfVectorizer: of unequal lengths among the documents that a term finds, too."""

    def tf_idf(corpus, queries):
        docs, asked = ([Counter(text.split()) for text in texts] for texts in (corpus, queries))
        df = Counter(term for doc in docs for term in doc)

        def unit(counts):
            weighted = {t: f * (1 + math.log((1 + len(docs)) / (1 + df[t]))) for t, f in counts.items() if t in df}
            norm = math.sqrt(sum(w * w for w in weighted.values())) or 1
            return {term: w / norm for term, w in weighted.items()}

        vectors = [unit(doc) for doc in docs]
        return [[sum(w * doc.get(t, 0) for t, w in unit(query).items()) for doc in vectors] for query in asked]

    found = identified(tf_idf)
    assert found.sentence == (
        "Smoothed + 1 idf, tf f, lengths: Euclidean norm of the weights, query terms as a multiset, "
        "cosine of query and document: this is the formula of scikit-learn TfidfVectorizer 1.9.1."
    )
    assert "/ |d| * idf(t) w(q) / |q|" in found.text


def test_a_refused_unknown_term_leaves_the_other_queries():
    def refuses_unknown_terms(corpus, queries, k1, b):
        docs = [text.split() for text in corpus]
        df = Counter(term for doc in docs for term in set(doc))
        idf = {term: lucene(n, len(docs)) for term, n in df.items()}
        average = sum(map(len, docs)) / len(docs) or 1
        vectors = [weights(doc, average, k1, b) for doc in docs]
        return [[sum(idf[term] * doc.get(term, 0) for term in text.split()) for doc in vectors] for text in queries]

    found = identified(refuses_unknown_terms)
    assert "queries with a term that no document has are refused" in found.sentence
    assert "this is the formula of BM25 with a positive idf (Wikipedia)" in found.sentence
    rows = {one.name: one.value for one in found.factors}
    assert rows["terms that no document has"] == "refused: mine raised KeyError: 'hujok'"
    assert rows["tokenisation"] == "terms as whitespace separates them"
    assert not any("nan" in str(one.error) for one in found.factors)
