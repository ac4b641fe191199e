"""BM25 libraries that score tokenised texts: rank_bm25, bm25s, pymilvus.model, gensim, scikit-learn and others."""

import numpy as np


def rank_bm25(name):
    """Return the adapter of one class of rank_bm25, or of a package with the same interface."""

    def scores(corpus, queries, k1, b, **_):
        import rank_bm25

        with np.errstate(all="ignore"):  # k1 = 0 divides 0 by 0
            model = getattr(rank_bm25, name)([text.split() for text in corpus], k1=k1, b=b)
            return [model.get_scores(query.split()) for query in queries]

    return scores


rank_bm25_okapi, rank_bm25_l, rank_bm25_plus = rank_bm25("BM25Okapi"), rank_bm25("BM25L"), rank_bm25("BM25Plus")


def bm25s(method):
    """Return the adapter of one method of bm25s."""

    def scores(corpus, queries, k1, b, **_):
        import bm25s

        with np.errstate(all="ignore"):
            model = bm25s.BM25(method=method, k1=k1, b=b)
            model.index([text.split() for text in corpus], show_progress=False)
            return [model.get_scores(query.split()) for query in queries]

    return scores


bm25s_lucene, bm25s_robertson, bm25s_atire = bm25s("lucene"), bm25s("robertson"), bm25s("atire")
bm25s_l, bm25s_plus = bm25s("bm25l"), bm25s("bm25+")


def pymilvus_model(corpus, queries, k1, b, **_):
    """pymilvus.model's BM25EmbeddingFunction, with `str.split` as the analyzer."""
    from pymilvus.model.sparse import BM25EmbeddingFunction

    function = BM25EmbeddingFunction(str.split, k1=k1, b=b)
    function.fit(corpus)
    return (function.encode_queries(queries) @ function.encode_documents(corpus).T).toarray()


def gensim(name, *, from_corpus=False):
    """Return the adapter of one BM25 model of gensim, built from the dictionary or from the corpus."""

    def scores(corpus, queries, k1, b, **_):
        from gensim import corpora, models

        dictionary = corpora.Dictionary([text.split() for text in corpus])
        bags = [dictionary.doc2bow(text.split()) for text in corpus]
        source = {"corpus": bags} if from_corpus else {"dictionary": dictionary}
        model = getattr(models, name)(k1=k1, b=b, **source)
        weights = [dict(model[bag]) if bag else {} for bag in bags]
        ids = [[dictionary.token2id.get(term) for term in query.split()] for query in queries]
        return [[sum(one.get(i, 0.0) for i in terms) for one in weights] for terms in ids]

    return scores


gensim_okapi, gensim_okapi_corpus = gensim("OkapiBM25Model"), gensim("OkapiBM25Model", from_corpus=True)
gensim_lucene, gensim_lucene_corpus = gensim("LuceneBM25Model"), gensim("LuceneBM25Model", from_corpus=True)
gensim_atire, gensim_atire_corpus = gensim("AtireBM25Model"), gensim("AtireBM25Model", from_corpus=True)


def sklearn(**options):
    """Return the adapter of scikit-learn's TfidfVectorizer, which is no BM25 but stands where one might."""

    def scores(corpus, queries, **_):
        from sklearn.feature_extraction.text import TfidfVectorizer

        vectorizer = TfidfVectorizer(**options)
        documents = vectorizer.fit_transform(corpus)
        return (vectorizer.transform(queries) @ documents.T).toarray()

    return scores


sklearn_tfidf, sklearn_sublinear = sklearn(), sklearn(sublinear_tf=True, smooth_idf=False)


def bm25_pt(corpus, queries, k1, b, **_):
    """bm25_pt, BM25 in PyTorch, with the ids of white-space tokens; 0 is its padding."""
    import torch
    from bm25_pt.bm25 import TokenizedBM25

    terms = dict.fromkeys(" ".join([*corpus, *queries]).split())
    ids = {term: number for number, term in enumerate(terms, 1)}

    def padded(texts):
        rows = [torch.tensor([ids[term] for term in text.split()], dtype=torch.int64) for text in texts]
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)

    model = TokenizedBM25(k1=k1, b=b, vocab_size=len(ids) + 1)
    model.index(padded(corpus))
    return model.score_batch(padded(queries)).tolist()


def bagmodels(corpus, queries, k1, b, **_):
    """Return bagmodels' similarity: the cosine of two vectors of BM25 weights."""
    from bagmodels import BM25

    model = BM25([text.split() for text in corpus], k1=k1, b=b)
    docs = [text.split() for text in corpus]
    return [[model.similarity(query.split(), doc) for doc in docs] for query in queries]
