"""BM25 on one page: the eight variants that libraries call by that name.

    python bm25.py FILE "the query" [VARIANT]

FILE has one document per line; terms are what is between whitespace, lower-cased. Needs numpy.
Variants: robertson, pymilvus, rank_bm25, atire, bm25l, bm25+, lucene (the default), lucene-lossy.
Example: documents "cat sat on mat", "cat and dog", "bird", query "cat dog", k1 = 1.5, b = 0.75: by `lucene`, the
second scores 0.5494 and the first 0.1535.
"""

# Python's own modules, and numpy to sort.
import sys
from collections import Counter
from math import log
from pathlib import Path

import numpy as np

# **The score** (Robertson and Zaragoza 2009, section 3.4) is a sum over the query's terms that the document contains:
# idf, how rare the term is in the collection, times tf, how frequent it is in the document. Variants combine
# different forms of the two. N is the number of documents, df the number of those that contain the term.
IDFS = {
    # Equation 3.3: negative for a term in more than half of the documents, and zero at half.
    "robertson": lambda N, df: log((N - df + 0.5) / (df + 0.5)),
    # ATIRE (Trotman, Jia and Crane 2012): zero only for a term in all documents.
    "atire": lambda N, df: log(N / df),
    # BM25L (Lv and Zhai 2011, SIGIR) and BM25+ (Lv and Zhai 2011, CIKM): always positive.
    "bm25l": lambda N, df: log((N + 1) / (df + 0.5)),
    "bm25+": lambda N, df: log((N + 1) / df),
    # Lucene: 1 is added inside the logarithm, so that it is always positive.
    "lucene": lambda N, df: log(1 + (N - df + 0.5) / (df + 0.5)),
}

# **Saturation and length**. `norm` is 1 - b + b length / average: above 1 for a long document. With K = k1 norm, a tf
# of K has half of the largest weight; each further occurrence adds less.
TFS = {
    # Between 0 and 1.
    "robertson": lambda tf, norm, k1: tf / (tf + k1 * norm),
    # Equation 3.15: times (k1 + 1), a constant, which changes no ranking.
    "okapi": lambda tf, norm, k1: tf * (k1 + 1) / (tf + k1 * norm),
    # BM25L adds 0.5 to the tf after length normalisation, for very long documents (SIGIR paper, equation 8).
    "bm25l": lambda tf, norm, k1: (k1 + 1) * (tf / norm + 0.5) / (k1 + tf / norm + 0.5),
    # BM25+ adds 1 to the weight: a lower bound for a term that occurs at all (CIKM paper, equation 13).
    "bm25+": lambda tf, norm, k1: 1 + tf * (k1 + 1) / (tf + k1 * norm),
}

# **The variants**: which idf, which tf.
VARIANTS = {
    "robertson": ("robertson", "robertson"),
    "pymilvus": ("robertson", "okapi"),
    "rank_bm25": ("robertson", "okapi"),
    "atire": ("atire", "okapi"),
    "bm25l": ("bm25l", "bm25l"),
    "bm25+": ("bm25+", "bm25+"),
    "lucene": ("lucene", "robertson"),
    "lucene-lossy": ("lucene", "robertson"),
}


# **Lucene's length in one byte** (SmallFloat.intToByte4): exact below 40; above, 24 plus a number of which only the
# first four binary digits are kept. It changes scores in the third digit.
def one_byte(length):
    excess = max(length - 24, 0)
    dropped = max(excess.bit_length() - 4, 0)
    return length - excess + (excess >> dropped << dropped)


# **Inverse document frequency** of every term. `[[term]] -> {term: idf}`
def idfs(docs, n_docs, variant):
    # A document counts once for each term that it contains. `dict` keeps the terms in the order of their occurrence.
    df = Counter(term for doc in docs for term in dict.fromkeys(doc))
    idf = {term: IDFS[VARIANTS[variant][0]](n_docs, df[term]) for term in df}
    if variant in ("pymilvus", "rank_bm25"):
        # rank_bm25 and pymilvus.model replace a negative idf by a quarter of the average of all; where the average is
        # negative, as in many collections of a few documents, so is the replacement.
        floor = 0.25 * sum(idf.values()) / max(len(idf), 1)
        idf = {term: value if value >= 0 else floor for term, value in idf.items()}
    return idf


# **Scores** of every document for one query. A term that occurs twice in the query counts twice.
def scores(docs, query, variant="lucene", k1=1.5, b=0.75):
    # Lucene counts only documents that have a term, in N and in the average length.
    counted = [doc for doc in docs if doc] if variant.startswith("lucene") else docs
    average = sum(map(len, counted)) / max(len(counted), 1)
    idf, weight = idfs(docs, len(counted), variant), TFS[VARIANTS[variant][1]]
    totals = np.zeros(len(docs))
    for number, doc in enumerate(docs):
        length = one_byte(len(doc)) if variant == "lucene-lossy" else len(doc)
        tf, norm = Counter(doc), 1 - b + b * length / max(average, 1e-9)
        # The papers sum over the terms present; bm25s and rank_bm25 also give BM25L and BM25+ a value for absent ones.
        totals[number] = sum(idf[term] * weight(tf[term], norm, k1) for term in query if term in tf)
    return totals


# **From the command line**: the documents with a term of the query, best first; of equal ones the earlier first.
def main(file, query, variant="lucene"):
    lines = Path(file).read_text("utf-8").splitlines()
    totals = scores([line.lower().split() for line in lines], query.lower().split(), variant)
    for number in np.argsort(-totals, kind="stable"):
        if totals[number]:
            print(f"{totals[number]:9.4f}  {lines[number]}")


if __name__ == "__main__":
    main(*sys.argv[1:])
