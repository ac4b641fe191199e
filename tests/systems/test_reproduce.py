"""Recorded runs: a repeated run is compared with its figures, in both directions; another collection is refused."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench import readme_table
from refimpl.cli import reproduce as command
from refimpl.datasets import DatasetError, open_dataset
from refimpl.search.plan import load
from refimpl.systems import reproduce
from refimpl.systems.reproduce import Expected, Figure, expected_runs, figures

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
TEXTS = {"d1": "red apple pie", "d2": "green pear", "d3": "blue plum cake", "d4": "yellow lemon tart"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy")
    (folder / "qrels").mkdir()
    queries = {"q1": "apple", "q2": "plum cake"}
    for file, rows in (("corpus", TEXTS), ("queries", queries)):
        (folder / f"{file}.jsonl").write_text(
            "".join(json.dumps({"_id": i, "text": t}) + "\n" for i, t in rows.items())
        )
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t1\nq2\td3\t1\n")
    return folder


@pytest.fixture
def expected(folder):
    """By hand: each query has one document with its words."""
    values = {"bm25": {"nDCG@10": 1.0, "MRR@10": 1.0}}
    sha256 = load(open_dataset(f"beir:{folder}")).sha256
    return Expected("toy", "beir:PATH/toy", sha256, ("bm25",), 0.0005, values, "by hand")


def test_a_run_is_repeated_and_compared(folder, expected, tmp_path, monkeypatch):
    got = reproduce.reproduce(expected, open_dataset(f"beir:{folder}"), tmp_path / "out")
    assert [(one.measure, one.actual, one.matches) for one in got] == [("nDCG@10", 1.0, True), ("MRR@10", 1.0, True)]
    monkeypatch.setattr(reproduce, "expected_runs", lambda: {"toy": expected})
    arguments = ["reproduce", "toy", "--dataset", f"beir:{folder}", "--out", str(tmp_path / "out"), "-q"]
    same = CliRunner().invoke(command.app, arguments)
    assert same.exit_code == 0, same.output
    assert same.output.count("match ") == 2
    lower = replace(expected, figures={"bm25": {"nDCG@10": 0.9}})
    monkeypatch.setattr(reproduce, "expected_runs", lambda: {"toy": lower})
    better = CliRunner().invoke(command.app, arguments)
    assert better.exit_code == 1
    assert "MISMATCH" in better.output


def test_another_collection_is_refused_before_it_is_encoded(folder, expected, tmp_path):
    with pytest.raises(DatasetError, match=r"has sha256 .*, expected 0000"):
        reproduce.reproduce(replace(expected, sha256="0" * 64), open_dataset(f"beir:{folder}"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_difference_in_either_direction_beyond_the_tolerance_does_not_match():
    assert Figure("s", "m", 0.5, 0.50049, 0.0005).matches
    assert not Figure("s", "m", 0.5, 0.5006, 0.0005).matches
    assert not Figure("s", "m", 0.5, 0.4994, 0.0005).matches


def test_a_system_that_failed_does_not_match(expected):
    (first, _) = figures(expected, {"systems": {}})
    assert math.isnan(first.actual)
    assert not first.matches


def test_an_unknown_name_is_refused_with_the_known_ones(folder):
    refused = CliRunner().invoke(command.app, ["reproduce", "trec", "--dataset", f"beir:{folder}"])
    assert refused.exit_code == 2
    assert "nfcorpus, cranfield" in refused.output


def test_the_readmes_table_has_the_recorded_figures():
    runs = expected_runs()
    assert list(runs) == ["nfcorpus", "cranfield"]
    rows = re.findall(r"^\| [^|]+ \| (0\.\d{4}) \| (0\.\d{4}) \| (0\.\d{4}) \| (0\.\d{4}) \|$", README, re.MULTILINE)
    recorded = [
        tuple(
            f"{runs[name].figures[system][measure]:.4f}"
            for name in ("nfcorpus", "cranfield")
            for measure in ("nDCG@10", "recall@100")
        )
        for system in ("dense", "bm25", "milvus-bm25", "hybrid-rrf", "hybrid-weighted")
    ]
    assert rows == recorded


def test_the_readmes_table_is_that_of_the_recorded_figures():
    assert readme_table.updated(README) == README, f"README.md is stale: run `{readme_table.COMMAND}`"


def test_a_readme_without_a_place_for_the_table_is_rejected():
    with pytest.raises(
        ValueError, match=r"expected one table after `<!-- written by python -m bench\.readme_table -->`"
    ):
        readme_table.updated(README.replace("<!-- -->", ""))


def test_minilms_figures_on_nfcorpus_are_the_published_ones():
    """mtebpaper results, NFCorpus.json: nDCG@10 0.31594, recall@100 0.31151."""
    published = {"nDCG@10": 0.31594, "recall@100": 0.31151}
    run = expected_runs()["nfcorpus"]
    assert run.figures["dense"] == pytest.approx(published, abs=run.tolerance)
    assert run.published["dense"] == pytest.approx(published, abs=5e-5)  # to four decimals
