"""Results of a run and answers to a question, as they stand on the screen."""

from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

EXCERPT = 240


def show_results(console: Console, results: dict[str, Any], out: Path) -> None:
    """The judge's verdicts first, then the systems, significance, departures, times and where the files are."""
    dataset = results["dataset"]
    console.print(
        f"{dataset['name']}: {dataset['documents']:,} documents, {dataset['queries']} queries, "
        f"{dataset['judgements']:,} judgements, Milvus {results['store']['milvus']}"
    )
    for bad in dataset["bad_lines"]:
        console.print(Text(f"left out: {bad}", style="yellow"))
    console.print(_verdicts(results["verdicts"]))
    console.print(_systems(results["systems"]))
    console.print(_significance(results["significance"]))
    for departure in results["departures"]:
        figures = ", ".join(f"{name} {_number(value)}" for name, value in departure["figures"].items())
        console.print(Text(f"Departs: {departure['what']} ({departure['why']}): {figures}"))
    console.print(_timings(results["timings"]))
    console.print(Text(f"Results: {out / 'results.json'}, TREC runs: {out / 'runs'}"))


def show_answers(console: Console, question: str, answers: Iterable[Any]) -> None:
    """A question and what answers it, best first."""
    console.print(Text(f"\n{question}", style="bold"))
    found = list(answers)
    if not found:
        console.print("  nothing found")
    for rank, answer in enumerate(found, 1):
        excerpt = " ".join(answer.text.split())
        shown = excerpt if len(excerpt) <= EXCERPT else excerpt[: EXCERPT - 3] + "..."
        console.print(Text(f"  {rank}. {answer.score:.4f}  {answer.id}\n     {shown}"))


def _verdicts(verdicts: list[dict[str, Any]]) -> Table:
    table = Table(
        "field or system", "metric", "verdict", "recall", "largest score error", title="Milvus against the judge"
    )
    for verdict in verdicts:
        passed = Text("equal", "green") if verdict["passed"] else Text("NOT equal", "bold red")
        for problem in verdict["problems"]:
            passed.append(f"; {problem}")
        row = (verdict["what"], verdict["metric"], passed, f"{verdict['recall']:.4f}", f"{verdict['max_error']:.1e}")
        table.add_row(*row)
    return table


def _systems(systems: dict[str, Any]) -> Table:
    measures = list(next(iter(systems.values()))["metrics"])
    table = Table("system", *measures, "ms a query", title="How well each system retrieves")
    for name, system in sorted(systems.items(), key=lambda item: item[1]["metrics"][measures[0]]):
        figures = [f"{system['metrics'][measure]:.4f}" for measure in measures]
        table.add_row(name, *figures, f"{median(system['latency_ms']):.1f}")
    return table


def _significance(tests: list[dict[str, Any]]) -> Table:
    table = Table("a", "b", "measure", "a - b", "p", title="Paired randomisation tests")
    for test in tests:
        table.add_row(test["a"], test["b"], test["measure"], f"{test['difference']:+.4f}", f"{test['p_value']:.4f}")
    return table


def _timings(timings: list[dict[str, Any]]) -> Table:
    table = Table("stage", "of", "items", "seconds", "items a second", "cached or there", title="Time")
    for timing in timings:
        rate = f"{timing['per_second']:,.0f}" if timing["per_second"] else "-"
        row = (f"{timing['items']:,}", f"{timing['seconds']:.2f}", rate, f"{timing['skipped']:,}")
        table.add_row(timing["stage"], timing["what"], *row)
    return table


def _number(value: float) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
