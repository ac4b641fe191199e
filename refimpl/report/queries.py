"""Sections of a run's report about single queries: where a hybrid helps, and where two systems differ most."""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import groupby
from statistics import fmean

from refimpl.report import figures, plots
from refimpl.report.document import NOTHING, Plot, Row, Section, Table
from refimpl.report.fields import Fields

PLOTS = 3  # of pairs of systems


def sections(result: Fields, main: str) -> list[Section]:
    """The sections for which the result has values; results of earlier releases have no hits."""
    return [*_hybrids(result, main), *_contrasts(result, main)]


def _hybrids(result: Fields, main: str) -> list[Section]:
    """On how many queries each fusion is better and worse than each of its parts."""
    systems = result.sub("systems")
    fields = {name: _names(systems.sub(name)) for name in systems.values}
    values = {name: _per_query(systems.sub(name), main) for name in systems.values}
    parts = {tuple(names): name for name, names in fields.items() if len(names) == 1 and not name.endswith("+rerank")}
    rows, drawn = [], []
    for name, names in fields.items():
        for part in [parts[(one,)] for one in names if len(names) > 1 and (one,) in parts]:
            if not values[name] or values[name].keys() != values[part].keys():
                continue
            rows.append(_gains(name, part, values))
            drawn.append(_scatter(name, part, values, main))
    if not rows:
        return []
    columns = ("fusion against its part", "better on", "by", "worse on", "by", "equal on")
    note = f"Queries, and the mean difference of {main} on them."
    table = Table("Where a fusion helps and where it hurts", columns, tuple(rows), note)
    return [Section("Fusion by query", plots=tuple(drawn[:PLOTS]), tables=(table,))]


def _names(system: Fields) -> list[str]:
    names = system.values.get("fields")
    return [str(name) for name in names] if isinstance(names, list) else []


def _per_query(system: Fields, main: str) -> dict[str, float]:
    """The main measure by query id; empty where the result lacks it."""
    if "per_query" not in system.values or main not in system.sub("per_query").values:
        return {}
    by_query = system.sub("per_query").sub(main)
    return {query_id: by_query.number(query_id) or 0.0 for query_id in by_query.values}


def _gains(name: str, part: str, values: Mapping[str, Mapping[str, float]]) -> Row:
    differences = [values[name][query_id] - values[part][query_id] for query_id in values[name]]
    better, worse = [one for one in differences if one > 0], [one for one in differences if one < 0]
    equal = len(differences) - len(better) - len(worse)
    mean = [f"{fmean(some):+.4f}" if some else NOTHING for some in (better, worse)]
    return Row((f"{name} − {part}", f"{len(better)}", mean[0], f"{len(worse)}", mean[1], f"{equal}"))


def _scatter(name: str, part: str, values: Mapping[str, Mapping[str, float]], main: str) -> Plot:
    alt = f"{main} of each query by {name} over that by {part}; above the diagonal {name} is better."
    points = [(values[part][query_id], values[name][query_id]) for query_id in values[name]]
    return Plot(f"{name} and {part}, query by query", alt, partial(plots.per_query, points, (part, name), alt))


def _contrasts(result: Fields, main: str) -> list[Section]:
    tables = []
    entries = sorted(result.items("contrasts"), key=lambda one: (one.text("a", ""), one.text("b", "")))
    for (a, b), of_pair in groupby(entries, key=lambda one: (one.text("a", ""), one.text("b", ""))):
        rows = tuple(Row(_cells(one, (a, b))) for one in of_pair)
        tables.append(Table(f"{a} and {b}", ("query", f"{a}: {main}", "best hits", f"{b}: {main}", "best hits"), rows))
    if not tables:
        return []
    prose = "For each pair of systems the queries with the largest differences, with the first hits of both."
    return [Section("Queries that differ most", prose=(prose,), tables=tuple(tables))]


def _cells(contrast: Fields, pair: tuple[str, str]) -> tuple[str, ...]:
    values, hits = contrast.sub("values"), contrast.sub("hits")
    cells = [f"{contrast.text('query_id', '')}: {contrast.text('query', '')}"]
    for name in pair:
        cells += [figures.score(values.number(name)), _listed(hits.items(name))]
    return tuple(cells)


def _listed(hits: Sequence[Fields]) -> str:
    """Hits in one cell, each with its relevance in brackets."""
    grades = [hit.number("relevance") for hit in hits]
    return " ".join(
        f"{rank}. [{'not judged' if grade is None else f'{grade:g}'}] {hit.text('text', '')}"
        for rank, (hit, grade) in enumerate(zip(hits, grades, strict=True), 1)
    )
