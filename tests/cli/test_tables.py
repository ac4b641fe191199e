"""Tables on the terminal: one without rows is not printed."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from refimpl.cli.tables import show_results

TEST = {"a": "dense", "b": "bm25", "measure": "nDCG@10", "difference": 0.25, "p_value": 0.5, "p_holm": 0.75}
VALIDATION = {"what": "dense", "metric": "IP", "passed": True, "problems": [], "recall": 1.0, "max_error": 0.0}
TIMING = {"stage": "fit", "what": "bm25", "items": 1, "seconds": 1.0, "per_second": 1.0, "skipped": 0}
FULL = {"significance": [TEST], "verdicts": [VALIDATION], "timings": [TIMING]}
TITLES = {
    "significance": "Paired randomisation tests",
    "verdicts": "Milvus compared with exact search",
    "timings": "Time",
}


def printed(**parts):
    dataset = {"name": "toy", "documents": 1, "queries": 1, "judgements": 1, "bad_lines": []}
    systems = {"dense": {"metrics": {"nDCG@10": 1.0}, "intervals": {"nDCG@10": [0.25, 1.0]}, "latency_ms": [1.0]}}
    results = {"dataset": dataset, "store": {"milvus": "Lite"}, "systems": systems, "departures": [], **FULL, **parts}
    console = Console(file=io.StringIO(), width=120)
    show_results(console, results, Path("out"))
    return console.file.getvalue()


@pytest.mark.parametrize("part", FULL)
def test_a_table_without_rows_is_not_printed(part):
    assert TITLES[part] in printed()
    without = printed(**{part: []})
    assert TITLES[part] not in without
    assert all(TITLES[other] in without for other in FULL if other != part)


def test_failures_are_printed_before_the_tables_without_executing_escapes():
    failure = {"stage": "rerank", "what": "dense+rerank", "error": "OSError: \x1b[2Jgone"}
    text = printed(failures=[failure])
    assert r"FAILED: rerank, dense+rerank: OSError: \x1b[2Jgone" in text
    assert text.index("FAILED") < text.index(TITLES["verdicts"])


def test_a_system_without_latencies_is_printed():
    system = {"metrics": {"nDCG@10": 1.0}, "intervals": {"nDCG@10": None}, "latency_ms": []}
    assert "-" in printed(systems={"dense": system})


def test_systems_are_ordered_by_ndcg_with_its_interval_and_pairs_have_both_p_values():
    systems = {
        name: {"metrics": {"P@5": 0.1, "nDCG@10": ndcg}, "intervals": {"nDCG@10": [0.25, 0.875]}, "latency_ms": []}
        for name, ndcg in (("better", 0.5), ("worse", 0.3))
    }
    text = printed(systems=systems)
    assert text.index("worse") < text.index("better")
    assert "0.5000 [0.250, 0.875]" in text
    assert "0.5000" in text[text.index("p (Holm)") :]
    assert "0.7500" in text[text.index("p (Holm)") :]
