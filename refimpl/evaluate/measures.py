"""Measures of a run by ir-measures, with documents ranked as trec_eval ranks them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from refimpl.common.extras import importing
from refimpl.evaluate.trec_run import check_scores

Qrels = dict[str, dict[str, int]]

NAMES = {"recall": "R", "MRR": "RR", "MAP": "AP"}  # in ir-measures
MEASURES = ("nDCG@10", "recall@100", "MRR@10", "MAP")
HIGHEST_GRADE = 1_000_000  # trec_eval allocates an array of this length, and ends the process where it cannot


@dataclass(frozen=True)
class Evaluation:
    """`mean[measure]` and `per_query[measure][query_id]`, each in [0, 1]."""

    mean: dict[str, float]
    per_query: dict[str, dict[str, float]]


def evaluate(
    run: Mapping[str, Mapping[str, float]],
    qrels: Mapping[str, Mapping[str, int]],
    measures: Sequence[str] = MEASURES,
    *,
    ignore_identical_ids: bool = False,
) -> Evaluation:
    """Measures of a run, averaged over the queries of `qrels`: by default nDCG@10, recall@100, MRR@10 and MAP.

    As trec_eval computes them: gains are the relevance grades, documents without a judgement are not relevant, and
    documents are in the order of `trec_eval_ranking`, whatever the order of the run. A query of `qrels` that is missing
    from the run, or has no relevant document, counts as 0; a query without qrels does not count.

    Parameters
    ----------
    run
        `{query_id: {doc_id: score}}`, higher scores are better.
    qrels
        `{query_id: {doc_id: grade}}`.
    measures
        Names that ir-measures parses, such as "P@5", "ERR@20" or "nDCG@10"; recall, MRR and MAP are its R, RR and AP.
    ignore_identical_ids
        Leave out of the run each document whose id is the query's, as BEIR and MTEB do where the queries are documents
        of the collection (ArguAna, Quora).

    Raises
    ------
    ValueError
        Empty qrels, a measure that ir-measures does not compute here, a score that is not finite, a relevance grade
        beyond plus or minus a million.
    """
    if not qrels:
        raise ValueError("qrels must have at least one query, got none")
    check_scores(run)
    _check_grades(qrels)
    parsed = _parsed(measures)
    per_query: dict[str, dict[str, float]] = {name: dict.fromkeys(qrels, 0.0) for name in measures}
    rankings = {query_id: trec_eval_ranking(run[query_id]) for query_id in qrels if query_id in run}
    if ignore_identical_ids:
        rankings = {query_id: [doc for doc in ranking if doc != query_id] for query_id, ranking in rankings.items()}
    for measure, query_id, value in _computed(set(parsed.values()), qrels, rankings):
        for name in [name for name in parsed if parsed[name] == measure]:
            per_query[name][query_id] = value
    mean = {name: math.fsum(values.values()) / len(values) for name, values in per_query.items()}
    return Evaluation(mean, per_query)


def trec_eval_ranking(scores: Mapping[str, float]) -> list[str]:
    """Document ids as trec_eval ranks them: by score in float32, descending, then by id, descending.

    Ids are compared by code point. Source: `form_res_rels.c` of trec_eval 9, which stores scores as C floats.

    >>> trec_eval_ranking({"a": 1.0, "b": 1.0, "c": 2.0})
    ['c', 'b', 'a']
    """
    with np.errstate(over="ignore"):  # a score beyond float32 is infinite there
        rounded = np.array(list(scores.values()), dtype=np.float64).astype(np.float32).tolist()
    order = sorted(zip(rounded, scores, strict=True), reverse=True)
    return [doc_id for _, doc_id in order]


def check_measures(measures: Sequence[str]) -> None:
    """Raise ValueError for a name that ir-measures does not parse or compute, or that is given twice."""
    _parsed(measures)


def _parsed(measures: Sequence[str]) -> dict[str, Any]:
    """ir-measures' object by name."""
    if isinstance(measures, str) or not measures:
        raise ValueError(f"measures must be a list of names such as 'nDCG@10', got {measures!r}")
    if len(set(measures)) < len(measures):
        raise ValueError(f"measures must be distinct, got {', '.join(measures)}")
    return {name: _measure(name) for name in measures}


@lru_cache(maxsize=100)
def _measure(name: str) -> Any:
    with importing("run"):
        import ir_measures

    base, at, cutoff = name.partition("@")
    try:
        measure = ir_measures.parse_measure(NAMES.get(base, base) + at + cutoff)
        ir_measures.calc_aggregate([measure], {"1": {"d": 1}}, {"1": {"d": 1.0}})
    except Exception as error:  # parsers and evaluators raise errors of many kinds, AssertionError among them
        raise ValueError(
            f"measures must be some that ir-measures computes, such as {', '.join(MEASURES)}, P@5, ERR@20; "
            f"got {name!r} ({error})"
        ) from error
    return measure


def _computed(
    measures: Iterable[Any], qrels: Mapping[str, Mapping[str, int]], rankings: Mapping[str, Sequence[str]]
) -> Iterable[tuple[Any, str, float]]:
    """Measure, query id and value, for the queries that ir-measures evaluates.

    Its evaluators break ties by different rules, and some read only ids of certain forms: they are given distinct
    scores, and numbers for ids.
    """
    import ir_measures

    queries = {query_id: str(number) for number, query_id in enumerate(qrels, 1)}
    judged = {doc_id for judgements in qrels.values() for doc_id in judgements}
    retrieved = {doc_id for ranking in rankings.values() for doc_id in ranking}
    docs = {doc_id: f"d{number}" for number, doc_id in enumerate(judged | retrieved)}
    renamed_qrels = {queries[q]: {docs[d]: grade for d, grade in of.items()} for q, of in qrels.items()}
    run = {
        queries[q]: {docs[doc_id]: float(len(ranking) - rank) for rank, doc_id in enumerate(ranking)}
        for q, ranking in rankings.items()
    }
    query_ids = {number: query_id for query_id, number in queries.items()}
    for one in ir_measures.iter_calc(list(measures), renamed_qrels, run):
        yield one.measure, query_ids[one.query_id], float(one.value)


def _check_grades(qrels: Mapping[str, Mapping[str, int]]) -> None:
    for query_id, judgements in qrels.items():
        for doc_id, grade in judgements.items():
            if not abs(grade) <= HIGHEST_GRADE:
                raise ValueError(
                    f"query {query_id!r}, document {doc_id!r}: "
                    f"the relevance must be at most {HIGHEST_GRADE:,}, got {grade}"
                )
