"""BM25, term by term: integer counts, from which the page computes every variant for any k1 and b."""

from collections import Counter
from typing import Any

import numpy as np

from refimpl.explain.panel import Panel, digits, quoted
from refimpl.explain.rankings import EPSILON, K1, VARIANT, B, bm25_products
from refimpl.explain.scene import Scene
from refimpl.sparse.bm25.formulas import VARIANTS, idf_lucene, idf_robertson, tf_okapi, tf_robertson

DEFAULTS = {"k1": K1, "b": B, "epsilon": EPSILON, "variant": VARIANT}


def panel(scene: Scene) -> Panel:
    """The question's terms with their df, each document's tf and length, and the collection's counts."""
    statistics = scene.statistics
    query_counts = Counter(scene.analyzer(scene.question.text))
    ids = {term: statistics.vocabulary.get(term) for term in query_counts}
    terms = [
        {"term": term, "count": count, "df": 0 if ids[term] is None else int(statistics.df[ids[term]])}
        for term, count in query_counts.items()
    ]
    return Panel(
        "lexical",
        "BM25",
        (
            "BM25 matches the question's exact terms: a term has more weight the fewer documents contain it (idf) and "
            "the more often it occurs in this document (tf), but each further occurrence adds less (saturation, k1), "
            "and long documents score lower (length normalisation, b).",
            "Move k1 and b or choose another published variant: the page recomputes the scores, from counts over "
            f"all {statistics.n_docs:,} documents of {scene.collection.name}.",
        ),
        _look_for(scene),
        (idf_robertson, idf_lucene, tf_okapi, tf_robertson),
        {
            **DEFAULTS,
            "variants": _variants(),
            "n_docs": statistics.n_docs,
            "n_empty": statistics.n_empty,
            "total_len": statistics.total_len,
            "df_counts": [
                list(map(int, pair)) for pair in zip(*np.unique(statistics.df, return_counts=True), strict=True)
            ],
            "terms": terms,
            "documents": [_document(scene, text.text, list(query_counts)) for text in scene.documents],
        },
    )


def _look_for(scene: Scene) -> str:
    """The term with the largest part of the best score, or that no term is shared."""
    terms, products = bm25_products(scene, scene.question.text)
    if not products.any():
        return "No document on this page shares a term with the question: BM25 cannot rank them, and MiniLM still does."
    row = int(products.sum(axis=1).argmax())
    term = int(products[row].argmax())
    sharing = int((products != 0).any(axis=1).sum())
    return (
        f"Document {row + 1} is first, and {quoted(terms[term])} is {digits(products[row, term])} of its "
        f"{digits(products[row].sum())}; documents with a term of the question: {sharing} of {len(products)}."
    )


def _variants() -> list[dict[str, Any]]:
    return [
        {
            "name": variant.name,
            "idf": variant.idf.__name__,
            "tf": variant.tf.__name__,
            "delta": variant.delta,
            "counts_empty": variant.counts_empty,
        }
        for variant in VARIANTS.values()
    ]


def _document(scene: Scene, text: str, terms: list[str]) -> dict[str, Any]:
    tokens = list(scene.analyzer(text))
    counts = Counter(tokens)
    return {"length": len(tokens), "tf": [counts[term] for term in terms]}
