"""A BM25 for `refimpl check --suite bm25 --bm25-variant lucene --command 'python bm25.py'`: replace `scores`."""

import json
import math
import sys
from collections import Counter


def scores(corpus, queries, k1, b):
    """One row per query with one score per document: Lucene's BM25; empty documents do not count."""
    docs = [Counter(text.split()) for text in corpus]
    lengths = [sum(doc.values()) for doc in docs]
    size = sum(length > 0 for length in lengths)
    average = sum(lengths) / max(size, 1)
    df = Counter(term for doc in docs for term in doc)

    def score(query, doc, length):
        found = [term for term in query.split() if doc[term]]
        norm = k1 * (1 - b + b * length / average) if found else 0
        return sum(idf(df[term]) * doc[term] / (doc[term] + norm) for term in found)

    def idf(n):
        return math.log(1 + (size - n + 0.5) / (n + 0.5))

    return [[score(query, *pair) for pair in zip(docs, lengths, strict=True)] for query in queries]


for line in sys.stdin:
    one = json.loads(line)
    print(json.dumps(scores(one["corpus"], one["queries"], one["k1"], one["b"])))
