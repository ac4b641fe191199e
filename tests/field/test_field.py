"""`refimpl field`: the catalogue, measuring an adapter in a process of its own, the results, the page."""

import json
import sqlite3
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from refimpl.cli import field as command  # noqa: F401  it registers its command
from refimpl.cli.app import app
from refimpl.field import Entry, Row, catalogue, installed_version, load, measure, merged, packages, save
from refimpl.report.field import markdown

ROOT = Path(__file__).parents[2]
BAD = """
import os, sys, time

def crash(corpus, queries):
    print("adapter is out of luck", file=sys.stderr, flush=True)
    os.abort()

def hang(corpus, queries):
    with open("pid", "w") as file:
        file.write(str(os.getpid()))
    time.sleep(600)

def first(routes, method, k=60, **_):
    "Every document of every route with the score 1, which no rank fusion gives."
    return [[doc, 1.0] for doc in sorted({doc for route in routes for doc, _ in route})]
"""


def entry(**values):
    return Entry(**{"name": "one", "kind": "bm25", "packages": ("pypi:numpy",), "function": "bad:crash", **values})


@pytest.fixture
def adapters(tmp_path):
    (tmp_path / "bad.py").write_text(BAD)
    return tmp_path


def test_sqlite_is_measured_as_itself():
    (found,) = [one for one in catalogue.entries() if one.name == "SQLite FTS5 bm25()"]
    row = measure(found, sqlite3.sqlite_version, 120.0)
    assert row.failure == ""
    assert "this is the formula of SQLite FTS5 bm25() 3.40.1" in row.sentence
    assert row.confirmed
    assert (row.suite, row.passed + row.mismatched + row.skipped) == ("bm25 lucene", 23)
    assert row.largest > 1e5  # ln((N - n + 0.5) / (n + 0.5)) is not Lucene's idf


def test_an_adapter_that_crashes_is_a_row_with_the_reason(adapters):
    row = measure(entry(), "1", 60.0, adapters)
    assert row.failure.startswith("refimpl identify ended with status -6: ")
    assert "adapter is out of luck" in row.failure
    assert (row.sentence, row.passed, row.version) == ("", 0, "1")


def test_an_adapter_that_hangs_is_killed(adapters):
    row = measure(entry(function="bad:hang"), "1", 4.0, adapters)
    assert row.failure == "refimpl identify did not end within 4 s and was killed"
    assert not Path(f"/proc/{(adapters / 'pid').read_text()}").exists()


def test_differences_are_counted_and_the_largest_one_is_kept(adapters):
    row = measure(entry(kind="fusion", function="bad:first", suite="fusion"), "1", 60.0, adapters)
    assert (row.failure, row.confirmed, row.passed) == ("", False, 0)
    assert row.mismatched > 3
    # the golden score furthest from 1 is that of a rank fusion: 1 / (60 + rank) at least 1e6 times 1e-6 below 1
    assert row.largest > 9e5


def test_versions_of_packages(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "node_modules" / "@scope" / "name"
    place.mkdir(parents=True)
    (place / "package.json").write_text('{"version": "7.8.9"}')
    assert installed_version("npm:@scope/name") == "7.8.9"
    assert installed_version("npm:other") is None
    assert installed_version("python:sqlite3.sqlite_version") == sqlite3.sqlite_version
    assert installed_version("python:no_such_module.version") is None
    assert installed_version("pypi:no-such-distribution") is None
    numpy = pytest.importorskip("numpy")
    assert installed_version("pypi:numpy") == numpy.__version__


def test_install_commands():
    assert packages.install_command(("pypi:a", "pypi:b", "npm:c")) == "pip install a b && npm install c"
    assert packages.install_command(("python:sqlite3.sqlite_version",)) == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- {name: a, packages: ['pypi:a'], function: 'm:f', varient: x}", "bm25.yaml, a: unknown key 'varient'"),
        ("- {name: a, packages: ['cran:a'], function: 'm:f'}", "bm25.yaml, a: expected packages as SOURCE:NAME"),
        ("- {name: a, packages: ['pypi:a']}", "bm25.yaml, a: expected one of function and command"),
        ("- &x {name: a, packages: ['pypi:a'], function: 'm:f'}\n- *x", "expected each name once per kind, got 'a'"),
    ],
)
def test_a_wrong_catalogue_is_rejected_by_name(tmp_path, text, message):
    (tmp_path / "bm25.yaml").write_text(text)
    with pytest.raises(ValueError, match=message):
        catalogue.entries(tmp_path)


def test_rows_that_were_not_measured_again_keep_their_date(tmp_path):
    known = [entry(name=name) for name in ("b", "a", "never")]
    old = [Row("bm25", name, "1", "2020-01-01", "0") for name in ("a", "b", "no longer in the catalogue")]
    new = [Row("bm25", "a", "2", "2021-01-01", "0", largest=2.5)]
    save(tmp_path / "r.json", merged(known, old, new))
    rows = load(tmp_path / "r.json")
    assert [(row.name, row.version, row.date, row.largest) for row in rows] == [
        ("b", "1", "2020-01-01", None),
        ("a", "2", "2021-01-01", 2.5),
    ]
    assert load(tmp_path / "absent.json") == []
    (tmp_path / "r.json").write_text('{"schema": 2}')
    with pytest.raises(ValueError, match="expected schema 1, got 2"):
        load(tmp_path / "r.json")


def test_the_page_has_each_row_and_names_what_was_never_measured():
    known = [entry(name="a|b", note="its defaults"), entry(name="c"), entry(name="d"), entry(name="new")]
    rows = [
        Row("bm25", "a|b", "1.2", "2020-01-02", "0", "No *idf*.", True, "bm25 atire", 7, 0, 1, 0.25, "larger"),
        Row("bm25", "c", "3", "2020-01-03", "0", "x", False, "bm25 atire", 7, 2, 0, 30.0, "b-one", "a-case: nan"),
        Row("bm25", "d", "4", "2020-01-04", "0", failure="killed"),
    ]
    page = markdown(known, rows)
    first, second, third = [line for line in page.splitlines() if "`pip install numpy`" in line]
    assert first == (
        r"| **a\|b** 1.2, its defaults<br>2020-01-02<br>`pip install numpy` | No \*idf\*. "
        "| bm25 atire: matches (7 cases, 1 skipped)<br>largest difference 0.25 x allowed (larger) |"
    )
    assert second.endswith(
        "| x | bm25 atire: 2 of 9 cases do not match<br>largest difference 30 x allowed (b-one)<br>a-case: nan |"
    )
    assert third.endswith("<br>2020-01-04<br>`pip install numpy` | **failed:** killed | – |")
    assert "| BM25 | 3 | 1 | 1 | 1 | 1 |" in page
    assert "Not measured: new." in page


def test_the_committed_page_is_that_of_the_committed_results():
    text = markdown(catalogue.entries(), load(catalogue.folder() / "results.json"))
    assert (ROOT / "docs" / "field.md").read_text("utf-8") == text, (
        "run: refimpl field --no-measure --page docs/field.md"
    )


def test_the_field_is_as_large_as_promised():
    rows = load(catalogue.folder() / "results.json")
    measured = {kind: [row for row in rows if row.kind == kind and not row.failure] for kind in catalogue.KINDS}
    assert len(measured["bm25"]) >= 25
    assert len(measured["embed"]) >= 12
    assert len(measured["rerank"]) >= 6
    assert len(measured["metrics"]) >= 5
    assert len(measured["fusion"]) >= 3


@pytest.mark.parametrize("one", catalogue.entries(), ids=lambda one: f"{one.kind} {one.name}")
def test_each_entry_has_its_adapter(one):
    place = catalogue.folder() / "adapters"
    if one.function:
        module, _, name = one.function.partition(":")
        text = (place / f"{module}.py").read_text("utf-8")
        assert f"def {name}(" in text or f"{name} = " in text or f"{name}, " in text
    else:
        program, script = one.command.split()[:2]
        assert (program, (place / script).is_file()) == ("node", True)


def test_the_command_measures_merges_and_writes(tmp_path, monkeypatch):
    place = tmp_path / "data"
    (place / "adapters").mkdir(parents=True)
    (place / "adapters" / "bad.py").write_text(BAD)
    entries = "- {name: here, packages: ['python:sqlite3.sqlite_version'], function: 'bad:first'}\n"
    (place / "fusion.yaml").write_text(entries + entries.replace("here", "away").replace("python:sqlite3.", "pypi:no-"))
    monkeypatch.setattr(catalogue, "folder", lambda: place)
    save(tmp_path / "r.json", [Row("fusion", "away", "1", "2020-01-01", "0", "Old.")])
    done = CliRunner().invoke(app, ["field", "--results", str(tmp_path / "r.json"), "--page", str(tmp_path / "p.md")])
    assert done.exit_code == 0, done.output
    assert "fusion away: not installed" in done.output
    rows = json.loads((tmp_path / "r.json").read_text())["rows"]
    assert [(row["name"], row["version"]) for row in rows] == [("here", sqlite3.sqlite_version), ("away", "1")]
    assert "| Old." in (tmp_path / "p.md").read_text()
    (place / "adapters" / "bad.py").write_text("raise OSError('no adapter')")
    failed = CliRunner().invoke(app, ["field", "--only", "here"])
    assert (failed.exit_code, failed.exception.__class__) == (1, SystemExit)
    assert "failed: refimpl identify ended with status 2" in failed.output
    assert CliRunner().invoke(app, ["field", "--only", "absent"]).exit_code == 2


def test_an_error_of_one_case_has_its_name_once(adapters):
    (adapters / "bad.py").write_text("def embed(texts):\n    return [[float(len(text)), 1.0] for text in texts]\n")
    row = measure(entry(kind="embed", function="bad:embed", suite="encoder", model="none"), "1", 60.0, adapters)
    assert (row.failure, row.passed, row.largest) == ("", 0, None)
    assert (
        row.problem == "form: every vector has 2 numbers, expected 384: another model, or vectors that were projected"
    )


def test_a_page_without_jinja2_is_refused_before_anything_runs(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "refimpl.report.field", None)
    done = CliRunner().invoke(app, ["field", "--only", "SQLite FTS5*", "--page", str(tmp_path / "p.md")])
    assert str(done.exception) == "--page needs jinja2: pip install 'refimpl[report]'"
    assert done.output == ""
