"""How good a ranking is, through ir-measures, and whether two rankings differ by more than chance; TREC run files."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Run = dict[str, dict[str, float]]
Qrels = dict[str, dict[str, int]]

MEASURES = {"nDCG@10": "nDCG@10", "recall@100": "R@100", "MRR@10": "RR@10", "MAP": "AP"}
RESAMPLES = 9999


@dataclass(frozen=True)
class Evaluation:
    """`mean[measure]` and `per_query[measure][query_id]`, each in [0, 1]."""

    mean: dict[str, float]
    per_query: dict[str, dict[str, float]]


@dataclass(frozen=True)
class Significance:
    """Two systems on the same queries: mean difference (a - b) and the two-sided p-value of its being chance."""

    measure: str
    difference: float
    p_value: float
    queries: int


def evaluate(run: Mapping[str, Mapping[str, float]], qrels: Mapping[str, Mapping[str, int]]) -> Evaluation:
    """nDCG@10, recall@100, MRR@10 and MAP of a run, averaged over the queries of `qrels`.

    As trec_eval computes them: gains are the judgements themselves, documents without one count as not relevant, and
    ties in score are broken by document id, whatever order the run had. A judged query that the run leaves out, or
    that has no relevant document, counts as 0; a query that is not judged does not count.
    Raises ValueError for empty qrels, and for a score that is not finite.
    """
    import ir_measures

    if not qrels:
        raise ValueError("qrels are empty: there is nothing to judge the run by")
    _check_scores(run)
    measures = {ir_measures.parse_measure(theirs): ours for ours, theirs in MEASURES.items()}
    per_query: dict[str, dict[str, float]] = {name: dict.fromkeys(qrels, 0.0) for name in MEASURES}
    judged = {query_id: dict(scores) for query_id, scores in run.items() if query_id in qrels}
    for value in ir_measures.iter_calc(
        list(measures), {q: dict(judgements) for q, judgements in qrels.items()}, judged
    ):
        per_query[measures[value.measure]][value.query_id] = float(value.value)
    mean = {name: math.fsum(values.values()) / len(values) for name, values in per_query.items()}
    return Evaluation(mean, per_query)


def randomisation_test(
    a: Mapping[str, float], b: Mapping[str, float], *, measure: str = "", seed: int = 0
) -> Significance:
    """Paired randomisation test of two systems' per-query values: the signs of the differences are flipped at random.

    Two-sided, on the mean difference; 9,999 resamplings with `seed`, or every one where there are fewer (Smucker,
    Allan and Carterette, CIKM 2007). Raises ValueError unless both have the same queries, at least two.
    """
    from scipy.stats import permutation_test

    if a.keys() != b.keys():
        unpaired = sorted(a.keys() ^ b.keys())
        raise ValueError(f"the two systems must have the same queries; {len(unpaired)} differ, first {unpaired[0]!r}")
    if len(a) < 2:
        raise ValueError(f"a paired test needs at least two queries, got {len(a)}")
    differences = np.array([a[query_id] - b[query_id] for query_id in a])
    if not differences.any():  # scipy would divide nothing by nothing
        return Significance(measure, 0.0, 1.0, len(a))
    result = permutation_test(
        (differences,),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=1000,
        rng=np.random.default_rng(seed),
    )
    return Significance(measure, float(differences.mean()), float(result.pvalue), len(a))


def write_run(run: Mapping[str, Mapping[str, float]], path: Path, tag: str) -> None:
    """Save a run in TREC's format, `query_id Q0 doc_id rank score tag`, best first; scores read back exactly.

    Raises ValueError for an id that is empty or holds white space, which the format cannot carry.
    """
    _check_scores(run)
    lines = []
    for query_id, scores in run.items():
        ranked = sorted(scores.items(), key=lambda hit: -hit[1])  # stable: ties stay in the run's order
        for rank, (doc_id, score) in enumerate(ranked, 1):
            lines.append(f"{_field(query_id)} Q0 {_field(doc_id)} {rank} {score!r} {_field(tag)}\n")
    path.write_text("".join(lines), encoding="utf-8")


def read_run(path: Path) -> Run:
    """A TREC run file as `{query_id: {doc_id: score}}`; a malformed line is a ValueError with file and line number."""
    run: Run = {}
    with path.open(encoding="utf-8") as stream:
        for number, line in enumerate(stream, 1):
            fields = line.split()
            if not fields:
                continue
            if len(fields) != 6:
                raise ValueError(f"{path}, line {number}: expected 6 fields (qid Q0 docid rank score tag): {line!r}")
            try:
                score = float(fields[4])
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: the score must be a number, got {fields[4]!r}") from error
            scores = run.setdefault(fields[0], {})
            if fields[2] in scores:
                raise ValueError(f"{path}, line {number}: query {fields[0]} has document {fields[2]} twice")
            scores[fields[2]] = score
    return run


def _check_scores(run: Mapping[str, Mapping[str, Any]]) -> None:
    for query_id, scores in run.items():
        for doc_id, score in scores.items():
            if not math.isfinite(score):
                raise ValueError(f"query {query_id!r}, document {doc_id!r}: the score must be finite, got {score!r}")


def _field(text: str) -> str:
    if not text or text.split() != [text]:
        raise ValueError(f"{text!r} cannot stand in a TREC run: ids must not be empty nor hold white space")
    return text
