"""trec_eval's own values, by pytrec_eval: the mean over the judged queries (trec_eval -c)."""

import math
from collections.abc import Mapping

import pytrec_eval

MEASURES = {"nDCG@10": "ndcg_cut_10", "recall@100": "recall_100", "MRR@10": "recip_rank", "MAP": "map"}


def per_query(qrels: Mapping[str, Mapping[str, int]], run: Mapping[str, Mapping[str, float]]) -> dict[str, dict]:
    """`{query_id: {measure: value}}` of the judged queries in the run; MRR@10 is 0 beyond rank 10."""
    found = pytrec_eval.RelevanceEvaluator(qrels, set(MEASURES.values())).evaluate(run)
    for values in found.values():
        values["recip_rank"] *= values["recip_rank"] >= 0.1
    return {query: {name: values[measure] for name, measure in MEASURES.items()} for query, values in found.items()}


def trec_eval(qrels: Mapping[str, Mapping[str, int]], run: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Means over the queries of `qrels`."""
    found = per_query(qrels, run)
    return {name: math.fsum(values[name] for values in found.values()) / len(qrels) for name in MEASURES}
