import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report_results import HOSTILE, around, benchmarks, entry, run, saved

from refimpl import report
from refimpl.report.document import Document, Table

ROOT = Path(__file__).parents[2]


def tables(document: Document) -> dict[str, Table]:
    return {f"{section.title}: {table.title}": table for section in document.sections for table in section.tables}


def column(table: Table, name: str) -> list[str]:
    return [row.cells[table.columns.index(name)] for row in table.rows]


@pytest.fixture
def benched(tmp_path: Path) -> Document:
    return report.read(saved(tmp_path, benchmarks()))


@pytest.fixture
def ran(tmp_path: Path) -> Document:
    return report.read(saved(tmp_path, run()))


class TestBenchmarks:
    def test_races_stand_worst_first_with_the_ratio_to_the_fastest_other(self, benched: Document) -> None:
        table = tables(benched)["All races: Worst first"]
        assert column(table, "race")[:3] == ["encode: lost", "encode: even", "search: 10 documents"]
        assert column(table, "× the fastest other") == ["1.50×", "0.990×", "0.500×", "0.500×", "0.250×"]
        assert column(table, "outcome") == ["slower", "even", "faster", "faster", "faster"]
        assert column(table, "fastest other")[0] == "2.00 s (onnx)"

    def test_rounds_that_do_not_agree_who_is_faster_are_even(self, tmp_path: Path) -> None:
        held = benchmarks()
        won, torch = (one["stats"] for one in held["benchmarks"][:2])
        won["data"], torch["data"] = [1.0, 1.0, 1.0, 4.0, 4.0], [4.0, 4.0, 4.0, 1.0, 1.0]  # ratios 1/4 x 3, 4 x 2
        table = tables(report.read(saved(tmp_path, held)))["All races: Worst first"]
        row = next(row.cells for row in table.rows if row.cells[0] == "encode: won")
        assert row[2:4] == ("0.250× to 4.00×", "even")

    def test_losses_are_told_as_plainly_as_wins_and_first(self, benched: Document) -> None:
        said = list(benched.headline)
        assert said[0] == "Disqualified in encode: lost: liar (4 is not 3)."
        assert "6 races" not in said[1]
        assert said[1] == "refimpl against the fastest other, 5 races: 1 lost, 1 even, 3 won."
        assert said[2] == "Worst: encode: lost, where refimpl takes 1.50× the time of onnx."
        assert said[3] == "Best: encode: won, where torch takes 4.00× the time of refimpl."
        assert "Absent, so not raced: tantivy (No module named 'tantivy')." in said

    def test_every_side_has_its_median_spread_throughput_and_memory(self, benched: Document) -> None:
        table = tables(benched)["Encode: Every side, slowest first"]
        row = dict(zip(table.columns, table.rows[0].cells, strict=True))
        assert row == {
            "case": "lost",
            "competitor": "torch",
            "median": "6.00 s",
            "middle half": "5.40 s to 7.20 s",
            "throughput": "1.67 texts/s",
            "× the fastest": "3.00×",
            "peak memory": "2.50 MB",
        }

    def test_quartiles_are_those_of_the_rounds(self) -> None:
        stats = entry("x", "refimpl", around(2.0))["stats"]
        assert [stats["q1"], stats["median"], stats["q3"]] == list(np.quantile(stats["data"], [0.25, 0.5, 0.75]))

    def test_verdicts_put_the_wrong_first(self, benched: Document) -> None:
        table = tables(benched)["Correctness: What each check found"]
        assert table.rows[0].cells == ("encode: lost", "liar", "wrong or failed, so not timed: 4 is not 3")
        assert len(table.rows) == 13

    def test_plots_there_are_where_there_is_something_to_plot(self, benched: Document) -> None:
        plots = {section.title: [plot.title for plot in section.plots] for section in benched.sections}
        assert plots["Encode"] == ["Throughput", "Latency"]
        assert plots["Search"] == ["Throughput", "Latency", "Recall against time", "Cost against size: documents"]

    def test_another_projects_result_is_read_too(self, tmp_path: Path) -> None:
        plain = {"group": None, "name": "test_a", "fullname": "tests/test_a.py::test_a", "stats": {"median": 2e-3}}
        document = report.read(saved(tmp_path, {"machine_info": {"system": "Linux"}, "benchmarks": [plain]}))
        assert tables(document)["Tests/test_a.py: Every side, slowest first"].rows[0].cells[2] == "2.00 ms"
        assert tables(document)["Correctness: What each check found"].rows[0].cells[2] == "not checked"
        assert ("system", "Linux") in document.stamp


class TestRun:
    def test_systems_stand_worst_first(self, ran: Document) -> None:
        table = tables(ran)["Quality: Systems, lowest nDCG@10 first"]
        assert column(table, "system") == ["bm25", "dense"]
        assert column(table, "nDCG@10") == ["0.3800", "0.4100"]
        assert column(table, "median latency") == ["2.00 ms", "20.0 ms"]

    def test_a_failed_verdict_heads_the_page(self, ran: Document) -> None:
        assert ran.headline[0] == "The judge does not agree: dense (L2)."
        rows = tables(ran)["Correctness: Milvus against the judge"].rows
        assert [row.cells[2] for row in rows] == ["differs: wrong order (2 of 5 queries)", "equal"]
        assert rows[0].cells[3] == "0.9876 @100"
        assert rows[0].tone == "loss"

    def test_significance_says_what_was_shown(self, ran: Document) -> None:
        table = tables(ran)["Significance: Pairs of systems, least sure first"]
        assert column(table, "outcome") == ["no difference shown", "differs"]
        assert column(table, "difference") == ["+0.0500", "+0.0300"]

    def test_costs_and_departures(self, ran: Document) -> None:
        assert column(tables(ran)["Cost: Stages, longest first"], "rate") == ["200 items/s", "–"]
        assert tables(ran)["Departures: In figures"].rows[0].cells[2] == "nDCG@10 0.1235"


class TestPage:
    class Seen(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.tags: list[tuple[str, dict[str, str | None]]] = []
            self.text: list[str] = []

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.tags.append((tag, dict(attrs)))

        def handle_data(self, data: str) -> None:
            self.text.append(data)

    @pytest.mark.parametrize("made", [benchmarks, run])
    def test_hostile_text_is_shown_as_text(self, tmp_path: Path, made: Any) -> None:
        held = made()
        if "systems" in held:
            held["systems"][HOSTILE] = held["systems"].pop("dense") | {"about": HOSTILE}
            held["dataset"]["name"] = HOSTILE
        else:
            held["benchmarks"] += [entry(HOSTILE, HOSTILE, around(1.0), unit=HOSTILE, recall=0.5, verdict=HOSTILE)]
            held["refimpl"]["stamp"][HOSTILE] = HOSTILE
        html = report.render(saved(tmp_path, held), "html")
        seen = self.Seen()
        seen.feed(html)
        assert not {"script", "img", "iframe", "object"} & {tag for tag, _ in seen.tags}
        assert not any(name.startswith("on") for _, attributes in seen.tags for name in attributes)
        assert "".join(seen.text).count(HOSTILE) >= 3
        assert any(attributes.get("id") and "svg" not in tag for tag, attributes in seen.tags)

    @pytest.mark.parametrize("name", ["$x^2$", r"$\frac{1}", "100 % of $5"])
    def test_a_dollar_in_a_plot_is_no_formula(self, tmp_path: Path, name: str) -> None:
        held = benchmarks()
        held["benchmarks"] += [entry("dollars", name, around(1.0))]
        html = report.render(saved(tmp_path, held), "html")
        drawn = "".join(re.findall(r"<svg.*?</svg>", html, re.DOTALL))
        assert f">{name}</text>" in drawn

    def test_nothing_is_fetched_and_ids_are_unique(self, tmp_path: Path) -> None:
        seen = self.Seen()
        seen.feed(report.render(saved(tmp_path, benchmarks()), "html"))
        references = [a[name] for _, a in seen.tags for name in ("src", "href", "xlink:href") if name in a]
        assert {reference.partition(":")[0] for reference in references if not reference.startswith("#")} == {"data"}
        ids = [attributes["id"] for _, attributes in seen.tags if "id" in attributes]
        assert len(ids) == len(set(ids))
        assert {reference[1:] for reference in references if reference.startswith("#")} <= set(ids)

    def test_plots_take_the_pages_colours(self, tmp_path: Path) -> None:
        html = report.render(saved(tmp_path, benchmarks()), "html")
        assert html.count("<svg") == 6
        assert "var(--side-0)" in html
        assert "#0102" not in html
        assert "#01010" not in html

    def test_the_same_result_gives_the_same_page(self, tmp_path: Path) -> None:
        file = saved(tmp_path, benchmarks())
        assert report.render(file, "html") == report.render(file, "html")

    def test_markdown_escapes_its_own_signs(self, tmp_path: Path) -> None:
        held = benchmarks()
        held["benchmarks"] += [entry("a|b", HOSTILE + "\n# no heading", around(1.0))]
        text = report.render(saved(tmp_path, held), "md")
        rows = [line for line in text.splitlines() if "script" in line]
        assert rows
        assert all("\\<script\\>" in row for row in rows)
        assert "\n# no heading" not in text
        assert "a\\|b" in text
        assert "| encode: lost | 1.50× | 1.50× to 1.50× | slower | 3.00 s | 2.00 s (onnx) |" in text


class TestRefusals:
    @pytest.mark.parametrize(
        ("held", "message"),
        [
            ("not json", "result.json is no JSON"),
            ("[1, 2]", "must hold a JSON object, got list"),
            ({"a": 1}, "neither the JSON of `pytest --benchmark`.*nor the results.json.*its keys are a"),
            ({}, "its keys are none"),
            ({"schema": "refimpl.run/99"}, "schema refimpl.run/99, this refimpl reads refimpl.run/1: run it again"),
            ({"machine_info": {}, "benchmarks": []}, "holds no benchmarks"),
            (run() | {"systems": {}}, "holds no systems"),
            (run() | {"systems": []}, "systems must be an object, got list"),
            (run() | {"verdicts": ["x"]}, "verdicts must be a list of objects"),
        ],
    )
    def test_what_is_no_result_is_refused_with_what_it_is(self, tmp_path: Path, held: Any, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            report.read(saved(tmp_path, held))

    @pytest.mark.parametrize("median", [0, -1.0, "1", None, float("nan"), float("inf"), True])
    def test_an_impossible_time_is_named(self, tmp_path: Path, median: object) -> None:
        held = benchmarks()
        held["benchmarks"][3]["stats"]["median"] = median
        with pytest.raises(ValueError, match=r"benchmarks\[3\]: stats: median must be a number above 0, got "):
            report.read(saved(tmp_path, held))

    def test_a_recall_beyond_one_is_named(self, tmp_path: Path) -> None:
        held = benchmarks()
        held["benchmarks"][0]["extra_info"]["recall"] = 1.2
        with pytest.raises(ValueError, match=r"recall must be a number in \[0, 1\], got 1.2"):
            report.read(saved(tmp_path, held))

    def test_an_unknown_suffix_is_refused_before_anything_is_written(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"end it in \.html or \.md"):
            report.write(saved(tmp_path, benchmarks()), tmp_path / "report.pdf")
        assert [file.name for file in tmp_path.iterdir()] == ["result.json"]


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    started = [sys.executable, "-m", "refimpl", "report", *arguments]
    return subprocess.run(started, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


class TestCommand:
    def test_writes_where_it_is_told_in_the_format_it_is_told(self, tmp_path: Path) -> None:
        file, out = saved(tmp_path, run()), tmp_path / "deep" / "report.html"
        done = command(str(file), "-o", str(out))
        assert (done.returncode, done.stdout.strip()) == (0, str(out))
        assert out.read_text("utf-8").startswith("<!doctype html>")
        assert command(str(file), "--format", "md").stdout.strip() == str(file.with_suffix(".md"))
        assert file.with_suffix(".md").read_text("utf-8").startswith("# Retrieval on cranfield\n")

    def test_a_refusal_is_one_sentence(self, tmp_path: Path) -> None:
        done = command(str(saved(tmp_path, json.dumps([]))))
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert done.stderr.startswith("refimpl: result.json must hold a JSON object")
