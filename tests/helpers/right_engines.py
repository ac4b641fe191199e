"""Engines written from the definitions, without refimpl: scores by numpy or plain loops, sorted by Python."""

import math
import re
from collections import Counter
from functools import cache

import numpy as np
from scipy.sparse import csr_array, random_array

from refimpl.search.documents import Documents
from refimpl.search.milvus_deviations import validate_full_text
from refimpl.search.plan import LoadedDataset
from refimpl.search.records import Ranker, SearchResults
from refimpl.search.run_validation import validate_hybrid
from refimpl.search.topk import TopK
from refimpl.search.validation import (
    dense_bounds,
    sparse_bounds,
    validate_dense,
    validate_sparse,
)

rng = np.random.default_rng(7)
DOCS, QUERIES, DIM, TERMS, K = 60, 12, 8, 30, 20
DENSE = rng.normal(size=(DOCS, DIM)).astype(np.float32)
DENSE_QUERIES = rng.normal(size=(QUERIES, DIM)).astype(np.float32)
SPARSE = csr_array(random_array((DOCS, TERMS), density=0.1, rng=rng, dtype=np.float32)) * np.float32(3)
SPARSE_QUERIES = csr_array(random_array((QUERIES, TERMS), density=0.15, rng=rng, dtype=np.float32))
VOCABULARY = [f"word{i}" for i in range(25)]
TEXTS = [" ".join(rng.choice(VOCABULARY, size=rng.integers(3, 12))) for _ in range(DOCS)]
QUERY_TEXTS = [" ".join(rng.choice(VOCABULARY, size=3, replace=False)) for _ in range(QUERIES)]
LOADED = LoadedDataset(
    "toy",
    "",
    Documents.of([str(i) for i in range(DOCS)], TEXTS),
    {f"q{i}": text for i, text in enumerate(QUERY_TEXTS)},
    {},
)


def top(rows, k=K):
    """The k best of each row of scores (-inf: no hit), rounded to float32 as an engine returns them."""
    ids, scores = np.full((len(rows), k), -1), np.full((len(rows), k), -np.inf)
    for query, row in enumerate(rows):
        order = sorted((i for i in range(len(row)) if row[i] > -np.inf), key=lambda i: (-row[i], i))[:k]
        ids[query, : len(order)], scores[query, : len(order)] = order, np.float32([row[i] for i in order])
    return TopK(ids, scores)


def dense_matrix(metric, queries=DENSE_QUERIES, documents=DENSE):
    q, d = queries.astype(np.float64), documents.astype(np.float64)
    if metric == "L2":
        return -((q[:, None] - d[None]) ** 2).sum(axis=2)
    if metric == "COSINE":
        q, d = q / np.linalg.norm(q, axis=1, keepdims=True), d / np.linalg.norm(d, axis=1, keepdims=True)
    return np.einsum("qi,di->qd", q, d)


def sparse_matrix(queries=SPARSE_QUERIES, documents=SPARSE):
    q, d = queries.toarray().astype(np.float64), documents.toarray().astype(np.float64)
    shared = np.einsum("qi,di->qd", q != 0, d != 0, dtype=int) > 0
    return np.where(shared, np.einsum("qi,di->qd", q, d), -np.inf)


def bm25_matrix(k1=1.5, b=0.75, factor=None, idf=lambda n, df: math.log(1 + (n - df + 0.5) / (df + 0.5))):
    """BM25 as Robertson and Zaragoza (2009) define it with Lucene's idf, term by term; `factor` replaces (k1 + 1)."""
    words = [Counter(re.findall(r"\w+", text.lower())) for text in TEXTS]
    df = Counter(word for counts in words for word in counts)
    avgdl = sum(sum(counts.values()) for counts in words) / len(words)
    rows = np.full((QUERIES, DOCS), -np.inf)
    for query, text in enumerate(QUERY_TEXTS):
        for doc, counts in enumerate(words):
            norm = k1 * (1 - b + b * sum(counts.values()) / avgdl)
            shared = [word for word in text.split() if word in counts]
            if shared:
                rows[query, doc] = sum(
                    idf(len(words), df[w]) * counts[w] * (factor or k1 + 1) / (counts[w] + norm) for w in shared
                )
    return rows


def ranks(row):
    """`{document: rank from 1}` of a route's K best."""
    return {int(doc): rank for rank, doc in enumerate(top([row]).ids[0], start=1) if doc >= 0}


def fused_matrix(routes, share):
    """Sum over the routes of `share(route, rank, score)` for the documents among the route's K best."""
    rows = np.full((QUERIES, DOCS), -np.inf)
    for query in range(QUERIES):
        totals = {}
        for number, route in enumerate(routes):
            for doc, rank in ranks(route[query]).items():
                totals[doc] = totals.get(doc, 0.0) + share(number, rank, route[query][doc])
        rows[query, list(totals)] = list(totals.values())
    return rows


def reciprocal(k=60, start=1):
    return lambda route, rank, score: 1 / (k + rank - 1 + start)


def weighting(weights, maps):
    return lambda route, rank, score: weights[route] * maps[route](score)


def unit_cosine(score):
    return (1 + score) / 2


def unit_ip(score):
    return 0.5 + math.atan(score) / math.pi


def unit_bm25(score):
    return 2 * math.atan(score) / math.pi


def unit_l2(score):
    return 1 - 2 * math.atan(-score) / math.pi


def identity(score):
    return score


WEIGHTS = (0.7, 0.3)
COSINE_AND_SPARSE = (dense_matrix("COSINE"), sparse_matrix())
L2_AND_SPARSE = (dense_matrix("L2"), sparse_matrix())


def validate_fused(hits, ranker, metric="COSINE"):
    routes = [dense_bounds(DENSE_QUERIES, DENSE, metric), sparse_bounds(SPARSE_QUERIES, SPARSE)]
    return validate_hybrid(hits, ranker, routes, [metric, "IP"], K)


def full_text(hits):
    ids = [[str(doc) for doc in row if doc >= 0] for row in hits.ids]
    return validate_full_text(
        SearchResults(ids, [list(row[: len(i)]) for row, i in zip(hits.scores, ids, strict=True)]), LOADED, K
    )


# target: the scores of a right engine, the validation of its hits
TARGETS = {
    "IP": (lambda: dense_matrix("IP"), lambda hits: validate_dense(hits, DENSE_QUERIES, DENSE, "IP")),
    "COSINE": (lambda: dense_matrix("COSINE"), lambda hits: validate_dense(hits, DENSE_QUERIES, DENSE, "COSINE")),
    "L2": (lambda: dense_matrix("L2"), lambda hits: validate_dense(hits, DENSE_QUERIES, DENSE, "L2")),
    "sparse": (sparse_matrix, lambda hits: validate_sparse(hits, SPARSE_QUERIES, SPARSE)),
    "full text": (bm25_matrix, full_text),
    "RRF": (lambda: fused_matrix(COSINE_AND_SPARSE, reciprocal()), lambda hits: validate_fused(hits, Ranker("rrf"))),
    "RRF, k 1000": (
        lambda: fused_matrix(COSINE_AND_SPARSE, reciprocal(1000)),
        lambda hits: validate_fused(hits, Ranker("rrf", rrf_k=1000)),
    ),
    "weighted": (
        lambda: fused_matrix(COSINE_AND_SPARSE, weighting(WEIGHTS, (unit_cosine, unit_ip))),
        lambda hits: validate_fused(hits, Ranker("weighted", weights=WEIGHTS)),
    ),
    "weighted, L2": (
        lambda: fused_matrix(L2_AND_SPARSE, weighting(WEIGHTS, (unit_l2, unit_ip))),
        lambda hits: validate_fused(hits, Ranker("weighted", weights=WEIGHTS), "L2"),
    ),
    "weighted, scores as they are": (
        lambda: fused_matrix(COSINE_AND_SPARSE, weighting(WEIGHTS, (identity, identity))),
        lambda hits: validate_fused(hits, Ranker("weighted", weights=WEIGHTS, norm_score=False)),
    ),
}


@cache
def right_matrix(target):
    return TARGETS[target][0]()
