"""Writes data/vectors/bm25 from pymilvus.model, rank_bm25 and bm25s.

    make peers && .venv/bin/python data/regenerate/bm25.py

Texts are split at whitespace, without an analyzer. Every score is computed by the peer, none by refimpl.
"""

import os
import warnings
from typing import Any

import bm25s
import numpy as np
from cases import source, write
from rank_bm25 import BM25Okapi

from refimpl import models

os.environ["NLTK_DATA"] = str(models.path("nltk-data"))  # pymilvus.model looks for it on import
from pymilvus.model.sparse import BM25EmbeddingFunction

CATS = ["cat sat on mat", "cat and dog", "dog dog dog ran far away from cat", "bird", "fish and cat on mat with bird"]


def zipf(docs: int, queries: int) -> tuple[list[str], list[str]]:
    random = np.random.default_rng(5)

    def text(length: int) -> str:
        return " ".join(f"w{int(word) % 90}" for word in random.zipf(1.4, length))

    return [text(int(n)) for n in random.integers(3, 40, docs)], [text(4) for _ in range(queries)]


def longer() -> list[str]:
    """Lengths beyond 40, which one byte rounds, by 0 to 11 percent, and a few short ones.

    Each word is drawn by itself: no phrase repeats, and of no two documents are the lengths in tokens and in distinct
    terms proportional. Letters are words, and occur at the beginning and at the end of others.
    """
    random = np.random.default_rng(17)
    letters = "bcdfghjklmnpqrv"
    vocabulary = np.array([*letters, *(word for a in letters for word in (f"{a}x", f"y{a}", f"{a}z"))])
    shares = 1 / np.arange(3, 3 + len(vocabulary))

    def text(length: int) -> str:
        kept = np.where(random.random(len(vocabulary)) < 0.5, shares, 0)  # each document lacks half of the words
        return " ".join(random.choice(vocabulary, length, p=kept / kept.sum()))

    return [text(length) for length in (5, 43, 67, 12, 95, 151, 231, 29, 407)]


LONG = "cat " * 5 + "and so on " * 30
LARGER, QUERIES = zipf(40, 5)
CASES = [
    ("ordinary", "five documents, four queries", "", CATS, ["cat dog", "bird", "mat", "ran far"], {}),
    (
        "half-document-term",
        "a term in exactly half of the documents has Robertson's idf 0, and its documents no score",
        "pymilvus.model and rank_bm25, whose users miss such documents",
        ["red apple", "red pear", "green plum", "green fig"],
        ["red", "red apple", "green fig plum"],
        {},
    ),
    (
        "most-document-term",
        "a term in more than half has a negative Robertson idf: floored, clamped or kept, by variant",
        "rank_bm25 and pymilvus.model put a floor, bm25s' robertson 0, the paper neither",
        CATS,
        ["cat", "cat mat", "and on"],
        {},
    ),
    (
        "negative-floor",
        "two documents make the average idf, and so the floor under negative ones, negative",
        "pymilvus.model (-0.201), whose vectors Milvus then rejects",
        ["one shared word", "another shared word here"],
        ["shared", "one shared word"],
        {},
    ),
    ("term-in-all", "a term that every document has", "", ["a b", "a c", "a d d", "a"], ["a", "a d"], {}),
    (
        "doubled-query-term",
        "a term that the query has twice counts twice",
        "implementations that make a set of the query",
        CATS,
        ["bird bird", "bird", "dog dog dog ran"],
        {},
    ),
    (
        "doubled-documents",
        "the same document twice has the same score twice, and counts twice in N and df",
        "indexes that drop duplicates",
        ["x y", "x y", "z", "x y z", "q"],
        ["x", "z", "q"],
        {},
    ),
    (
        "empty-documents",
        "documents without a term score 0; whether they count in N and the average length differs by library",
        "pymilvus.model counts them, Lucene does not",
        ["apple pie", "", "banana", "  ", "cherry pie pie"],
        ["pie", "banana"],
        {"not": ["lucene"]},
    ),
    (
        "absent-term",
        "a term that no document has adds nothing",
        "KeyError in many",
        CATS,
        ["unicorn", "bird unicorn"],
        {},
    ),
    (
        "empty-query",
        "a query without a term scores 0 everywhere",
        "pymilvus.model's encode_queries([])",
        CATS,
        ["", "bird"],
        {},
    ),
    (
        "one-document",
        "a corpus of one",
        "a negative idf in a corpus of one",
        ["only one text"],
        ["only", "text one"],
        {},
    ),
    ("long-and-short", "length normalisation with b = 0.75", "", [LONG, "cat", "dog and so"], ["cat", "dog"], {}),
    (
        "repeated-term",
        "term frequency saturates",
        "implementations that use tf as it is",
        ["a " * 50, "a b", "b b c", "c d e f"],
        ["a", "b"],
        {},
    ),
    (
        "other-parameters",
        "k1 = 0.9 and b = 0.4, Anserini's, are taken",
        "Milvus Lite 3.2.2 ignored bm25_k1 and bm25_b given at index creation",
        CATS,
        ["cat dog", "bird mat"],
        {"k1": 0.9, "b": 0.4},
    ),
    ("b-zero", "b = 0: lengths do not count", "", CATS, ["bird", "dog ran"], {"b": 0.0}),
    ("b-one", "b = 1: lengths count in full", "", CATS, ["bird", "dog ran"], {"b": 1.0}),
    (
        "unicode",
        "terms are any letters",
        "ASCII-only tokenizers",
        ["naïve café", "火星 是 红色 的", "🚀 火星", "größer café", "привет"],
        ["火星", "café 🚀", "größer", "cafe"],
        {},
    ),
    (
        "long-documents",
        "lengths of 43 to 407 tokens, which one byte rounds",
        "Lucene, tantivy and Whoosh store a document's length in one byte",
        longer(),
        ["b", "hx", "m kz", "c h yv"],
        {},
    ),
    ("larger", "40 documents of drawn words, five queries", "", LARGER, QUERIES, {}),
]


def cases() -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "reason": reason,
            "who": who,
            "input": {"corpus": corpus, "queries": queries, "k1": more.get("k1", 1.5), "b": more.get("b", 0.75)},
            "not": more.get("not", []),
        }
        for name, reason, who, corpus, queries, more in CASES
    ]


def pymilvus(case: dict[str, Any]) -> np.ndarray:
    function = BM25EmbeddingFunction(str.split, k1=case["k1"], b=case["b"])
    function.fit(case["corpus"])
    docs = function.encode_documents(case["corpus"])
    queries = function.encode_queries(case["queries"])
    return (queries.astype(np.float64) @ docs.astype(np.float64).T).toarray()


def rank_bm25(case: dict[str, Any]) -> np.ndarray:
    index = BM25Okapi([text.split() for text in case["corpus"]], k1=case["k1"], b=case["b"])
    return np.stack([index.get_scores(query.split()) for query in case["queries"]])


def bm25s_scores(method: str, case: dict[str, Any]) -> np.ndarray:
    index = bm25s.BM25(k1=case["k1"], b=case["b"], method=method, dtype="float64")
    index.index([text.split() for text in case["corpus"]], show_progress=False)
    zeros = np.zeros(len(case["corpus"]))
    # get_scores raises for a list without a word of the vocabulary; other words add nothing
    rows = [[word for word in query.split() if word in index.vocab_dict] for query in case["queries"]]
    return np.stack([index.get_scores(row) if row else zeros for row in rows])


PEERS = {
    "pymilvus": ("pymilvus.model", pymilvus),
    "rank_bm25": ("rank-bm25", rank_bm25),
    "atire": ("bm25s", lambda case: bm25s_scores("atire", case)),
    "lucene": ("bm25s", lambda case: bm25s_scores("lucene", case)),
}


def main() -> None:
    written = []
    for case in cases():
        excluded = case.pop("not")
        variants = {name: peer for name, peer in PEERS.items() if name not in excluded}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            case["expected"] = {name: compute(case["input"]).tolist() for name, (_, compute) in variants.items()}
        case["source"] = {name: source(package) for name, (package, _) in variants.items()}
        written.append(case)
    write("bm25", "bm25.py", written, analyzer="words parted at white space", precision="pymilvus: float32 weights")


if __name__ == "__main__":
    main()
