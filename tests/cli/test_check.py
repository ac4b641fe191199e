"""`refimpl check` from the command line: subjects, exit status, the table, and what it writes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import junitparser
import numpy as np
import pytest
from imitations import encode
from typer.testing import CliRunner

from refimpl.cli import check, vectors  # noqa: F401  they register their commands
from refimpl.cli.app import app

ROOT = Path(__file__).parents[2]
MODULE = """
from imitations import encode
def off(texts):
    return encode(texts) * 1.01

def pooled(texts):
    from refimpl.oracle import golden
    (vectors,) = (golden.array(v) for v in golden.vectors() if v.stage == "pooled")
    rows = {text: row for row, text in enumerate(golden.texts().values())}
    return vectors[[rows[text] for text in texts]]
"""
PROGRAM = """
import json, sys
sys.path.insert(0, {helpers!r})
from imitations import encode
for vector in encode([json.loads(line) for line in sys.stdin]):
    print(json.dumps(vector.tolist()))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "checked_by_test.py").write_text(MODULE)
    (tmp_path / "program.py").write_text(PROGRAM.format(helpers=str(ROOT / "tests" / "helpers")))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(app, ["check", *arguments], env={"COLUMNS": "200"})


def test_a_callable_that_matches(folder):
    done = run("checked_by_test:encode", "--case", "q*")
    assert done.exit_code == 0, done.output
    assert "checked_by_test:encode: matches (2 passed), tolerance float32" in done.stdout
    assert "2 more" in done.stdout
    assert "quotes-typographic" in run("checked_by_test:encode", "--case", "q*", "-v").stdout


def test_a_callable_that_does_not_and_everything_written(folder):
    files = ["--json", "o.json", "--junit-xml", "o.xml", "--html", "o.html"]
    done = run("checked_by_test:off", "--case", "question", "--case", "determinism", "--no-diagnose", *files)
    assert done.exit_code == 1, done.output
    assert "DOES NOT MATCH (1 passed, 1 failed)" in done.stdout
    assert "worst at entry" in done.stdout
    written = json.loads((folder / "o.json").read_text())
    assert (written["schema"], written["ok"], written["counts"]["failed"]) == (1, False, 1)
    cases = {case["name"]: case for case in written["suites"][0]["cases"]}
    assert cases["question"]["verdict"] == "failed"
    assert cases["question"]["distance"] > 100
    assert cases["question"]["reason"] == "a question"
    xml = junitparser.JUnitXml.fromfile(str(folder / "o.xml"))
    assert (xml.tests, xml.failures) == (2, 1)
    page = (folder / "o.html").read_text(encoding="utf-8")
    assert page.index("question") < page.index("determinism")
    assert "<script" not in page


def test_the_diagnosis_is_printed_and_written(folder):
    done = run("checked_by_test:pooled", "--case", "q*", "--junit-xml", "o.xml")
    assert "diagnosis of encoder:\ndeparts: difference" in done.stdout
    assert "no normalisation explains 100% of the difference" in done.stdout
    failures = [r for suite in junitparser.JUnitXml.fromfile("o.xml") for case in suite for r in case.result]
    assert len(failures) == 2
    assert all("departs: difference" in failure.text for failure in failures)


def test_a_command(folder):
    done = run("--command", f'"{sys.executable}" program.py', "--case", "question", "--case", "order-invariance")
    assert done.exit_code == 0, done.output
    done = run("--command", f'"{sys.executable}" -c "print(1)"', "--case", "question")
    assert done.exit_code == 1
    assert "question: a vector of 384 numbers is asked, got shape ()" in done.stdout


def test_files_of_vectors_for_the_inputs_that_were_written(folder):
    done = run("--emit-inputs", "inputs.jsonl")
    assert "61 inputs of the suite encoder" in done.stdout
    texts = [json.loads(line) for line in Path("inputs.jsonl").read_text(encoding="utf-8").splitlines()]
    np.save("mine.npy", encode(texts))
    done = run("--vectors", "mine.npy")
    assert done.exit_code == 0, done.output
    assert "63 passed, 7 not asked" in done.stdout
    np.save("mine.npy", encode(texts)[:-1])
    done = run("--vectors", "mine.npy")
    assert done.exit_code == 1
    assert "gave 60 answers for 61 inputs" in done.stdout.replace("\n", " ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name one subject"),
        (["json:dumps", "--url", "http://localhost:1"], "name one subject"),
        (["json:dumps", "--suite", "none"], "--suite must be one of encoder"),
        (["json:dumps", "--tolerance", "loose"], "tolerance must be one of float32"),
        (["json:dumps", "--case", "no-such"], "no case of encoder matches no-such"),
        (["json:nothing"], "json has no 'nothing'"),
        (["--url", "http://localhost:1", "--protocol", "smtp"], "protocol must be one of tei"),
        (["--url", "ftp://localhost"], "must begin with http"),
        (["--vectors", "absent.npy"], "is no file"),
        (["--vectors", "absent.npy", "--suite", "all"], "a file answers one suite"),
        (["--emit-inputs", "x", "--suite", "all"], "one suite's inputs"),
        (["json:dumps", "--suite", "bm25", "--bm25-variant", "tf"], "--bm25-variant must be one of"),
    ],
)
def test_a_wrong_command_line_is_status_2(folder, arguments, said):
    done = run(*arguments)
    assert done.exit_code == 2, done.output
    assert said in " ".join(done.output.replace("│", " ").split())


def test_the_list_tells_forms_reasons_and_who_fell(folder):
    told = run("--list", "--suite", "all").stdout
    for word in ("encoder", "rerank-scores", "half-document-term", "pymilvus.model", 'input: "a text"', "tie-order"):
        assert word in told


def test_the_exit_status_of_the_process(folder):
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'helpers'}"}
    command = [sys.executable, "-m", "refimpl", "check", "checked_by_test:off", "--case", "question", "--no-diagnose"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (1, "")
