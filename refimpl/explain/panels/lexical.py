"""BM25, term by term: integer counts, from which the page computes every variant for any k1 and b."""

from collections import Counter
from typing import Any

import numpy as np

from refimpl.explain.panel import Panel
from refimpl.explain.scene import Scene
from refimpl.sparse.bm25.formulas import VARIANTS, idf_lucene, idf_robertson, tf_okapi, tf_robertson

DEFAULTS = {"k1": 1.5, "b": 0.75, "epsilon": 0.25, "variant": "pymilvus"}


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
