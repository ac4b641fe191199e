"""What BM25 in the wild does differently, each as one knob of `BM25Variant`."""

from refimpl.oracle.diagnosis.bm25_scores import BM25Variant
from refimpl.oracle.diagnosis.knobs import Knob
from refimpl.sparse.bm25.formulas import VARIANTS

ORIGINS = {
    "robertson": "Robertson's own idf, negative for terms in more than half of the documents, and tf without (k1 + 1)",
    "pymilvus": "pymilvus.model's and rank_bm25's BM25Okapi: negative idfs lifted to a quarter of the average",
    "atire": "idf is ln(N / df), tf has (k1 + 1)",
    "bm25l": "BM25L of Lv and Zhai",
    "bm25+": "BM25+ of Lv and Zhai",
    "lucene": "idf is ln(1 + (N - df + 0.5) / (df + 0.5)), tf has no (k1 + 1), empty documents do not count",
    "lucene-lossy": "as Lucene, document lengths kept in one byte",
}
ANALYZERS = {
    "pymilvus-en": "pymilvus.model's English analyzer: NLTK words, stop words, Snowball stems",
    "lucene-english": "Lucene's EnglishAnalyzer: 33 stop words, Porter stems",
    "milvus-standard": "Milvus' standard analyzer: runs of letters and digits in lower case",
    "simple": "runs of word characters in lower case, no stems, no stop words",
    "blanks": "words parted at blanks, case and punctuation kept (str.split)",
    "blanks, lower case": "words parted at blanks, lower case, punctuation kept (str.lower().split())",
}
PARAMETERS = ((1.5, 0.75), (1.2, 0.75), (0.9, 0.4), (2.0, 0.75), (1.6, 0.75))


def variant_settings(name: str) -> dict[str, object]:
    """The fields of `BM25Variant` that a published variant decides."""
    published = VARIANTS[name]
    counts = {"n_counts_empty": published.counts_empty, "avgdl_counts_empty": published.counts_empty}
    return {"idf": name, "tf": name, "delta": published.delta, **counts}


FORMULAS = tuple(Knob(f"variant {name}", ORIGINS[name], variant_settings(name)) for name in ORIGINS)
HALVES = (
    *(
        Knob(f"idf of {name}", f"idf as in: {ORIGINS[name]}", {"idf": name})
        for name in ("robertson", "pymilvus", "atire", "bm25l", "bm25+", "lucene")
    ),
    Knob(
        "negative idf set to 0", "Robertson's idf, clamped at 0, as bm25s' robertson has it", {"negative_idf": "zero"}
    ),
    Knob("delta 0.5", "delta of BM25L or BM25+ is 0.5", {"delta": 0.5}),
    Knob("delta 1", "delta of BM25L or BM25+ is 1", {"delta": 1.0}),
    Knob("log base 2", "the idf's logarithm has base 2", {"log_base": 2.0}),
    Knob("log base 10", "the idf's logarithm has base 10", {"log_base": 10.0}),
    Knob("times k1 + 1", "tf has a factor (k1 + 1) that this variant has not", {"finish": "with k1 + 1"}),
    Knob("without k1 + 1", "tf lacks the factor (k1 + 1) that this variant has", {"finish": "without k1 + 1"}),
)
COUNTING = (
    Knob(
        "empty documents not counted",
        "documents without a term are left out of N and of avgdl",
        {"n_counts_empty": False, "avgdl_counts_empty": False},
    ),
    Knob(
        "empty documents counted",
        "documents without a term count in N and avgdl",
        {"n_counts_empty": True, "avgdl_counts_empty": True},
    ),
    Knob(
        "avgdl over non-empty documents",
        "empty documents count in N, not in avgdl",
        {"n_counts_empty": True, "avgdl_counts_empty": False},
    ),
    Knob(
        "avgdl over all documents",
        "empty documents count in avgdl, not in N",
        {"n_counts_empty": False, "avgdl_counts_empty": True},
    ),
    Knob(
        "lengths in one byte",
        "document lengths are rounded down as Lucene keeps them (SmallFloat.intToByte4)",
        {"lengths": "one byte"},
    ),
    Knob("lengths of distinct terms", "a document's length is its number of different terms", {"lengths": "distinct"}),
    Knob("lengths ignored", "every document is taken to have the average length", {"lengths": "average"}),
    Knob("query terms as a set", "a term that the query has twice counts once", {"query_terms": "set"}),
    Knob(
        "value for absent terms",
        "terms that a document lacks add the formula's value for tf = 0, as rank_bm25 and bm25s have it",
        {"absent_terms": True},
    ),
    *(
        Knob(
            f"statistics per segment, {count} segments",
            f"N, df and avgdl are each segment's own, as Milvus Lite has them: {count} equal ones",
            {"segments": count},
        )
        for count in (2, 3, 4, 5, 8)
    ),
)
LIBRARIES = (
    Knob(
        "rank_bm25's BM25L",
        "BM25L with a factor too many: rank_bm25 multiplies by tf once more",
        {**variant_settings("bm25l"), "tf_again": True},
    ),
    Knob(
        "bm25+ with a value for absent terms",
        "rank_bm25's BM25Plus and bm25s' bm25+ add the formula's value for tf = 0 to every document",
        {**variant_settings("bm25+"), "absent_terms": True},
    ),
    Knob(
        "bm25l with a value for absent terms",
        "bm25s' bm25l adds the formula's value for tf = 0 to every document",
        {**variant_settings("bm25l"), "absent_terms": True},
    ),
    Knob(
        "bm25s' robertson",
        "Robertson's idf clamped at 0, and tf without (k1 + 1)",
        {**variant_settings("robertson"), "negative_idf": "zero"},
    ),
    Knob(
        "bm25s' lucene",
        "Lucene's idf and tf, empty documents counted",
        {**variant_settings("lucene"), "n_counts_empty": True, "avgdl_counts_empty": True},
    ),
    Knob(
        "tantivy",
        "Lucene's idf and one-byte lengths, with the factor (k1 + 1)",
        {**variant_settings("lucene-lossy"), "finish": "with k1 + 1"},
    ),
)
SCORES = (
    Knob("negated scores", "scores are negated, as distances are", {"finish": "negated"}),
    Knob("scores over the best", "each query's scores are divided by its best", {"finish": "by the best"}),
)
FITTED = Knob("other k1 and b", "the formula is right and its parameters are others", {"fitted": ("k1", "b")})
BM25 = (FITTED, *FORMULAS, *LIBRARIES, *HALVES, *COUNTING, *SCORES)
ANALYSIS = tuple(Knob(f"analyzer {name}", explanation, {"analyzer": name}) for name, explanation in ANALYZERS.items())


def published_variant(name: str, k1: float, b: float) -> BM25Variant:
    """The reference for a variant of `VARIANTS`."""
    return BM25Variant(k1=k1, b=b, **variant_settings(name))  # type: ignore[arg-type]  # by name
