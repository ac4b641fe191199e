"""BM25 written once more in plain Python, with faults; each is named, alone and in pairs."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest

from refimpl import BM25Index
from refimpl.oracle.diagnosis import diagnose_bm25
from refimpl.sparse.bm25 import VARIANTS

RANDOM = np.random.default_rng(5)
WORDS = [f"w{i}" for i in range(50)]
SHARES = 1 / np.arange(1, 51) / np.sum(1 / np.arange(1, 51))
DOCS = [RANDOM.choice(WORDS, n, p=SHARES).tolist() for n in RANDOM.integers(1, 90, 50)] + [[], []]
QUERIES = [RANDOM.choice(WORDS, 5, p=SHARES).tolist() for _ in range(8)] + [["w0", "w0", "w9"]]


def lucene(docs=DOCS, queries=QUERIES, **faults):
    """ln(1 + (N - df + 0.5) / (df + 0.5)) tf / (tf + k1 (1 - b + b length / average)), or what `faults` make of it."""
    f = {"k1": 1.5, "b": 0.75, "idf": "lucene", "base": math.e, "avg": "filled", "n": "filled", "length": len} | faults
    filled = [doc for doc in docs if doc]
    if parts := f.get("parts"):
        return np.concatenate([lucene(list(p), queries, **faults | {"parts": 0}) for p in split(docs, parts)], axis=1)
    size = len(filled if f["n"] == "filled" else docs)
    average = sum(map(len, docs)) / len(filled if f["avg"] == "filled" else docs)
    df = Counter(term for doc in docs for term in set(doc))
    inner = {
        "lucene": lambda d: 1 + (size - d + 0.5) / (d + 0.5),
        "clamped": lambda d: 1 + (size - d + 0.5) / (d + 0.5) if 2 * d <= size else 1,
        "robertson": lambda d: (size - d + 0.5) / (d + 0.5),
        "atire": lambda d: size / d,
    }[f["idf"]]
    scores = np.zeros((len(queries), len(docs)))
    for i, query in enumerate(queries):
        for j, doc in enumerate(docs):
            norm = 1 - f["b"] + f["b"] * f["length"](doc) / average
            for term in set(query) if f.get("set") else query:
                if tf := doc.count(term):
                    part = tf / (tf + f["k1"] * norm) * (f["k1"] + 1 if f.get("k1 + 1") else 1)
                    scores[i, j] += math.log(inner(df[term])) / math.log(f["base"]) * part
    if f.get("best"):
        scores /= scores.max(axis=1, keepdims=True)
    return -scores if f.get("negated") else scores


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


SINGLE = {
    "k1 = 0.9 and b = 0.4": {"k1": 0.9, "b": 0.4},
    "k1 = 1.21 and b = 0.683": {"k1": 1.21, "b": 0.683},
    "idf of atire": {"idf": "atire"},
    "idf of robertson": {"idf": "robertson"},
    "negative idf set to 0": {"idf": "clamped"},
    "log base 2": {"base": 2},
    "log base 10": {"base": 10},
    "times k1 + 1": {"k1 + 1": True},
    "avgdl over all documents": {"avg": "all"},
    "avgdl over non-empty documents": {"n": "all"},
    "empty documents counted": {"n": "all", "avg": "all"},
    "lengths in one byte": {"length": one_byte},
    "lengths of distinct terms": {"length": lambda doc: len(set(doc))},
    "query terms as a set": {"set": True},
    "statistics per segment, 3 segments": {"parts": 3},
    "negated scores": {"negated": True},
    "scores over the best": {"best": True},
}
SAME = {"lengths in one byte": "variant lucene-lossy", "empty documents counted": "bm25s' lucene"}
PAIRS = [
    ("k1 = 0.9 and b = 0.4", "log base 2"),
    ("k1 = 1.21 and b = 0.683", "idf of atire"),
    ("k1 = 0.9 and b = 0.4", "lengths in one byte"),
    ("statistics per segment, 3 segments", "times k1 + 1"),
    ("query terms as a set", "log base 10"),
    ("idf of atire", "empty documents counted"),
    ("lengths of distinct terms", "negated scores"),
    ("negative idf set to 0", "scores over the best"),
]


def diagnosed(given):
    return diagnose_bm25(given, DOCS, QUERIES, variant="lucene", tolerance=1e-9)


@pytest.mark.parametrize("fault", SINGLE)
def test_a_fault_is_named_first(fault):
    diagnosis = diagnosed(lucene(**SINGLE[fault]))
    assert diagnosis.causes, str(diagnosis)
    assert diagnosis.causes[0].explains_all, str(diagnosis)
    assert diagnosis.causes[0].names in {(fault,), (SAME.get(fault),)}, str(diagnosis)


@pytest.mark.parametrize("pair", PAIRS, ids=" + ".join)
def test_two_faults_are_named_first(pair):
    diagnosis = diagnosed(lucene(**SINGLE[pair[0]] | SINGLE[pair[1]]))
    assert diagnosis.causes, str(diagnosis)
    named = set(diagnosis.causes[0].names)
    assert diagnosis.causes[0].explains_all, str(diagnosis)
    assert all(named & {fault, SAME.get(fault)} for fault in pair), str(diagnosis)


@pytest.mark.parametrize("variant", VARIANTS)
def test_our_own_index_matches_in_every_variant(variant):
    ids, scores = BM25Index.from_tokens(DOCS, variant=variant, k1=1.2, b=0.6).search(QUERIES, len(DOCS))
    given = np.zeros((len(QUERIES), len(DOCS)))
    for row, (found, values) in enumerate(zip(ids, scores, strict=True)):
        given[row, found[found >= 0]] = values[found >= 0]
    assert diagnose_bm25(given, DOCS, QUERIES, variant=variant, k1=1.2, b=0.6, tolerance=1e-12).matches


def test_the_analyzer_is_found():
    texts = ["The cats, running!", "A dog's dinner", "cats and dogs ran", "Dinner for one."]
    queries = ["running cats", "dinner dogs"]
    given = lucene([t.lower().split() for t in texts], [q.split() for q in queries])
    diagnosis = diagnose_bm25(given, texts, queries, variant="lucene", analyzer="lucene-english")
    assert diagnosis.causes[0].names == ("analyzer blanks, lower case",), str(diagnosis)


def test_noise_is_no_known_cause():
    given = lucene() + np.random.default_rng(1).normal(0, 0.1, (len(QUERIES), len(DOCS)))
    assert "none of the known causes" in str(diagnosed(given))


def test_wrong_shapes_and_numbers_are_told():
    with pytest.raises(ValueError, match=r"given must be \(9, 52\), a row a query"):
        diagnosed(np.zeros((52, 9)))
    given = lucene()
    given[0, 0] = -np.inf
    assert "not finite: give 0 where a document has no term" in str(diagnosed(given))
