import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report_results import HOSTILE, around, benchmarks, entry, full_run, run, saved

from refimpl import report
from refimpl.report import page
from refimpl.report.document import Document, Row, Section, Table

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
    def test_races_are_listed_worst_first_with_the_ratio_to_the_fastest_other(self, benched: Document) -> None:
        table = tables(benched)["All races: Worst first"]
        assert column(table, "race")[:3] == ["encode: lost", "encode: even", "search: 10 documents"]
        assert column(table, "× the fastest other") == ["1.50×", "0.990×", "0.500×", "0.500×", "0.250×"]
        assert column(table, "outcome") == ["slower", "even", "faster", "faster", "faster"]
        assert column(table, "fastest other")[0] == "2.00 s (onnx)"

    def test_rounds_that_disagree_about_the_faster_side_are_even(self, tmp_path: Path) -> None:
        result = benchmarks()
        won, torch = (one["stats"] for one in result["benchmarks"][:2])
        won["data"], torch["data"] = [1.0, 1.0, 1.0, 4.0, 4.0], [4.0, 4.0, 4.0, 1.0, 1.0]  # ratios 1/4 x 3, 4 x 2
        table = tables(report.read(saved(tmp_path, result)))["All races: Worst first"]
        row = next(row.cells for row in table.rows if row.cells[0] == "encode: won")
        assert row[2:4] == ("0.250× to 4.00×", "even")

    def test_losses_are_reported_like_wins_and_first(self, benched: Document) -> None:
        sentences = list(benched.headline)
        assert sentences[0] == "Disqualified in encode: lost: liar (4 is not 3)."
        assert "6 races" not in sentences[1]
        assert sentences[1] == "refimpl against the fastest other, 5 races: 1 lost, 1 even, 3 won."
        assert sentences[2] == "Worst: encode: lost, where refimpl takes 1.50× the time of onnx."
        assert sentences[3] == "Best: encode: won, where torch takes 4.00× the time of refimpl."
        assert "Not installed, so not timed: tantivy (No module named 'tantivy')." in sentences

    def test_every_side_has_its_median_spread_throughput_and_memory(self, benched: Document) -> None:
        table = tables(benched)["Encode: Every side, slowest first"]
        row = dict(zip(table.columns, table.rows[0].cells, strict=True))
        assert row == {
            "case": "lost",
            "competitor": "torch",
            "median": "6.00 s",
            "quartiles": "5.40 s to 7.20 s",
            "throughput": "1.67 texts/s",
            "× the fastest": "3.00×",
            "peak memory": "2.50 MB",
        }

    def test_quartiles_are_those_of_the_rounds(self) -> None:
        stats = entry("x", "refimpl", around(2.0))["stats"]
        assert [stats["q1"], stats["median"], stats["q3"]] == list(np.quantile(stats["data"], [0.25, 0.5, 0.75]))

    def test_mismatches_are_listed_first(self, benched: Document) -> None:
        table = tables(benched)["Correctness: Results of the checks"]
        assert table.rows[0].cells == ("encode: lost", "liar", "mismatch or error, so not timed: 4 is not 3")
        assert len(table.rows) == 13

    def test_plots_are_drawn_where_there_is_something_to_plot(self, benched: Document) -> None:
        plots = {section.title: [plot.title for plot in section.plots] for section in benched.sections}
        assert plots["Encode"] == ["Throughput", "Latency"]
        assert plots["Search"] == ["Throughput", "Latency", "Recall against time", "Cost against size: documents"]

    def test_another_projects_result_is_read_too(self, tmp_path: Path) -> None:
        plain = {"group": None, "name": "test_a", "fullname": "tests/test_a.py::test_a", "stats": {"median": 2e-3}}
        document = report.read(saved(tmp_path, {"machine_info": {"system": "Linux"}, "benchmarks": [plain]}))
        assert tables(document)["Tests/test_a.py: Every side, slowest first"].rows[0].cells[2] == "2.00 ms"
        assert tables(document)["Correctness: Results of the checks"].rows[0].cells[2] == "not checked"
        assert ("system", "Linux") in document.stamp


class TestRun:
    def test_systems_are_listed_best_first(self, ran: Document) -> None:
        table = tables(ran)["Quality: Systems, highest nDCG@10 first"]
        assert column(table, "system") == ["dense", "bm25"]
        assert column(table, "nDCG@10") == ["0.4100 [0.3750, 0.4375]", "0.3800"]
        assert column(table, "median latency") == ["20.0 ms", "2.00 ms"]
        assert "Highest nDCG@10: dense, 0.4100." in ran.headline
        assert "Lowest nDCG@10: bm25, 0.3800." in ran.headline

    @pytest.mark.parametrize(
        ("order", "title", "names"),
        [
            ("nDCG@10", "highest nDCG@10 first", ["dense", "bm25", "third"]),
            ("recall@100", "highest recall@100 first", ["third", "dense", "bm25"]),
            ("lowest", "lowest nDCG@10 first", ["third", "bm25", "dense"]),
            ("given", "as given to the run", ["bm25", "third", "dense"]),
        ],
    )
    def test_the_order_of_systems_is_a_choice(self, tmp_path: Path, order: str, title: str, names: list[str]) -> None:
        result = run()
        dense = result["systems"].pop("dense")
        third = {"metrics": {"nDCG@10": 0.3, "recall@100": 0.9}, "latency_ms": []}
        result["systems"] |= {"third": third, "dense": dense}
        table = tables(report.read(saved(tmp_path, result), order))[f"Quality: Systems, {title}"]
        assert column(table, "system") == names
        assert sorted(row.cells for row in table.rows) == sorted(row.cells for row in table.others[0].rows)
        labels = {table.label, *(other.label for other in table.others)}
        assert labels == {"best nDCG@10", "best recall@100", "lowest nDCG@10", "as given to the run"}
        html = report.render(tmp_path / "result.json", "html", order)
        assert html.count('type="radio"') == 4
        assert html.count(" checked>") == 1
        assert f"### Systems, {title}" in report.render(tmp_path / "result.json", "md", order)

    def test_an_unknown_order_is_rejected(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"one of nDCG@10, recall@100, lowest, given, got 'P@5'"):
            report.read(saved(tmp_path, run()), "P@5")
        with pytest.raises(ValueError, match=r"result\.json: order is for the systems of `refimpl run`, got 'lowest'"):
            report.read(saved(tmp_path, benchmarks()), "lowest")

    def test_failures_are_the_first_section(self, tmp_path: Path) -> None:
        failure = {"stage": "rerank", "what": "dense+rerank", "error": "OSError: gone"}
        document = report.read(saved(tmp_path, {**run(), "failures": [failure]}))
        assert document.sections[0].title == "Failures"
        assert tables(document)["Failures: By stage"].rows[0].cells == ("rerank", "dense+rerank", "OSError: gone")

    def test_a_mismatch_is_the_first_sentence(self, ran: Document) -> None:
        assert ran.headline[0] == "Mismatch with exact search: dense (L2)."
        rows = tables(ran)["Correctness: Milvus compared with exact search"].rows
        assert [row.cells[2] for row in rows] == ["mismatch: wrong order (2 of 5 queries)", "match"]
        assert rows[0].cells[3] == "0.9876 @100"
        assert rows[0].tone == "loss"

    def test_significance_is_decided_by_p(self, ran: Document) -> None:
        table = tables(ran)["Significance: Pairs of systems, largest p first"]
        assert column(table, "outcome") == ["not significant", "not significant", "significant"]
        assert column(table, "difference") == ["+0.0500", "+0.0100", "+0.0300"]
        assert column(table, "p (Holm)") == ["–", "0.0800", "–"]

    def test_means_have_their_confidence_intervals(self, ran: Document) -> None:
        table = tables(ran)["Quality: Systems, highest nDCG@10 first"]
        assert column(table, "nDCG@10") == ["0.4100 [0.3750, 0.4375]", "0.3800"]
        assert column(table, "recall@100") == ["0.8000", "0.7500"]

    def test_where_a_fusion_helps_and_where_systems_differ_most(self, tmp_path: Path) -> None:
        document = report.read(saved(tmp_path, full_run()))
        helps = tables(document)["Fusion by query: Where a fusion helps and where it hurts"]
        assert [row.cells for row in helps.rows] == [
            ("hybrid − dense", "1", "+0.5000", "1", "-0.5000", "1"),
            ("hybrid − bm25", "2", "+0.6250", "0", "–", "1"),
        ]
        (row,) = tables(document)["Queries that differ most: bm25 and dense"].rows
        assert row.cells == ("y: red?", "0.0000", "", "0.2500", "1. [2] Mars 2. [not judged] Io")
        plots = [plot.title for section in document.sections for plot in section.plots]
        assert plots[:3] == ["nDCG@10", "hybrid and dense, query by query", "hybrid and bm25, query by query"]
        assert report.render(tmp_path / "result.json", "html").count("<svg") >= 4

    def test_time_and_money_by_stage(self, tmp_path: Path) -> None:
        result = run()
        stage = {"stage": "encode documents", "item": "document", "items": 1400, "seconds": 7.0}
        none = {"seconds_per_item": None, "cost": None, "cost_per_1000": None}
        result["stages"] = [
            stage | {"seconds_per_item": 0.005, "cost": 0.07, "cost_per_1000": 0.05},
            stage | none | {"stage": "ingest", "items": 0, "seconds": 3.0, "cost": 0.00001},
            stage | none | {"stage": "fit", "seconds": 0.0},
        ]
        result["timings"][0] |= {"tokens": 2000, "cost": 0.07}
        prices = {"price_per_hour": None, "price_per_million_tokens": {"openai:m": 35.0}}
        result["stamp"]["settings"] = prices
        costs = tables(report.read(saved(tmp_path, result)))
        table = costs["Cost: Time and money by stage"]
        assert table.columns == ("stage", "time", "share", "per item", "items", "cost", "cost per 1,000 items")
        assert [row.cells for row in table.rows] == [
            ("encode documents", "7.00 s", "70%", "5.00 ms/document", "1,400", "0.0700", "0.0500"),
            ("ingest", "3.00 s", "30%", "–", "0", "< 0.0001", "–"),
            ("fit", "0 ns", "0%", "–", "1,400", "–", "–"),
            ("all", "10.0 s", "–", "–", "–", "at least 0.0700", "–"),
        ]
        assert "35.0 per million tokens of openai:m" in table.note
        assert column(costs["Cost: Stages, longest first"], "tokens") == ["2,000", "–"]

    def test_without_a_price_no_cost_is_shown(self, tmp_path: Path) -> None:
        result = run()
        stage = {"stage": "ingest", "item": "document", "items": 10, "seconds": 3.0, "seconds_per_item": 0.3}
        result["stages"] = [stage | {"cost": None, "cost_per_1000": None}]
        table = tables(report.read(saved(tmp_path, result)))["Cost: Time and money by stage"]
        assert table.columns == ("stage", "time", "share", "per item", "items")
        assert "ost" not in table.note

    def test_costs_and_deviations(self, ran: Document) -> None:
        assert column(tables(ran)["Cost: Stages, longest first"], "rate") == ["200 items/s", "–"]
        assert tables(ran)["Deviations: By case"].rows[0].cells[2] == "nDCG@10 0.1235"


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
        result = made()
        if "systems" in result:
            result["systems"][HOSTILE] = result["systems"].pop("dense") | {"about": HOSTILE}
            result["dataset"]["name"] = HOSTILE
        else:
            result["benchmarks"] += [entry(HOSTILE, HOSTILE, around(1.0), unit=HOSTILE, recall=0.5, verdict=HOSTILE)]
            result["refimpl"]["stamp"][HOSTILE] = HOSTILE
        html = report.render(saved(tmp_path, result), "html")
        seen = self.Seen()
        seen.feed(html)
        assert not {"script", "img", "iframe", "object"} & {tag for tag, _ in seen.tags}
        assert not any(name.startswith("on") for _, attributes in seen.tags for name in attributes)
        assert "".join(seen.text).count(HOSTILE) >= 3
        assert any(attributes.get("id") and "svg" not in tag for tag, attributes in seen.tags)

    @pytest.mark.parametrize("name", ["$x^2$", r"$\frac{1}", "100 % of $5"])
    def test_a_dollar_in_a_plot_is_not_a_formula(self, tmp_path: Path, name: str) -> None:
        result = benchmarks()
        result["benchmarks"] += [entry("dollars", name, around(1.0))]
        html = report.render(saved(tmp_path, result), "html")
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

    def test_plots_have_the_pages_colours(self, tmp_path: Path) -> None:
        html = report.render(saved(tmp_path, benchmarks()), "html")
        assert html.count("<svg") == 6
        assert "var(--side-0)" in html
        assert "#0102" not in html
        assert "#01010" not in html

    def test_the_same_result_gives_the_same_page(self, tmp_path: Path) -> None:
        file = saved(tmp_path, benchmarks())
        assert report.render(file, "html") == report.render(file, "html")

    def test_markdown_escapes_special_characters(self, tmp_path: Path) -> None:
        result = benchmarks()
        result["benchmarks"] += [entry("a|b", HOSTILE + "\n# no heading", around(1.0))]
        text = report.render(saved(tmp_path, result), "md")
        rows = [line for line in text.splitlines() if "script" in line]
        assert rows
        assert all("\\<script\\>" in row for row in rows)
        assert "\n# no heading" not in text
        assert "a\\|b" in text
        assert "| encode: lost | 1.50× | 1.50× to 1.50× | slower | 3.00 s | 2.00 s (onnx) |" in text


@pytest.mark.filterwarnings("ignore:Glyph .* missing")
def test_control_letters_in_names_are_shown_as_replaced(tmp_path: Path) -> None:
    """XML 1.0 has no place for them, so that a plot with one could not be read back."""
    result, ran = benchmarks(), run()
    for one in result["benchmarks"]:
        one["extra_info"] = one.get("extra_info", {}) | {"competitor": "a\x01b\x1b[31m\uffff"}
    ran["systems"] = {f"{name}\x02": system for name, system in ran["systems"].items()}
    for values in (result, ran):
        text = report.render(saved(tmp_path, values), "html")
        svgs = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
        assert svgs
        assert any("\ufffd" in svg for svg in svgs)
        assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f]", "".join(svgs))


class TestRefusals:
    @pytest.mark.parametrize(
        ("result", "message"),
        [
            ("not json", "result.json is not valid JSON"),
            ("[1, 2]", "must be a JSON object, got list"),
            ({"a": 1}, "expected the JSON of `pytest --benchmark`.*or the results.json.*got the keys a"),
            ({}, "got the keys none"),
            ({"schema": "refimpl.run/99"}, "expected schema refimpl.run/1, got refimpl.run/99: repeat the run"),
            ({"machine_info": {}, "benchmarks": []}, "contains no benchmarks"),
            (run() | {"systems": {}}, "contains no systems"),
            (run() | {"systems": []}, "systems must be an object, got list"),
            (run() | {"verdicts": ["x"]}, "verdicts must be a list of objects"),
        ],
    )
    def test_a_file_that_is_no_result_is_rejected_with_the_reason(
        self, tmp_path: Path, result: Any, message: str
    ) -> None:
        with pytest.raises(ValueError, match=message):
            report.read(saved(tmp_path, result))

    @pytest.mark.parametrize("median", [0, -1.0, "1", None, True])
    def test_an_impossible_time_is_named(self, tmp_path: Path, median: object) -> None:
        result = benchmarks()
        result["benchmarks"][3]["stats"]["median"] = median
        with pytest.raises(ValueError, match=r"benchmarks\[3\]: stats: median must be a number above 0, got "):
            report.read(saved(tmp_path, result))

    @pytest.mark.parametrize("median", [float("nan"), float("inf")])
    def test_a_number_that_json_has_not_is_refused(self, tmp_path: Path, median: float) -> None:
        result = benchmarks()
        result["benchmarks"][3]["stats"]["median"] = median
        with pytest.raises(ValueError, match=r"^result\.json is not valid JSON: (NaN|Infinity) is not a JSON number"):
            report.read(saved(tmp_path, result))

    def test_a_recall_beyond_one_is_named(self, tmp_path: Path) -> None:
        result = benchmarks()
        result["benchmarks"][0]["extra_info"]["recall"] = 1.2
        with pytest.raises(ValueError, match=r"recall must be a number in \[0, 1\], got 1.2"):
            report.read(saved(tmp_path, result))

    def test_an_unknown_suffix_is_rejected_before_anything_is_written(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"expected a file ending in \.html or \.md, got report\.pdf"):
            report.write(saved(tmp_path, benchmarks()), tmp_path / "report.pdf")
        assert [file.name for file in tmp_path.iterdir()] == ["result.json"]


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    started = [sys.executable, "-m", "refimpl", "report", *arguments]
    return subprocess.run(started, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


class TestCommand:
    def test_writes_to_the_given_file_in_the_given_format(self, tmp_path: Path) -> None:
        file, out = saved(tmp_path, run()), tmp_path / "deep" / "report.html"
        done = command(str(file), "-o", str(out))
        assert (done.returncode, done.stdout.strip()) == (0, str(out))
        assert out.read_text("utf-8").startswith("<!doctype html>")
        assert command(str(file), "--format", "md").stdout.strip() == str(file.with_suffix(".md"))
        assert file.with_suffix(".md").read_text("utf-8").startswith("# Retrieval on cranfield\n")

    def test_an_error_is_one_sentence(self, tmp_path: Path) -> None:
        done = command(str(saved(tmp_path, json.dumps([]))))
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert done.stderr.startswith("refimpl: result.json must be a JSON object")


def test_a_table_without_rows_and_a_section_without_content_are_not_written() -> None:
    empty = Table("Paired tests", ("pair", "p"), ())
    full = Table("Systems", ("system",), (Row(("dense",)),))
    sections = (
        Section("Significance", tables=(empty,)),
        Section("Quality", tables=(full, empty)),
        Section("Words", prose=("Nothing was compared.",), tables=(empty,)),
    )
    document = Document("One system", (), sections)
    for written in (page.html(document), page.markdown(document)):
        assert "Systems" in written
        assert "Nothing was compared." in written
        assert "Paired tests" not in written
        assert "Significance" not in written
