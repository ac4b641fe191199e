"""A result of `refimpl run` as a document: quality, significance and cost of each system, and the validation."""

from collections.abc import Sequence
from functools import partial

from refimpl.report import costs, figures, plots, quality, queries, reproduction
from refimpl.report.document import NOTHING, Document, Plot, Row, Section, Table
from refimpl.report.fields import Fields
from refimpl.report.quality import System, best_first, read_systems
from refimpl.report.stamps import rows as stamp_rows
from refimpl.search.irregularities import irregularities

SCHEMA = "refimpl.run/1"
ALPHA = 0.05


def document(result: Fields, title: str, order: str | None = None) -> Document:
    """Return the report of one run; a ValueError names a field that does not follow schema refimpl.run/1.

    `order` is that of `refimpl.report.write`.
    """
    systems = read_systems(result)
    return Document(
        title=title,
        headline=tuple(_headline(result, systems)),
        sections=(
            *_failures(result),
            quality.section(systems, order),
            *_significance(result),
            *queries.sections(result, systems[0].main),
            *_cost(systems, result),
            _correctness(result),
            *_deviations(result),
            *reproduction.sections(result),
        ),
        stamp=stamp_rows({"dataset": result.sub("dataset").values, **result.sub("stamp").values, **_store(result)}),
    )


def _store(result: Fields) -> dict[str, object]:
    return {"store": result.sub("store").values}


def _headline(result: Fields, systems: Sequence[System]) -> list[str]:
    data = result.sub("dataset")
    failed = [one for one in result.items("verdicts") if one.values.get("passed") is not True]
    sentences = [f"Mismatch with exact search: {one.text('what', '')} ({one.text('metric', '')})." for one in failed]
    counts = [f"{int(n):,} {key}" for key in ("documents", "queries") if (n := data.not_negative(key)) is not None]
    sentences.append(f"{data.text('name', 'unnamed data')}: {', '.join(counts)}; {len(systems)} systems.")
    main = systems[0].main
    ranked = best_first(systems, main)
    for word, system in [("Highest", ranked[0]), ("Lowest", ranked[-1])][: len(ranked)]:
        sentences.append(f"{word} {main}: {system.name}, {figures.score(system.metrics.get(main))}.")
    if not failed and result.items("verdicts"):
        sentences.append(f"Milvus' results equal exact search in all {len(result.items('verdicts'))} checks.")
    bad = data.values.get("bad_lines")
    if bad:
        sentences.append(f"{len(bad) if isinstance(bad, list) else bad} malformed lines of the data were skipped.")
    return sentences + irregularities(result.values)


def _significance(result: Fields) -> list[Section]:
    tests = sorted(result.items("significance"), key=lambda test: -(test.number("p_value") or 0.0))
    rows = []
    for test in tests:
        p, corrected, difference = test.fraction("p_value"), test.fraction("p_holm"), test.number("difference")
        decisive = p if corrected is None else corrected
        outcome = "not significant" if decisive is None or decisive >= ALPHA else "significant"
        numbers = (
            f"{difference:+.4f}" if difference is not None else NOTHING,
            *(NOTHING if value is None else f"{value:.4f}" for value in (p, corrected)),
        )
        rows.append(Row((f"{test.text('a', '')} − {test.text('b', '')}", test.text("measure", ""), *numbers, outcome)))
    if not rows:
        return []
    note = (
        "Two-sided paired randomisation test over queries; p (Holm) is corrected for the number of pairs. A difference "
        f"is called significant where p (Holm), or p where that is missing, is below {ALPHA}."
    )
    columns = ("pair", "measure", "difference", "p", "p (Holm)", "outcome")
    table = Table("Pairs of systems, largest p first", columns, tuple(rows), note)
    return [Section("Significance", tables=(table,))]


def _cost(systems: Sequence[System], result: Fields) -> list[Section]:
    palette = plots.Palette.of([sorted(system.name for system in systems)])
    timed = sorted((s for s in systems if s.quartiles_s), key=lambda s: -s.quartiles_s[1] if s.quartiles_s else 0.0)
    drawn: list[Plot] = []
    bars, dots = [], []
    for system in timed:
        assert system.quartiles_s is not None
        low, middle, high = system.quartiles_s
        bars.append(plots.Bar(system.name, middle, low, high, system.latency_s))
        dots.append(plots.Dot(system.name, middle, max(system.value(system.main), 0.0)))
    if bars:
        alt = "Latency of each system, one query at a time, one dot per query; the table of systems lists the medians."
        groups = [plots.Group("one query at a time", tuple(bars))]
        drawn.append(
            Plot("Latency", alt, partial(plots.boxes, groups, palette, "time per query (less is better)", alt))
        )
        main = timed[0].main
        alt = f"{main} of each system over its median latency; the upper left is best."
        labels = ("median time per query (less is better)", f"{main} (more is better)")
        drawn.append(Plot(f"{main} against time", alt, partial(plots.scatter, dots, palette, labels, alt)))
    tables = costs.tables(result)
    return [Section("Cost", plots=tuple(drawn), tables=tables)] if drawn or tables else []


def _correctness(result: Fields) -> Section:
    checks = sorted(result.items("verdicts"), key=lambda v: (v.values.get("passed") is True, v.number("recall") or 0.0))
    rows = tuple(_check(check) for check in checks)
    if not rows:
        return Section("Correctness", prose=("This run was not validated: nothing was compared with exact search.",))
    columns = ("results of", "metric", "comparison", "recall", "largest score error", "tolerance", "queries")
    note = "Expected: exact search over all documents; recall counts ties at the k-th score."
    return Section(
        "Correctness", tables=(Table("Milvus compared with exact search", columns, rows, note, "comparison"),)
    )


def _check(check: Fields) -> Row:
    passed = check.values.get("passed") is True
    problems = check.values.get("problems")
    details = "; ".join(map(str, problems[:3])) if isinstance(problems, list) and problems else ""
    error, allowed = check.number("max_error"), check.number("tolerance")
    k, queries = check.not_negative("k"), check.not_negative("queries")
    cells = (
        check.text("what", ""),
        check.text("metric", ""),
        "match" if passed else f"mismatch: {details}" if details else "mismatch",
        figures.score(check.fraction("recall")) + (f" @{k:.0f}" if k is not None else ""),
        NOTHING if error is None else f"{error:.1e}",
        NOTHING if allowed is None else f"{allowed:.0e}",
        NOTHING if queries is None else f"{queries:,.0f}",
    )
    return Row(cells, "" if passed else "loss")


def _failures(result: Fields) -> list[Section]:
    rows = [
        Row((one.text("stage", ""), one.text("what", ""), one.text("error", "")), "loss")
        for one in result.items("failures")
    ]
    if not rows:
        return []
    prose = "What failed after ingestion; the results of everything else are below."
    return [Section("Failures", prose=(prose,), tables=(Table("By stage", ("stage", "what", "error"), tuple(rows)),))]


def _deviations(result: Fields) -> list[Section]:
    rows = []
    for one in result.items("departures"):
        numbers = ", ".join(f"{name} {_number(value)}" for name, value in one.sub("figures").values.items())
        rows.append(Row((one.text("what", ""), one.text("why", ""), numbers)))
    if not rows:
        return []
    prose = "Where the engine deviates from the definitions in Milvus' documentation, with figures of this run."
    return [Section("Deviations", prose=(prose,), tables=(Table("By case", ("what", "why", "figures"), tuple(rows)),))]


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
