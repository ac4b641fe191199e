"""`refimpl identify` from the command line: targets, exit status, what it prints and writes."""

import json
from pathlib import Path
from typing import get_args

import pytest
from typer.testing import CliRunner

from refimpl.cli import identify  # noqa: F401  it registers its command
from refimpl.cli.app import app
from refimpl.cli.identify_output import COLOURS
from refimpl.identify.describe import Status

MODULE = """
from bm25_zoo import Zoo
scores = Zoo({"idf": "base 10", "query": "set"})
odd = Zoo({})
odd.tf = lambda f, size, norm, k1: f ** 0.3
def contradicted(corpus, queries, k1, b):
    rows = Zoo({})(corpus, queries, k1, b)
    return [[score * (1 + (len(set(query.split())) == 5)) for score in row] for query, row in zip(queries, rows)]
def zero(corpus, queries):
    return [[0.0] * len(corpus)] * len(queries)
"""
PROGRAM = """
import json, sys
sys.path.insert(0, {helpers!r})
from bm25_zoo import Zoo
for line in sys.stdin:
    one = json.loads(line)
    print(json.dumps(Zoo({{"scores": "negated"}})(one["corpus"], one["queries"], one["k1"], one["b"])))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    helpers = Path(__file__).parents[1] / "helpers"
    (tmp_path / "identified_by_test.py").write_text(MODULE)
    (tmp_path / "program.py").write_text(PROGRAM.format(helpers=str(helpers)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(app, ["identify", *arguments], env={"COLUMNS": "200"})


def test_a_callable_in_words_and_as_json(folder):
    done = run("identified_by_test:scores", "--json", "o.json", "--verbose")
    assert done.exit_code == 0, done.output
    printed = " ".join(done.stdout.split())
    assert "this is the formula of DuckDB fts 1.5.5" in printed
    assert r"\log_{10}\left(1 + \frac{N - n + 0.5}{n + 0.5}\right) \cdot \frac{f (k_1 + 1)}{f + K}" in printed
    assert "log10(1 + (N - n + 0.5) / (n + 0.5)) * f (k1 + 1) / (f + K), K = k1 (1 - b + b L / A)" in printed
    assert "70 random documents and 24 queries" in printed
    written = json.loads((folder / "o.json").read_text(encoding="utf-8"))
    assert (written["schema"], written["confirmed"]) == (1, True)
    assert written["nearest"][0]["name"] == "DuckDB fts 1.5.5"
    assert written["nearest"][0]["different"] == []
    assert written["nearest"][1]["different"] != []


def test_a_curve_is_printed_and_is_status_1(folder):
    done = run("identified_by_test:odd", "--verbose")
    assert done.exit_code == 1
    assert "measured curve" in done.stdout
    assert f"(16, {16**0.3:.6g})" in done.stdout
    done = run("identified_by_test:zero")
    assert done.exit_code == 1
    assert done.stdout.startswith("Nothing can be identified: all scores are zero.")


def test_factors_of_a_contradicted_formula_are_printed(folder):
    """Queries of five terms, which no probe of one factor has, count twice."""
    done = run("identified_by_test:contradicted")
    assert done.exit_code == 1
    assert done.stdout.startswith("By probes of one factor each: ")
    assert " by its probe alone " in done.stdout
    assert done.stderr == ""


def test_every_status_has_a_colour():
    assert set(COLOURS) == set(get_args(Status))


def test_a_command(folder):
    import sys

    done = run("--command", f'"{sys.executable}" program.py')
    assert done.exit_code == 0, done.output
    assert "negated: lower is better" in done.stdout


def test_an_address(httpserver, folder):
    from bm25_zoo import Zoo
    from werkzeug import Response

    def respond(request):
        one = request.get_json()
        if not all(one["corpus"]):
            return Response("an empty document", status=422)
        return Response(
            json.dumps(Zoo({})(one["corpus"], one["queries"], one["k1"], one["b"])), mimetype="application/json"
        )

    httpserver.expect_request("/bm25", method="POST").respond_with_handler(respond)
    done = run("--url", httpserver.url_for("/bm25"), "--json", "-")
    assert done.exit_code == 0, done.output
    written = json.loads(done.stdout[done.stdout.index("{") :])
    factors = {factor["name"]: factor for factor in written["factors"]}
    assert factors["tf"]["value"] == "saturated f"
    assert factors["empty documents"]["status"] == "undetermined"
    assert "an empty document" in factors["empty documents"]["value"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected one of MODULE:ATTRIBUTE, --command and --url, got 0"),
        (["json:dumps", "--url", "http://localhost:1"], "--command and --url, got 2"),
        (["json:nothing"], "json has no 'nothing'"),
        (["json:loads"], "json:loads answered none of 12 inputs"),
        (["--url", "ftp://localhost"], "must begin with http"),
        (["json:loads", "--what", "dense"], "--what must be bm25, metrics, fusion, embed or rerank, got 'dense'"),
    ],
)
def test_a_wrong_command_line_is_status_2(folder, arguments, message):
    done = run(*arguments)
    assert done.exit_code == 2, done.output
    assert message in " ".join(done.output.replace("│", " ").split())
