"""`refimpl check` from the command line: targets, exit status, the table, and what it writes."""

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

from refimpl.cli import check, check_output, vectors  # noqa: F401  they register their commands
from refimpl.cli.app import app

ROOT = Path(__file__).parents[2]
MODULE = """
from imitations import encode
def off(texts):
    return encode(texts) * 1.01

def wide(texts):
    return [[0.5] * 768] * len(texts)

def worse_and_worse(texts):
    return [vector + 1e-4 * 10**row for row, vector in enumerate(encode(texts))]

def pooled(texts):
    from refimpl import golden
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
    assert "maximum difference" in done.stdout
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


def test_answers_of_a_wrong_width_share_one_row(folder):
    done = run("checked_by_test:wide", "--case", "q*")
    assert done.exit_code == 1
    assert done.stdout.count("expected a vector of 384 numbers, got shape (768,)") == 1
    assert "quotes-typographic and 1 more" in done.stdout
    assert run("checked_by_test:wide", "--case", "q*", "-v").stdout.count("got shape (768,)") == 2


def test_the_largest_deviation_is_printed_first(folder):
    printed = run("checked_by_test:worse_and_worse", "--case", "q*", "--no-diagnose").stdout
    assert printed.index("question") < printed.index("quotes-typographic")
    printed = run("checked_by_test:worse_and_worse", "--case", "q*", "--no-diagnose", "-v").stdout
    assert printed.index("question") > printed.index("quotes-typographic")


def test_the_diagnosis_is_printed_and_written(folder):
    done = run("checked_by_test:pooled", "--case", "q*", "--junit-xml", "o.xml", "--json", "o.json")
    assert "diagnosis of encoder:\nmismatch: difference" in done.stdout
    assert "no normalisation explains 2 of 2 texts" in done.stdout
    (cause,) = json.loads((folder / "o.json").read_text())["suites"][0]["causes"]
    assert (cause["names"], cause["of"]) == (["no normalisation"], "2 of 2 texts")
    assert sorted(cause["texts"]) == ["question", "quotes-typographic"]
    failures = [r for suite in junitparser.JUnitXml.fromfile("o.xml") for case in suite for r in case.result]
    assert len(failures) == 2
    assert all("mismatch: difference" in failure.text for failure in failures)


def test_a_command(folder):
    done = run("--command", f'"{sys.executable}" program.py', "--case", "question", "--case", "order-invariance")
    assert done.exit_code == 0, done.output
    done = run("--command", f'"{sys.executable}" -c "print(1)"', "--case", "question")
    assert done.exit_code == 1
    assert "question: expected a vector of 384 numbers, got shape ()" in done.stdout


def test_files_of_vectors_for_the_inputs_that_were_written(folder):
    done = run("--emit-inputs", "inputs.jsonl")
    assert "71 inputs of the suite encoder" in done.stdout
    texts = [json.loads(line) for line in Path("inputs.jsonl").read_text(encoding="utf-8").splitlines()]
    np.save("mine.npy", encode(texts))
    done = run("--vectors", "mine.npy")
    assert done.exit_code == 0, done.output
    assert "73 passed, 11 skipped" in done.stdout
    np.save("mine.npy", encode(texts)[:-1])
    done = run("--vectors", "mine.npy")
    assert done.exit_code == 1
    assert "expected 71 answers from mine.npy, one per input in order, got 70" in done.stdout.replace("\n", " ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected one of MODULE:ATTRIBUTE, --url, --command and --vectors, got 0"),
        (["json:dumps", "--url", "http://localhost:1"], "--vectors, got 2"),
        (["json:dumps", "--suite", "none"], "--suite must be one of encoder"),
        (["json:dumps", "--tolerance", "loose"], "tolerance must be one of float32"),
        (["json:dumps", "--case", "no-such"], "no case of encoder matches no-such"),
        (["json:nothing"], "json has no 'nothing'"),
        (
            ["--url", "http://localhost:1", "--protocol", "smtp"],
            "protocol must be one of openai, jina, voyage",
        ),
        (["--url", "ftp://localhost"], "must begin with http"),
        (["--vectors", "absent.npy"], "absent.npy (No such file or directory)"),
        (["--vectors", "absent.npy", "--suite", "all"], "a file has the answers of one suite, got 9"),
        (["--emit-inputs", "x", "--suite", "all"], "a file has the inputs of one suite, got 9"),
        (["json:dumps", "--suite", "bm25", "--bm25-variant", "tf"], "--bm25-variant must be one of"),
    ],
)
def test_a_wrong_command_line_is_status_2(folder, arguments, message):
    done = run(*arguments)
    assert done.exit_code == 2, done.output
    assert message in " ".join(done.output.replace("│", " ").split())


def test_the_list_has_forms_reasons_and_known_failures(folder):
    listed = run("--list", "--suite", "all").stdout
    for word in ("encoder", "rerank-scores", "half-document-term", "pymilvus.model", 'input: "a text"', "tie-order"):
        assert word in listed


def test_the_exit_status_of_the_process(folder):
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'helpers'}"}
    command = [sys.executable, "-m", "refimpl", "check", "checked_by_test:off", "--case", "question", "--no-diagnose"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (1, "")


def test_escapes_of_a_terminal_in_an_answer_or_error_are_shown(folder):
    (folder / "hostile.py").write_text("def embed(texts):\n    raise RuntimeError('\\x1b]0;owned\\x07')\n")
    result = run("hostile:embed", "--no-diagnose")
    assert result.exit_code == 1
    assert r"\x1b]0;owned\x07" in result.output
    assert "\x1b]" not in result.output
    assert "\x07" not in result.output


def test_files_that_cannot_be_written_are_refused_before_the_check(folder):
    (folder / "counted.py").write_text("def embed(texts):\n    open('called', 'w').close()\n")
    for option in ("--json", "--html", "--junit-xml"):
        result = run("counted:embed", option, str(folder))
        assert result.exit_code == 1
        assert isinstance(result.exception, IsADirectoryError)
    assert not (folder / "called").exists()


def test_where_one_file_cannot_be_written_the_others_are(folder, monkeypatch):
    (folder / "wrong.py").write_text("def embed(texts):\n    return [[0.0] * 384 for _ in texts]\n")
    monkeypatch.setattr(check_output, "require_writable", lambda *files: None)
    result = run("wrong:embed", "--no-diagnose", "--json", str(folder), "--junit-xml", "a.xml", "--html", "a.html")
    assert isinstance(result.exception, IsADirectoryError)
    assert (folder / "a.xml").stat().st_size > 1000
    assert (folder / "a.html").stat().st_size > 1000


@pytest.mark.filterwarnings("ignore::refimpl.sparse.bm25.BM25WeightWarning")
def test_any_suite_over_http_as_json(httpserver):
    import references
    from werkzeug import Response

    def respond(request):
        return Response(json.dumps(references.bm25(**request.get_json()).tolist()), mimetype="application/json")

    httpserver.expect_request("/bm25", method="POST").respond_with_handler(respond)
    url = httpserver.url_for("/bm25")
    done = run("--url", url, "--protocol", "json", "--suite", "bm25", "--bm25-variant", "robertson", "--bm25-k1", "2")
    assert done.exit_code == 0, done.output
    assert "matches (22 passed, 1 skipped)" in done.stdout
