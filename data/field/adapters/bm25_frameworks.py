"""BM25 of retrieval frameworks: haystack, txtai, Chroma."""

from score_rows import score_rows


def haystack(algorithm, *, scale=False):
    """Return the adapter of haystack's in-memory store with one of its BM25 algorithms."""

    def scores(corpus, queries, k1, b, **_):
        from haystack import Document
        from haystack.document_stores.in_memory import InMemoryDocumentStore

        store = InMemoryDocumentStore(
            bm25_algorithm=algorithm,
            bm25_parameters={"k1": k1, "b": b},
            bm25_tokenization_regex=r"\S+",
            shared=False,
        )
        store.write_documents([Document(id=str(number), content=text) for number, text in enumerate(corpus)])

        def hits(terms):
            found = store.bm25_retrieval(" ".join(terms), top_k=len(corpus), scale_score=scale)
            return [(int(document.id), document.score) for document in found]

        return score_rows(corpus, queries, hits)

    return scores


haystack_okapi, haystack_l, haystack_plus = haystack("BM25Okapi"), haystack("BM25L"), haystack("BM25Plus")
haystack_scaled = haystack("BM25Okapi", scale=True)


def txtai(corpus, queries, k1, b, **_):
    """Txtai's BM25 scoring, with terms as a sparse index."""
    from txtai.scoring import ScoringFactory

    scoring = ScoringFactory.create(
        {"method": "bm25", "terms": True, "k1": k1, "b": b, "tokenizer": {"lowercase": False}}
    )
    scoring.config["tokenizer"] = None
    scoring.tokenize = str.split
    scoring.index((number, text, None) for number, text in enumerate(corpus))
    return score_rows(corpus, queries, lambda terms: scoring.search(" ".join(terms), limit=len(corpus)))


def chroma(corpus, queries, k1, b, **_):
    """Inner products of the sparse vectors of Chroma's ChromaBm25EmbeddingFunction."""
    from chromadb.utils.embedding_functions import ChromaBm25EmbeddingFunction

    embed = ChromaBm25EmbeddingFunction(k=k1, b=b)
    docs = [dict(zip(one.indices, one.values, strict=True)) for one in embed(corpus)]
    asked = [dict(zip(one.indices, one.values, strict=True)) for one in embed(queries)]
    return [[sum(weight * doc.get(term, 0.0) for term, weight in query.items()) for doc in docs] for query in asked]
