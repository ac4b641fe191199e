"""BM25 in plain Python, with faults by the hypothesis that names them; nothing of refimpl in it."""

import itertools
import math
import re
from collections import Counter
from typing import Any

import numpy as np

RANDOM = np.random.default_rng(5)
WORDS = [f"w{i}" for i in range(50)]
SHARES = 1 / np.arange(1, 51) / np.sum(1 / np.arange(1, 51))
DOCS = [RANDOM.choice(WORDS, n, p=SHARES).tolist() for n in RANDOM.integers(1, 90, 50)] + [[], []]
QUERIES = [RANDOM.choice(WORDS, 5, p=SHARES).tolist() for _ in range(8)] + [["w0", "w0", "w9"]]


def split(docs, parts):
    size, larger = divmod(len(docs), parts)
    starts = [i * size + min(i, larger) for i in range(parts + 1)]
    return [docs[a:b] for a, b in itertools.pairwise(starts)]


def one_byte(doc):
    """Lucene's: the length exactly below 40, then four significant bits above 24."""
    size = len(doc)
    if size < 40:
        return size
    shift = (size - 24).bit_length() - 4
    return 24 + ((size - 24) >> shift << shift)


def bm25(docs: list[list[str]] = DOCS, queries: list[list[str]] = QUERIES, **faults: Any) -> np.ndarray:
    """Scores `(queries, docs)`: Lucene's formula, or the one that `faults` result in."""
    f = {**LUCENE, **faults}
    if parts := f.pop("parts", 0):
        return np.concatenate([bm25(list(p), queries, **faults | {"parts": 0}) for p in split(docs, parts)], axis=1)
    size = sum(1 for doc in docs if doc or f["n"] == "all")
    average = sum(map(len, docs)) / sum(1 for doc in docs if doc or f["avg"] == "all")
    df = Counter(term for doc in docs for term in set(doc))
    robertson = {term: math.log((size - d + 0.5) / (d + 0.5)) for term, d in df.items()}
    floor = sum(robertson.values()) / len(robertson) / 4
    scores = np.zeros((len(queries), len(docs)))
    for (i, query), (j, doc) in itertools.product(enumerate(queries), enumerate(docs)):
        norm = 1 - f["b"] + f["b"] * (average if f["length"] is None else f["length"](doc)) / average
        for term in set(query) if f["set"] else query:
            tf = doc.count(term)
            if term in df and (tf or f["absent"]):
                idf = IDF[f["idf"]](size, df[term], floor) / math.log(f["base"])
                part = TF[f["tf"]](tf, f["k1"], norm, f["delta"])
                scores[i, j] += idf * part * f["factor"] * (tf if f["again"] else 1)
    if f["best"]:
        scores /= np.abs(scores).max(axis=1, keepdims=True)
    return -scores if f["negated"] else scores


IDF = {
    "robertson": lambda n, d, floor: math.log((n - d + 0.5) / (d + 0.5)),
    "floored": lambda n, d, floor: math.log((n - d + 0.5) / (d + 0.5)) if 2 * d <= n else floor,
    "clamped": lambda n, d, floor: max(math.log((n - d + 0.5) / (d + 0.5)), 0.0),
    "clamped lucene": lambda n, d, floor: math.log(1 + (n - d + 0.5) / (d + 0.5)) if 2 * d <= n else 0.0,
    "atire": lambda n, d, floor: math.log(n / d),
    "bm25l": lambda n, d, floor: math.log((n + 1) / (d + 0.5)),
    "bm25+": lambda n, d, floor: math.log((n + 1) / d),
    "lucene": lambda n, d, floor: math.log(1 + (n - d + 0.5) / (d + 0.5)),
}
TF = {
    "robertson": lambda tf, k1, norm, delta: tf / (tf + k1 * norm),
    "okapi": lambda tf, k1, norm, delta: tf * (k1 + 1) / (tf + k1 * norm),
    "bm25l": lambda tf, k1, norm, delta: (k1 + 1) * (tf / norm + delta) / (k1 + tf / norm + delta),
    "bm25+": lambda tf, k1, norm, delta: delta + tf * (k1 + 1) / (tf + k1 * norm),
}
LUCENE = {"k1": 1.5, "b": 0.75, "delta": 0.0, "idf": "lucene", "tf": "robertson", "n": "filled", "avg": "filled"}
LUCENE |= {"base": math.e, "length": len, "set": False, "absent": False, "again": False}
LUCENE |= {"factor": 1.0, "best": False, "negated": False}
ALL = {"n": "all", "avg": "all"}
ROBERTSON = {"idf": "robertson", "tf": "robertson", **ALL}
OKAPI = {"idf": "floored", "tf": "okapi", **ALL}
ATIRE = {"idf": "atire", "tf": "okapi", **ALL}
BM25L = {"idf": "bm25l", "tf": "bm25l", "delta": 0.5, **ALL}
BM25PLUS = {"idf": "bm25+", "tf": "bm25+", "delta": 1.0, **ALL}

FORMULA = {
    "k1 = 0.9 and b = 0.4": {"k1": 0.9, "b": 0.4},
    "k1 = 1.21 and b = 0.683": {"k1": 1.21, "b": 0.683},
    "variant robertson": ROBERTSON,
    "variant pymilvus": OKAPI,
    "variant atire": ATIRE,
    "variant bm25l": BM25L,
    "variant bm25+": BM25PLUS,
    "variant lucene": {},
    "variant lucene-lossy": {"length": one_byte},
    "rank_bm25's BM25L": {**BM25L, "again": True},
    "bm25+ with a value for absent terms": {**BM25PLUS, "absent": True},
    "bm25l with a value for absent terms": {**BM25L, "absent": True},
    "bm25s' robertson": {**ROBERTSON, "idf": "clamped"},
    "bm25s' lucene": ALL,
    "tantivy": {"length": one_byte, "factor": 2.5},
    "idf of robertson": {"idf": "robertson"},
    "idf of pymilvus": {"idf": "floored"},
    "idf of atire": {"idf": "atire"},
    "idf of bm25l": {**ATIRE, "idf": "bm25l"},
    "idf of bm25+": {"idf": "bm25+"},
    "idf of lucene": {**ATIRE, "idf": "lucene"},
    "negative idf set to 0": {"idf": "clamped lucene"},
    "delta 0.5": {**BM25PLUS, "delta": 0.5},
    "delta 1": {**BM25L, "delta": 1.0},
    "log base 2": {"base": 2},
    "log base 10": {"base": 10},
    "times k1 + 1": {"tf": "okapi"},
    "without k1 + 1": {**ATIRE, "tf": "robertson"},
    "empty documents not counted": {**ATIRE, "n": "filled", "avg": "filled"},
    "empty documents counted": {"length": one_byte, **ALL},
    "avgdl over non-empty documents": {"n": "all"},
    "avgdl over all documents": {"avg": "all"},
    "lengths in one byte": {**ATIRE, "length": one_byte},
    "lengths of distinct terms": {"length": lambda doc: len(set(doc))},
    "lengths ignored": {"length": None},
    "query terms as a set": {"set": True},
    "value for absent terms": {**BM25L, "absent": True},
    **{f"statistics per segment, {n} segments": {"parts": n} for n in (2, 3, 4, 5, 8)},
    "negated scores": {"negated": True},
    "scores divided by the maximum": {"best": True},
}
REFERENCE = {  # the variant that is compared with, where it is not Lucene's
    "variant lucene": "atire",
    "variant lucene-lossy": "atire",
    "bm25s' lucene": "atire",
    "idf of bm25l": "atire",
    "empty documents counted": "lucene-lossy",
    "lengths in one byte": "atire",
    "idf of lucene": "atire",
    "delta 0.5": "bm25+",
    "delta 1": "bm25l",
    "without k1 + 1": "atire",
    "empty documents not counted": "atire",
    "value for absent terms": "bm25l",
}
TEXTS = ["The Cats, running: x_y!", "a dog's dinner", "very cats x_y", "The dogs", "Cats, dogs and dogs", "running"]
TEXT_QUERIES = ["Cats dogs", "the dog x_y", "running, dinner", "very 's y cats"]


def by_table(table: dict[str, list[str]]):
    """Tokens of the texts that a table has, by hand; those of whitespace-separated words for the others."""
    return lambda text: [token for word in text.split() for token in table[word]]


ENGLISH = {"The": [], "the": [], "a": [], "and": [], "Cats": ["cat"], "Cats,": ["cat"], "cats": ["cat"]}
ENGLISH |= {"dogs": ["dog"], "dog": ["dog"], "dinner": ["dinner"], "running": ["run"], "running,": ["run"]}
ENGLISH |= {"running:": ["run"], "y": ["y"]}
ANALYSIS = {
    "analyzer pymilvus-en": by_table(
        {**ENGLISH, "x_y": ["x_i"], "x_y!": ["x_i"], "dog's": ["dog", "'s"], "'s": ["'s"], "very": []}
    ),
    "analyzer lucene-english": by_table(
        {**ENGLISH, "x_y": ["x_y"], "x_y!": ["x_y"], "dog's": ["dog"], "'s": ["s"], "very": ["veri"]}
    ),
    "analyzer milvus-standard": lambda text: re.findall("[a-z0-9]+", text.lower()),
    "analyzer simple": lambda text: re.findall(r"\w+", text.lower()),
    "analyzer whitespace": str.split,
    "analyzer whitespace, lower-cased": lambda text: text.lower().split(),
}
