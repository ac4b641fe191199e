"""Every form of the tables that `test_sweep.py` does not draw, written independently, is named by its own name."""

import math
import struct
from statistics import median

import pytest
from bm25_zoo import Zoo

from refimpl.check.targets.python import PythonTarget
from refimpl.identify.bm25 import measure
from refimpl.identify.features import features

pytestmark = pytest.mark.slow
IDF = {
    "ln(1 + N/(n+1))": lambda n, size: math.log(1 + size / (n + 1)),
    "ln(N/(n+1))": lambda n, size: math.log(size / (n + 1)),
    "ln(N/(n+0.5))": lambda n, size: math.log(size / (n + 0.5)),
    "ln((N+0.5)/n)": lambda n, size: math.log((size + 0.5) / n),
    "ln((N-n)/n)": lambda n, size: math.log((size - n) / n) if 2 * n < size else 0.0,
    "smoothed": lambda n, size: math.log((size + 1) / (n + 1)),
    "odds": lambda n, size: (size - n + 0.5) / (n + 0.5),
    "Lucene without logarithm": lambda n, size: (size + 1) / (n + 0.5),
    "smoothed N/n": lambda n, size: (size + 1) / (n + 1),
    "InQuery": lambda n, size: math.log((size + 0.5) / n) / math.log(size + 1),
    "ATIRE + 1, base 2": lambda n, size: math.log2(size / n) + 1,
    "ATIRE + 1, base 10": lambda n, size: math.log10(size / n) + 1,
    "Lucene + 1": lambda n, size: math.log(1 + (size - n + 0.5) / (n + 0.5)) + 1,
    "smoothed + 1, squared": lambda n, size: (math.log((size + 1) / (n + 1)) + 1) ** 2,
    "Robertson, squared": lambda n, size: math.log((size - n + 0.5) / (n + 0.5)) ** 2,
}
TF = {
    "ln(1 + f)": math.log1p,
    "1 + log2 f": lambda f: 1 + math.log2(f),
    "1 + log10 f": lambda f: 1 + math.log10(f),
    "1 + ln(1 + ln f)": lambda f: 1 + math.log(1 + math.log(f)),
    "f^2": lambda f: float(f * f),
}
WHOOSH = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 16, 17, 18, 20, 21, 23, 25, 26, 28, 30, 32, 34, 36, 38, 40, 42)
WHOOSH += (45, 47, 49, 52, 54, 57, 60, 63, 66, 69, 72, 75, 79, 82, 86, 89, 93, 97, 101, 106, 110, 114, 119, 124, 129)
WHOOSH += (134, 139, 145, 150, 156, 162, 169, 175, 182, 189, 196, 203, 211, 219, 227, 235, 244, 253, 262, 271, 281, 291)
WHOOSH += (302, 313, 324, 336, 348, 360, 373, 386, 399, 414, 428, 443, 459, 475, 491, 508, 526, 544, 563, 583, 603, 623)
WHOOSH += (645, 667, 690, 714, 738, 763, 789, 816, 844, 873, 903, 933, 965, 998, 1032)


def old_lucene(size):
    (bits,) = struct.unpack(">i", struct.pack(">f", 1 / math.sqrt(size)))
    (kept,) = struct.unpack(">f", struct.pack(">i", bits & ~0x1FFFFF))
    return 1 / kept**2


LENGTHS = {
    "tokens in one byte (Whoosh's table)": lambda doc: float(min(one for one in WHOOSH if one >= len(doc))),
    "tokens in one byte (Lucene 4 to 6's table)": lambda doc: old_lucene(max(len(doc), 1)),
    "characters": lambda doc: float(sum(map(len, doc)) + max(len(doc) - 1, 0)),
    "square root of tokens": lambda doc: math.sqrt(len(doc)),
    "logarithm of 1 + tokens": lambda doc: math.log(1 + len(doc)),
}
AVERAGES = {
    "mean, rounded to an integer": lambda sizes: float(round(sum(sizes) / len(sizes))),
    "mean, rounded up to an integer": lambda sizes: float(math.ceil(sum(sizes) / len(sizes))),
    "median": lambda sizes: float(median(sizes)),
    "maximum": lambda sizes: float(max(sizes)),
    "sum / (N + 1)": lambda sizes: sum(sizes) / (len(sizes) + 1),
}
SQUASHES = {
    "tanh": lambda x: math.tanh(x / 8),
    "x / (1 + x)": lambda x: x / (1 + x),
    "1 - exp(-x)": lambda x: 1 - math.exp(-x / 8),
    "ln(1 + x)": math.log1p,
    "arctan 2 / pi": lambda x: math.atan(x) * 2 / math.pi,
}
COMBINE = {
    "mean": lambda total, query_counts, hit: total / len(query_counts),
    "mean of tokens": lambda total, query_counts, hit: total / sum(query_counts.values()),
    "root": lambda total, query_counts, hit: total / math.sqrt(len(query_counts)),
    "times matched tokens": lambda total, query_counts, hit: total * sum(hit.values()),
    "coordination of tokens": lambda total, query_counts, hit: total * sum(hit.values()) / sum(query_counts.values()),
}
REPEAT = {"square root": math.sqrt, "1 + ln q": lambda q: 1 + math.log(q)}


def zoo(**methods):
    made = Zoo({})
    for name, method in methods.items():
        setattr(made, name, method)
    return made


def idf(form):
    return zoo(idf=lambda df, size: {term: form(n, size) for term, n in df.items()})


def length(of, average=None):
    def statistics(docs):
        return len(docs), (average or (lambda sizes: sum(sizes) / len(sizes)))([of(doc) for doc in docs])

    return zoo(statistics=statistics, norm=lambda doc, mean, b: 1 - b + b * of(doc) / mean)


CASES = [
    *(("idf", name, idf(form)) for name, form in IDF.items()),
    *(("tf", name, zoo(tf=lambda f, size, norm, k1, of=of: of(f))) for name, of in TF.items()),
    *(
        ("tf", f"saturated {name}", zoo(tf=lambda f, size, norm, k1, of=of: of(f) * (k1 + 1) / (of(f) + k1 * norm)))
        for name, of in TF.items()
    ),
    *(("length", name, length(of)) for name, of in LENGTHS.items()),
    *(("average", name, length(len, average)) for name, average in AVERAGES.items()),
    *(("squash", name, zoo(finish=lambda row, of=of: [of(x) for x in row])) for name, of in SQUASHES.items()),
    *(("combine", name, zoo(combine=combine)) for name, combine in COMBINE.items()),
    *(("repeat", name, zoo(repeat=repeat)) for name, repeat in REPEAT.items()),
]


@pytest.mark.parametrize(
    ("feature", "name", "implementation"), CASES, ids=[f"{kind}: {name}" for kind, name, _ in CASES]
)
def test_a_form_has_its_name(feature, name, implementation):
    measured = measure(PythonTarget(implementation, "zoo"))
    assert features(measured).get(feature) == name
    assert measured.confirmed
