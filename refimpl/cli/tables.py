"""Tables of a run's results and of the answers to a question."""

from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from refimpl.common.texts import visible
from refimpl.search.irregularities import irregularities
from refimpl.search.results import main_measure

EXCERPT = 240


def show_results(console: Console, results: dict[str, Any], out: Path) -> None:
    """Print the validation first, then the systems, significance, deviations, times and the paths of the files."""
    dataset = results["dataset"]
    console.print(
        f"{dataset['name']}: {dataset['documents']:,} documents, {dataset['queries']} queries, "
        f"{dataset['judgements']:,} judgements, Milvus {results['store']['milvus']}"
    )
    for bad in dataset["bad_lines"]:
        console.print(Text(f"left out: {bad}", style="yellow"))
    for sentence in irregularities(results):
        console.print(Text(sentence, style="yellow"))
    for failure in results.get("failures", []):
        text = f"FAILED: {failure['stage']}, {failure['what']}: {failure['error']}"
        console.print(Text(visible(text), style="bold red"))
    print_filled(console, _validation(results["verdicts"]))
    print_filled(console, _systems(results["systems"]))
    print_filled(console, _significance(results["significance"]))
    for deviation in results["departures"]:
        figures = ", ".join(f"{name} {_number(value)}" for name, value in deviation["figures"].items())
        console.print(Text(f"Deviation: {deviation['what']} ({deviation['why']}): {figures}"))
    print_filled(console, _timings(results["timings"]))
    console.print(Text(f"Results: {out / 'results.json'}, TREC runs: {out / 'runs'}"))


def print_filled(console: Console, table: Table) -> None:
    """Print the table, unless it has no rows."""
    if table.row_count:
        console.print(table)


def show_answers(console: Console, question: str, answers: Iterable[Any]) -> None:
    """Print a question and its answers, best first."""
    console.print(Text(f"\n{question}", style="bold"))
    ranked = list(answers)
    if not ranked:
        console.print("  no results")
    for rank, answer in enumerate(ranked, 1):
        excerpt = " ".join(answer.text.split())
        shown = excerpt if len(excerpt) <= EXCERPT else excerpt[: EXCERPT - 3] + "..."
        console.print(Text(f"  {rank}. {answer.score:.4f}  {answer.id}\n     {shown}"))


def _validation(validations: list[dict[str, Any]]) -> Table:
    columns = ("field or system", "metric", "result", "recall", "largest score error")
    table = Table(*columns, title="Milvus compared with exact search")
    for one in validations:
        result = Text("equal", "green") if one["passed"] else Text("NOT equal", "bold red")
        for problem in one["problems"]:
            result.append(f"; {problem}")
        table.add_row(one["what"], one["metric"], result, f"{one['recall']:.4f}", f"{one['max_error']:.1e}")
    return table


def _systems(systems: dict[str, Any]) -> Table:
    measures = list(next(iter(systems.values()))["metrics"])
    main = main_measure(measures)
    title = f"Effectiveness of each system; in brackets the 95% interval of {main}"
    table = Table("system", *measures, "ms per query", title=title)
    for name, system in sorted(systems.items(), key=lambda item: item[1]["metrics"][main]):
        figures = {measure: f"{system['metrics'][measure]:.4f}" for measure in measures}
        if interval := system["intervals"][main]:
            figures[main] += f" [{interval[0]:.3f}, {interval[1]:.3f}]"
        table.add_row(name, *figures.values(), f"{median(system['latency_ms']):.1f}" if system["latency_ms"] else "-")
    return table


def _significance(tests: list[dict[str, Any]]) -> Table:
    table = Table("a", "b", "measure", "a - b", "p", "p (Holm)", title="Paired randomisation tests")
    for test in tests:
        p_values = (f"{test['p_value']:.4f}", f"{test['p_holm']:.4f}")
        table.add_row(test["a"], test["b"], test["measure"], f"{test['difference']:+.4f}", *p_values)
    return table


def _timings(timings: list[dict[str, Any]]) -> Table:
    priced = any(timing.get("cost") is not None for timing in timings)
    columns = (
        "stage",
        "of",
        "items",
        "seconds",
        "items per second",
        "cached or present",
        *(["cost"] if priced else []),
    )
    table = Table(*columns, title="Time")
    for timing in timings:
        rate = f"{timing['per_second']:,.0f}" if timing["per_second"] else "-"
        row = [f"{timing['items']:,}", f"{timing['seconds']:.2f}", rate, f"{timing['skipped']:,}"]
        if priced:
            row.append("-" if timing["cost"] is None else _number(float(timing["cost"])))
        table.add_row(timing["stage"], timing["what"], *row)
    return table


def _number(value: float) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
