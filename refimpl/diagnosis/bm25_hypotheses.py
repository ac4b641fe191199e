"""Known deviations of BM25 implementations, each as one hypothesis about `BM25Variant`."""

from functools import partial
from typing import Any

from refimpl.diagnosis import bm25_scores
from refimpl.diagnosis.bm25_scores import Analyze, BM25Variant
from refimpl.diagnosis.hypotheses import Hypothesis, change
from refimpl.sparse.analyzers import build_analyzer
from refimpl.sparse.bm25.formulas import VARIANTS, Variant

bm25 = partial(change, BM25Variant)

ORIGINS = (
    (VARIANTS["robertson"], "Robertson's idf, negative for terms in more than half of the documents, no (k1 + 1)"),
    (
        VARIANTS["pymilvus"],
        "pymilvus.model's and rank_bm25's BM25Okapi: negative idfs are raised to a quarter of the average",
    ),
    (VARIANTS["atire"], "idf is ln(N / df), tf has the factor (k1 + 1)"),
    (VARIANTS["bm25l"], "BM25L of Lv and Zhai"),
    (VARIANTS["bm25+"], "BM25+ of Lv and Zhai"),
    (
        VARIANTS["lucene"],
        "idf is ln(1 + (N - df + 0.5) / (df + 0.5)), no (k1 + 1), empty documents do not count",
    ),
    (VARIANTS["lucene-lossy"], "as Lucene, document lengths stored in one byte"),
)
STARTS = ((1.5, 0.75), (1.2, 0.75), (0.9, 0.4), (2.0, 0.75), (1.6, 0.75))
"""Usual (k1, b), from which the fit of others starts."""


def formula_fields(variant: Variant) -> dict[str, Any]:
    """The fields of `BM25Variant` that a published variant determines."""
    return {
        "idf": variant.idf,
        "tf": variant.tf,
        "delta": variant.delta,
        "n_counts_empty": variant.counts_empty,
        "avgdl_counts_empty": variant.counts_empty,
    }


def published_variant(variant: Variant, k1: float, b: float) -> BM25Variant:
    """The reference for a variant of `VARIANTS`."""
    return BM25Variant(k1=k1, b=b, **formula_fields(variant))


def library(name: str, explanation: str, variant: str, **values: Any) -> Hypothesis:
    """A library's formula: a published variant with other values of some fields."""
    return Hypothesis(name, explanation, bm25(**formula_fields(VARIANTS[variant]) | values))


FITTED = Hypothesis("other k1 and b", "every score is the formula's with these parameters", bm25(fit=True))
PARAMETERS = tuple(
    Hypothesis(f"k1 = {k1:g} and b = {b:g}", "in every call, whatever its parameters are", bm25(k1=k1, b=b))
    for k1, b in STARTS
)
FORMULAS = tuple(
    Hypothesis(f"variant {variant.name}", origin, bm25(**formula_fields(variant))) for variant, origin in ORIGINS
)
LIBRARIES = (
    library(
        "rank_bm25's BM25L",
        "BM25L with one factor too many: rank_bm25 multiplies by tf once more",
        "bm25l",
        tf_again=True,
    ),
    library(
        "bm25+ with a value for absent terms",
        "rank_bm25's BM25Plus and bm25s' bm25+ add the formula's value for tf = 0 to every document",
        "bm25+",
        absent_terms=True,
    ),
    library(
        "bm25l with a value for absent terms",
        "bm25s' bm25l adds the formula's value for tf = 0 to every document",
        "bm25l",
        absent_terms=True,
    ),
    library("bm25s' robertson", "Robertson's idf clamped at 0, no (k1 + 1)", "robertson", clamp_idf=True),
    library(
        "bm25s' lucene",
        "Lucene's idf and tf, empty documents counted",
        "lucene",
        n_counts_empty=True,
        avgdl_counts_empty=True,
    ),
    library(
        "tantivy",
        "Lucene's idf and one-byte lengths, with the factor (k1 + 1)",
        "lucene-lossy",
        scale=bm25_scores.times_k1_plus_1,
    ),
)
FACTORS = (
    *(
        Hypothesis(f"idf of {variant.name}", f"idf as in: {origin}", bm25(idf=variant.idf))
        for variant, origin in ORIGINS
        if variant.name != "lucene-lossy"
    ),
    Hypothesis("negative idf set to 0", "Robertson's idf, clamped at 0, as in bm25s' robertson", bm25(clamp_idf=True)),
    Hypothesis("delta 0.5", "delta of BM25L or BM25+ is 0.5", bm25(delta=0.5)),
    Hypothesis("delta 1", "delta of BM25L or BM25+ is 1", bm25(delta=1.0)),
    Hypothesis("log base 2", "the idf's logarithm has base 2", bm25(log_base=2.0)),
    Hypothesis("log base 10", "the idf's logarithm has base 10", bm25(log_base=10.0)),
    Hypothesis(
        "times k1 + 1", "tf has a factor (k1 + 1) that this variant lacks", bm25(scale=bm25_scores.times_k1_plus_1)
    ),
    Hypothesis(
        "without k1 + 1", "tf lacks the factor (k1 + 1) of this variant", bm25(scale=bm25_scores.over_k1_plus_1)
    ),
)
SEGMENTS = tuple(
    Hypothesis(
        f"statistics per segment, {count} segments",
        f"N, df and avgdl are each segment's own, as in Milvus Lite: {count} equal ones",
        bm25(segments=count),
    )
    for count in (2, 3, 4, 5, 8)
)
COUNTING = (
    Hypothesis(
        "empty documents not counted",
        "documents without a term are left out of N and of avgdl",
        bm25(n_counts_empty=False, avgdl_counts_empty=False),
    ),
    Hypothesis(
        "empty documents counted",
        "documents without a term count in N and avgdl",
        bm25(n_counts_empty=True, avgdl_counts_empty=True),
    ),
    Hypothesis(
        "avgdl over non-empty documents",
        "empty documents count in N, not in avgdl",
        bm25(n_counts_empty=True, avgdl_counts_empty=False),
    ),
    Hypothesis(
        "avgdl over all documents",
        "empty documents count in avgdl, not in N",
        bm25(n_counts_empty=False, avgdl_counts_empty=True),
    ),
    Hypothesis(
        "lengths in one byte",
        "document lengths are rounded down as Lucene stores them (SmallFloat.intToByte4)",
        bm25(doc_len=bm25_scores.one_byte_lengths),
    ),
    Hypothesis(
        "lengths of distinct terms",
        "a document's length is its number of different terms",
        bm25(doc_len=bm25_scores.distinct_counts),
    ),
    Hypothesis("lengths ignored", "every document has the average length", bm25(doc_len=bm25_scores.average_lengths)),
    Hypothesis(
        "query terms as a set", "a term repeated in the query counts once", bm25(query_weights=bm25_scores.term_set)
    ),
    Hypothesis(
        "value for absent terms",
        "terms that a document lacks add the formula's value for tf = 0, as in rank_bm25 and bm25s",
        bm25(absent_terms=True),
    ),
    *SEGMENTS,
)
SCORES = (
    Hypothesis("negated scores", "scores are negated, as distances", bm25(scale=bm25_scores.negated)),
    Hypothesis(
        "scores divided by the maximum",
        "each query's scores are divided by its largest",
        bm25(scale=bm25_scores.over_maximum),
    ),
)
RANKS = (
    *PARAMETERS,
    Hypothesis(
        "lengths and their average of distinct terms",
        "a document's length is its number of different terms, and so is the average",
        bm25(doc_len=bm25_scores.relative_distinct_counts),
    ),
    Hypothesis("no idf", "every term weighs the same", bm25(idf=bm25_scores.no_idf)),
    Hypothesis("term frequencies ignored", "a term counts once, however often it occurs", bm25(tf=bm25_scores.binary)),
)
"""Further ones for ranks; from scores, these factors are solved."""
BM25 = (*FORMULAS, *LIBRARIES, *FACTORS, *COUNTING, *SCORES, FITTED)


def _whitespace() -> Analyze:
    return str.split


def _whitespace_lower() -> Analyze:
    return lambda text: text.lower().split()


ANALYSIS = tuple(
    Hypothesis(f"analyzer {name}", explanation, bm25(analyzer=build))
    for name, explanation, build in (
        (
            "pymilvus-en",
            "pymilvus.model's English analyzer: NLTK words, stop words, Snowball stems",
            partial(build_analyzer, "pymilvus-en"),
        ),
        (
            "lucene-english",
            "Lucene's EnglishAnalyzer: 33 stop words, Porter stems",
            partial(build_analyzer, "lucene-english"),
        ),
        (
            "milvus-standard",
            "Milvus' standard analyzer: runs of letters and digits, lower-cased",
            partial(build_analyzer, "milvus-standard"),
        ),
        (
            "simple",
            "runs of word characters, lower-cased, no stems, no stop words",
            partial(build_analyzer, "simple"),
        ),
        ("whitespace", "whitespace-separated words, case and punctuation kept (str.split)", _whitespace),
        (
            "whitespace, lower-cased",
            "whitespace-separated words, lower-cased, punctuation kept (str.lower().split())",
            _whitespace_lower,
        ),
    )
)
