"""A result of `refimpl sweep` as a document: advice, Pareto front, every point, filters, changes, refusals."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from refimpl.common.atomic import write_atomically
from refimpl.report import figures, front_plot
from refimpl.report.document import NOTHING, Document, Plot, Row, Section, Table
from refimpl.report.fields import Fields
from refimpl.report.stamps import rows as stamp_rows

SCHEMA = "refimpl.sweep/1"
XLABEL = "recall@10 (more is better)"
ALT = "Median time per query over recall@10 of every point; the table of points has the figures."


@dataclass(frozen=True)
class Point:
    """One point: index type, label with all parameters, recall@10, raw latencies in seconds, correctness, front."""

    index: str
    label: str
    recall: float
    latency_s: tuple[float, ...]
    correct: bool
    on_front: bool
    fields: Fields

    @property
    def percentiles_s(self) -> tuple[float, float, float]:
        """p50, p95 and p99, by linear interpolation."""
        p50, p95, p99 = np.percentile(self.latency_s, (50, 95, 99))
        return float(p50), float(p95), float(p99)


def document(result: Fields, title: str) -> Document:
    """Return the report of one sweep; a ValueError names a field that does not follow schema refimpl.sweep/1."""
    points = _points_of(result)
    slowest_first = sorted(points, key=lambda point: -point.percentiles_s[0])
    drawn = Plot("Recall and latency", ALT, partial(front_plot.front, _spots(points), XLABEL, ALT))
    return Document(
        title=title,
        headline=tuple(_headline(result, points)),
        sections=(
            Section("Pareto front", plots=(drawn,), tables=(_points(slowest_first),)),
            Section("Build", tables=(_builds(points),)),
            Section("Throughput", tables=(_throughput(slowest_first),)),
            Section("Filters", tables=(_filters(slowest_first),)),
            Section("After deletes and upserts", tables=(_changes(slowest_first),)),
            Section("Refused by Milvus", tables=(_refused(result),)),
        ),
        stamp=stamp_rows({"dataset": result.sub("dataset").values, **result.sub("stamp").values}),
    )


def write_front(result: Mapping[str, Any], out: Path) -> Path:
    """Write the plot of a sweep's results as an SVG file of its own, atomically, and return `out`."""
    spots = _spots(_points_of(Fields(result, "results.json")))
    write_atomically(out, front_plot.standalone(front_plot.front(spots, XLABEL, ALT, 1)))
    return out


def _points_of(result: Fields) -> list[Point]:
    front = set(result.numbers("front"))
    points = [_point(fields, number in front) for number, fields in enumerate(result.items("points"))]
    if not points:
        raise ValueError(f"{result.where} contains no points: nothing was measured, run refimpl sweep again")
    return points


def _point(fields: Fields, on_front: bool) -> Point:
    index = fields.text("index", "")
    parameters = {**fields.sub("build").values, **fields.sub("search").values}
    return Point(
        index=index,
        label=" ".join([index, *(f"{name}={value}" for name, value in parameters.items())]),
        recall=fields.sub("recall").fraction("10") or 0.0,
        latency_s=_latency_s(fields.sub("latency_ms"), "single"),
        correct=fields.values.get("correct") is True,
        on_front=on_front,
        fields=fields,
    )


def _latency_s(fields: Fields, key: str) -> tuple[float, ...]:
    latencies = tuple(ms / 1e3 for ms in fields.numbers(key))
    if not latencies or min(latencies) <= 0:
        raise ValueError(f"{fields.where}: {key} must be a list of numbers above 0, got {list(latencies)!r:.60}")
    return latencies


def _spots(points: Sequence[Point]) -> list[front_plot.Spot]:
    return [
        front_plot.Spot(p.fields.text("kind", "dense"), p.index, p.recall, p.percentiles_s[0], p.correct, p.on_front)
        for p in points
    ]


def _headline(result: Fields, points: Sequence[Point]) -> list[str]:
    wrong = list(dict.fromkeys(point.index for point in points if not point.correct))
    sentences = [f"Wrong scores: {', '.join(wrong)}. Their points are not on the front."] if wrong else []
    measured = {point.index for point in points}
    refused = dict.fromkeys(one.text("index", "") for one in result.items("refused"))
    for what, names in (
        ("Refused", [name for name in refused if name not in measured]),
        ("Refused with some parameters", [name for name in refused if name in measured]),
    ):
        sentences += [f"{what}: {', '.join(names)}."] if names else []
    advice = result.sub("advice")
    sentences += [advice.text(kind, "") for kind in advice.values]
    return [*sentences, f"{len(points)} points, Milvus {result.sub('store').text('milvus', '')}."]


def _verdict(fields: Fields) -> str:
    if fields.values.get("correct") is True:
        return "exact scores"
    problems = fields.values.get("problems")
    details = [str(one) for one in problems[:2]] if isinstance(problems, list) else []
    error = fields.number("max_error")
    if error is not None and error > (fields.number("tolerance") or 0.0):
        details.insert(0, f"score error {error:.1e}")
    return f"wrong: {'; '.join(details)}"


def _recalls(fields: Fields) -> tuple[str, ...]:
    return tuple(figures.score(fields.sub("recall").fraction(cutoff)) for cutoff in ("1", "10", "100"))


RECALLS = ("recall@1", "recall@10", "recall@100")


def _points(points: Sequence[Point]) -> Table:
    rows = []
    for point in points:
        batched = point.fields.sub("latency_ms").numbers("batched")
        times = (*point.percentiles_s, float(np.median(batched)) / 1e3 if batched else None)
        cells = (
            point.label,
            _verdict(point.fields),
            "yes" if point.on_front else "",
            *_recalls(point.fields),
            figures.score(point.fields.fraction("ndcg@10")),
            *map(figures.seconds, times),
        )
        rows.append(Row(cells, "" if point.correct else "loss"))
    columns = ("point", "scores", "front", *RECALLS, "nDCG@10", "p50", "p95", "p99", "p50 per batch")
    note = "Recall against exact search in float64, ties counted. Times of single queries; the batch size is a setting."
    return Table("Points, slowest first", columns, tuple(rows), note, "scores").compact()


def _builds(points: Sequence[Point]) -> Table:
    rows = {}
    for point in points:
        fields = point.fields
        build = " ".join([point.index, *(f"{name}={value}" for name, value in fields.sub("build").values.items())])
        times = (figures.seconds(fields.not_negative("build_s")), figures.seconds(fields.not_negative("load_s")))
        sizes = (figures.size(fields.not_negative("index_bytes")), figures.size(fields.not_negative("memory_bytes")))
        rows[build] = Row((build, *times, *sizes))
    columns = ("index", "build", "load", "size on disk", "growth of memory")
    note = "Size and memory are those of Milvus Lite, which runs in this process; a server does not report them."
    return Table("Indexes", columns, tuple(rows.values()), note).compact()


def _throughput(points: Sequence[Point]) -> Table:
    clients = list(dict.fromkeys(n for point in points for n in point.fields.sub("queries_per_second").values))
    rows = []
    for point in points:
        rates = (point.fields.sub("queries_per_second").not_negative(n) for n in clients)
        rows.append(Row((point.label, *(figures.rate(rate, "queries") for rate in rates))))
    return Table("By number of clients", ("point", *(f"{n} clients" for n in clients)), tuple(rows))


def _filters(points: Sequence[Point]) -> Table:
    measured = [
        (f"{point.label}, {100 * (one.fraction('share') or 0):.0f} %", one)
        for point in points
        for one in point.fields.items("filters")
    ]
    return _searches("By share of the documents that the filter selects", measured)


def _changes(points: Sequence[Point]) -> Table:
    measured = [(point.label, point.fields.sub("after_changes")) for point in points]
    return _searches(
        "A tenth deleted, a tenth overwritten", [(label, fields) for label, fields in measured if fields.values]
    )


def _searches(title: str, measured: Iterable[tuple[str, Fields]]) -> Table:
    rows = []
    for label, fields in measured:
        median = figures.seconds(float(np.median(_latency_s(fields, "latency_ms"))))
        correct = fields.values.get("correct") is True
        rows.append(Row((label, _verdict(fields), *_recalls(fields), median), "" if correct else "loss"))
    return Table(title, ("point", "scores", *RECALLS, "p50"), tuple(rows), toned="scores").compact()


def _refused(result: Fields) -> Table:
    rows = []
    for one in result.items("refused"):
        parameters = {**one.sub("build").values, **one.sub("search").values}
        given = " ".join(f"{name}={value}" for name, value in parameters.items()) or NOTHING
        rows.append(Row((one.text("index", ""), given, one.text("error", ""))))
    return Table("Indexes and parameters", ("index", "parameters", "message"), tuple(rows))
