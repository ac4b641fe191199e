"""Files of a run: results.json, and one TREC run per system.

results.json, schema "refimpl.run/1":

    stamp         refimpl.common.stamp, with the data set's hash and the run's settings
    dataset       name, sha256, documents, queries, judgements, judgements_of_absent_documents,
                  judged_queries_without_text, queries_that_are_documents, bad_lines (as text),
                  ignore_identical_ids (whether a document with the query's id is left out)
    store         collection, documents, milvus ("Lite" or "server"), truncated_texts (at 65,535 bytes)
    encoders      {field: {name, kind, metric, dim, key}}
    systems       {name: {about, fields, metrics {measure: mean}, intervals {measure: [low, high] of 95%, or null},
                   per_query {measure: {query_id: value}}, queries_without_hits,
                   latency_ms [per single query, before reranking, raw], run (its TREC file, relative path)}}
    verdicts      [{what, metric, passed, recall, max_error, tolerance, k, queries, problems}]: the validations
    departures    [{what, why, figures {name: number}}]: the deviations of Milvus
    contrasts     [{a, b, query_id, query, values, hits}]: refimpl.search.contrasts, by the main measure
    significance  [{a, b, measure, difference (a - b), p_value, p_holm (corrected for all pairs), queries}]
    failures      [{stage, what, error}]: what failed after ingestion; such a system is not in `systems`
    timings       [{stage, what, items, seconds, per_second, skipped (cached, or in the store already),
                   remote (computed by a provider), tokens (that its responses state), cost}]
    stages        [{stage, item, items, seconds, seconds_per_item, cost, cost_per_1000}]: sums of timings; a cost is
                   null where no price is known
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Any

from refimpl.common.atomic import check_output, write_atomically
from refimpl.common.resources import file_name
from refimpl.common.stamp import stamp
from refimpl.evaluate import Evaluation, Run, bootstrap_interval, evaluate, holm, randomisation_test, write_run
from refimpl.search.contrasts import contrasts
from refimpl.search.costs import stage_costs
from refimpl.search.fields import field_to_dict
from refimpl.search.plan import LoadedDataset, System
from refimpl.search.records import SearchResults
from refimpl.search.run_result import RunResult

SCHEMA = "refimpl.run/1"
FILE = "results.json"
MAIN = "nDCG@10"
COMPARED = ("nDCG@10", "recall@100")  # measures for which pairs of systems are tested


def to_json(result: RunResult, validations: list[dict[str, Any]], deviations: list[dict[str, Any]]) -> dict[str, Any]:
    """The content of results.json; evaluates the systems."""
    loaded = result.dataset
    evaluations = _evaluations(result)
    data = {"name": loaded.name, "sha256": loaded.sha256}
    prices = result.plan.prices
    rule = {"ignore_identical_ids": result.plan.ignores_identical_ids(loaded)}
    libraries = ("ir-measures", "pytrec-eval-terrier")
    encoders = {e.field.name: field_to_dict(e.field) | {"key": dict(e.key)} for e in result.plan.encoders}
    return {
        "schema": SCHEMA,
        "stamp": stamp(dataset=data, settings=result.plan.settings, libraries=libraries),
        "dataset": data | loaded.counts | rule | {"bad_lines": loaded.bad_lines},
        "store": dict(result.store),
        "encoders": encoders,
        "systems": {
            system.name: _system(system, evaluations[system.name], result)
            for system in result.plan.systems
            if system.name in evaluations
        },
        "verdicts": validations,
        "departures": deviations,
        "contrasts": _contrasts(result, evaluations),
        "significance": _significance(evaluations),
        "failures": result.failures.to_json(),
        "timings": [timing.to_dict() | {"cost": prices.cost(timing)} for timing in result.timings],
        "stages": [stage.to_dict() for stage in stage_costs(result.timings, prices)],
    }


def _evaluations(result: RunResult) -> dict[str, Evaluation]:
    """The evaluation of each system; one whose run cannot be evaluated, as for a score that is NaN, has failed."""
    evaluations = {}
    for name, answers in result.ranked.items():
        with result.failures.recorded("evaluate", name):
            evaluations[name] = evaluate(
                run_of(answers, result.dataset),
                result.dataset.qrels,
                result.plan.measures,
                ignore_identical_ids=result.plan.ignores_identical_ids(result.dataset),
            )
    if not evaluations:
        result.failures.raise_first()
    return evaluations


def main_measure(measures: Iterable[str]) -> str:
    """The measure that systems are ordered by: nDCG@10, or the first one where that is missing."""
    names = list(measures)
    return MAIN if MAIN in names else names[0]


def run_of(results: SearchResults, loaded: LoadedDataset) -> Run:
    """Search results as `{query_id: {doc_id: score}}`."""
    return {
        query_id: dict(zip(ids, scores, strict=True))
        for query_id, ids, scores in zip(loaded.queries, results.ids, results.scores, strict=True)
    }


def write(results: Mapping[str, Any], result: RunResult, out: Path) -> None:
    """Save the TREC runs and then results.json under `out`, each atomically."""
    for name in results["systems"]:
        tag = "_".join(name.split())  # a model's folder may have white space in its name
        check_output(out / run_file(name))
        write_run(run_of(result.ranked[name], result.dataset), out / run_file(name), tag)
    text = json.dumps(results, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomically(out / FILE, text)


def output_files(systems: Iterable[str]) -> list[str]:
    """Paths of the files that `write` writes, relative to the run's folder."""
    return [FILE, *map(run_file, systems)]


def run_file(system: str) -> str:
    """Path of a system's TREC run relative to results.json; a name that Windows does not allow is changed."""
    return f"runs/{file_name(system)}.trec"


def _system(system: System, evaluation: Evaluation, result: RunResult) -> dict[str, Any]:
    return {
        "about": system.about,
        "fields": list(system.fields),
        "metrics": evaluation.mean,
        "intervals": {
            measure: bootstrap_interval(list(values.values())) for measure, values in evaluation.per_query.items()
        },
        "per_query": evaluation.per_query,
        "queries_without_hits": sum(not ids for ids in result.ranked[system.name].ids),
        "latency_ms": result.latency_ms.get(system.name, []),
        "run": run_file(system.name),
    }


def _contrasts(result: RunResult, evaluations: Mapping[str, Evaluation]) -> list[dict[str, Any]]:
    main = main_measure(result.plan.measures)
    per_query = {name: evaluation.per_query[main] for name, evaluation in evaluations.items()}
    return contrasts(per_query, result.ranked, result.dataset)


def _significance(evaluations: Mapping[str, Evaluation]) -> list[dict[str, Any]]:
    """Each pair of systems by each of the compared measures; p-values are corrected over the pairs of a measure."""
    measures = next(iter(evaluations.values())).per_query
    tests = []
    for measure in [name for name in COMPARED if name in measures] or list(measures)[:1]:
        pairs = [
            (a, b, randomisation_test(evaluations[a].per_query[measure], evaluations[b].per_query[measure]))
            for a, b in combinations(evaluations, 2)
            if len(measures[measure]) > 1
        ]
        corrected = holm([test.p_value for _, _, test in pairs])
        for (a, b, test), p_holm in zip(pairs, corrected, strict=True):
            tests.append({"a": a, "b": b, **asdict(test), "measure": measure, "p_holm": p_holm})
    return tests
