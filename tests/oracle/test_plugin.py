"""The plugin in another project's test suite, in a pytest of its own."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parents[2]
PASSING = """
import numpy as np
from refimpl.oracle import assert_bm25_match, assert_embeddings_match, assert_ranking_match, assert_trace_match

def test_golden_vectors(golden_vectors):
    assert golden_vectors["normalized"].shape == (71, 384)
    assert golden_vectors.source("pooled").source["package"] == "transformers"
    assert len(golden_vectors.cases("bm25")) == 19

def test_minilm(minilm_oracle, golden_vectors):
    rows = [0, 4, 12]
    texts = [minilm_oracle.texts[i] for i in rows]
    minilm_oracle.assert_embeddings_match(golden_vectors["normalized_sentence_transformers"][rows], texts)
    assert_embeddings_match(golden_vectors["normalized"][rows], texts)
    assert minilm_oracle.token_ids(["a"]) == [[101, 1037, 102]]

def test_trace(golden_vectors):
    stages = {n.partition("/")[0]: golden_vectors[n] for n in golden_vectors if n.endswith("/published-1")}
    assert len(stages) == 7
    assert_trace_match(stages)

def test_bm25(bm25_oracle, golden_vectors):
    case = golden_vectors.cases("bm25")["half-document-term"]
    corpus, queries = case.input["corpus"], case.input["queries"]
    for variant, scores in case.expected.items():
        assert_bm25_match(scores, corpus, queries, analyzer="simple", variant=variant)
        bm25_oracle.assert_match(np.array(scores), corpus, queries, analyzer=str.split, variant=variant)

def test_ranking():
    assert_ranking_match([1, 0, 2], [0.5, 0.9, 0.1])
"""
FAILING = """
from refimpl.oracle import assert_bm25_match, assert_embeddings_match, assert_ranking_match, assert_trace_match

def test_minilm(golden_vectors):
    texts = list(golden_vectors.texts.values())[:1]
    assert_embeddings_match(golden_vectors["pooled"][:1], texts)

def test_trace(golden_vectors):
    assert_trace_match({"layer.3.hidden_states": golden_vectors["layer.2.hidden_states/published-1"]}, diagnose=False)

def test_bm25():
    assert_bm25_match([[1.0, 0.0]], ["one text", "other words"], ["one"], analyzer="simple", diagnose=False)

def test_ranking():
    assert_ranking_match([2, 0, 1], [0.5, 0.9, 0.1])
"""


def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, code: str) -> pytest.RunResult:
    pytester.makepyfile(code)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return pytester.runpytest_subprocess("-p", "no:cacheprovider")


@pytest.mark.filterwarnings("ignore")
def test_fixtures_and_assertions_pass_the_values_of_peers(pytester, monkeypatch):
    run(pytester, monkeypatch, PASSING).assert_outcomes(passed=5)


@pytest.mark.filterwarnings("ignore")
def test_a_failure_has_stage_text_values_distance_and_cause(pytester, monkeypatch):
    result = run(pytester, monkeypatch, FAILING)
    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines_random(
        [
            "*normalized: 1 of 1 texts mismatch; worst is [[]0[]] 'Artificial*",
            "*384 elements mismatch (*), maximum difference * at index *: got *, expected *, * times the 1e-06 allowed",
            "*tolerance float32: both sides round in float32, each in its own order",
            "*diagnosis: mismatch*",
            "*layer.3.hidden_states: 1 of 1 texts mismatch; worst is [[]0[]] 'Artificial*",
            "*BM25 scores: 1 of 1 queries mismatch; worst is [[]0[]] 'one'",
            "*ranking: first mismatch at rank 1: got document 2 (score 0.1), expected document 1 (score 0.9)*",
            "*diagnosis: the order is reversed: worst first",
        ]
    )


def test_the_plugin_is_installed_and_loads_nothing_heavy():
    entry = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]
    assert entry == {"refimpl": "refimpl.oracle.plugin"}
    code = "import sys, pytest; b = {*sys.modules}; import refimpl.oracle.plugin; print(sorted({*sys.modules} - b))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    lazy = ["refimpl.common", "refimpl.common.lazy"]  # what `import refimpl` itself needs
    assert done.stdout.strip() == str(["refimpl", *lazy, "refimpl.oracle", "refimpl.oracle.plugin"])
