"""The command that the report names is the one that was run."""

import pytest
import report_results
from typer.main import get_command

from refimpl import report
from refimpl.cli.retrieval import app
from refimpl.report.reproduction import command

SYSTEMS = {"systems": ["dense", "bm25"], "depth": 100, "rerank": None, "max_length": 256}


@pytest.mark.parametrize(
    ("dataset", "changed", "expected"),
    [
        ("beir:cranfield", {}, "--dataset beir:PATH/cranfield --systems dense,bm25"),
        ("beir:msmarco@dev", {}, "--dataset beir:PATH/msmarco --split dev --systems dense,bm25"),
        ("ir:beir/arguana", {}, "--dataset ir:beir/arguana --systems dense,bm25"),
        ("python-docs:json,csv", {"depth": 50}, "--dataset python-docs:json,csv --systems dense,bm25 --depth 50"),
        ("beir:x", {"rerank": "maxsim"}, "--dataset beir:PATH/x --systems dense,bm25 --rerank maxsim"),
        ("beir:x", {"measures": ["P@5", "AP"]}, "--dataset beir:PATH/x --systems dense,bm25 --measures P@5,AP"),
        ("beir:x", {"price_per_hour": 0.12}, "--dataset beir:PATH/x --systems dense,bm25 --price-per-hour 0.12"),
        (
            "beir:x",
            {"price_per_million_tokens": {"openai:m": 0.02, "jina:n": 0.05}},
            "--dataset beir:PATH/x --systems dense,bm25 --price-per-million-tokens openai:m=0.02 "
            "--price-per-million-tokens jina:n=0.05",
        ),
        (
            "beir:x",
            {"ignore_identical_ids": False},
            "--dataset beir:PATH/x --systems dense,bm25 --no-ignore-identical-ids",
        ),
    ],
)
def test_the_command_has_what_differs_from_the_defaults(dataset, changed, expected):
    written = command(dataset, SYSTEMS | changed)
    assert written == f"refimpl run {expected}"
    known = {
        option for each in get_command(app).commands["run"].params for option in (*each.opts, *each.secondary_opts)
    }
    assert [word for word in written.split() if word.startswith("--") and word not in known] == []


def test_the_report_has_command_commit_and_hash(tmp_path):
    result = report_results.run()
    data = {"name": "beir:cranfield", "sha256": "abc"}
    result["stamp"] |= {"settings": SYSTEMS, "dataset": data, "versions": {"refimpl": "0.1.0"}, "commit": "1234"}
    (section,) = [one for one in _document(tmp_path, result).sections if one.title == "Repeat this run"]
    values = [row.cells[1] for row in section.tables[0].rows]
    assert values == ["refimpl run --dataset beir:PATH/cranfield --systems dense,bm25", "0.1.0, commit 1234", "abc"]


def test_a_setting_without_an_option_is_listed(tmp_path):
    result = report_results.run()
    result["stamp"] |= {"settings": SYSTEMS | {"max_length": 128}, "dataset": {"name": "python-docs"}}
    section = _document(tmp_path, result).sections[-1]
    assert section.tables[0].rows[-1].cells[1].startswith("max_length=128: ")


def test_a_run_with_other_settings_has_no_such_section(tmp_path):
    titles = [one.title for one in _document(tmp_path, report_results.run()).sections]
    assert "Quality" in titles
    assert "Repeat this run" not in titles


def _document(folder, result):
    return report.read(report_results.saved(folder, result))
