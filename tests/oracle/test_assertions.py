"""What the assertions accept and reject; their messages are in test_plugin.py."""

import numpy as np
import pytest

from refimpl import RerankResult, golden
from refimpl.oracle import assert_bm25_match, assert_embeddings_match, assert_ranking_match, assert_trace_match


def test_embeddings_of_another_shape_or_of_no_texts():
    with pytest.raises(AssertionError, match=r"embeddings: got shape \(1, 3\), expected \(1, 384\)"):
        assert_embeddings_match([[1.0, 2.0, 3.0]], ["a"])
    with pytest.raises(TypeError, match="texts must be a list of str"):
        assert_embeddings_match([[1.0]], "a")
    assert_embeddings_match(np.empty((0, 384)), [])


def test_nan_never_matches():
    vectors = np.full((1, 384), np.nan)
    with pytest.raises(AssertionError, match=r"normalized: 1 of 1 texts mismatch"):
        assert_embeddings_match(vectors, ["a"], tolerance="quantised ranking", diagnose=False)


def test_tolerance_classes():
    (vectors,) = (golden.array(v)[:3] for v in golden.vectors() if v.stage == "normalized")
    texts = list(golden.texts().values())[:3]
    half = vectors.astype(np.float16)
    assert_embeddings_match(half, texts, tolerance="float16")
    with pytest.raises(AssertionError, match="tolerance float32"):
        assert_embeddings_match(half, texts, diagnose=False)
    steps = np.round(vectors * 200) / 200
    assert_embeddings_match(steps, texts, tolerance="int8")
    with pytest.raises(AssertionError, match="tolerance float16"):
        assert_embeddings_match(steps, texts, tolerance="float16", diagnose=False)


def test_bm25_takes_sparse_scores():
    from scipy.sparse import csr_array

    case = golden.cases("bm25")["ordinary"]
    sparse = csr_array(np.array(case.expected["lucene"]))
    assert_bm25_match(sparse, case.input["corpus"], case.input["queries"], analyzer="simple", variant="lucene")


@pytest.mark.parametrize(
    "mine",
    [
        [1, 0, 2],
        np.array([1, 0, 2]),
        [RerankResult("b", 0.9, 1), RerankResult("a", 0.5, 0), RerankResult("c", 0.1, 2)],
        [{"index": 1}, {"index": 0}, {"index": 2}],
    ],
    ids=["list", "array", "results", "json"],
)
def test_a_ranking_in_any_form(mine):
    assert_ranking_match(mine, [0.5, 0.9, 0.1])
    with pytest.raises(AssertionError, match="got 3 documents, expected 2"):
        assert_ranking_match(mine, [0.5, 0.9, 0.1], top_k=2)


def test_near_scores_may_be_exchanged_and_ties_not():
    assert_ranking_match([1, 0], [0.5, 0.5 - 1e-7])
    with pytest.raises(AssertionError, match=r"ties are broken by descending index, as TEI does"):
        assert_ranking_match([1, 0], [0.5, 0.5])
    with pytest.raises(
        AssertionError, match=r"first mismatch at rank 1: got document 1 \(score 0.4\).*1e\+04 times the 1e-05"
    ):
        assert_ranking_match([1, 0], [0.5, 0.4])


@pytest.mark.parametrize(
    ("mine", "scores", "cause"),
    [
        ([0, 1, 2], [0.1, 0.5, 0.9], "reversed"),
        ([0, 1, 2, 3], [0.1, 0.9, 0.2, 0.5], "not ranked"),
        ([3, 0, 2, 1], [0.1, 0.9, 0.2, 0.5], "ranks of documents"),
        ([1, 2, 0], [0.1, -0.9, 0.2], "absolute scores"),
        ([2, 0, 1, 3], [0.1, 0.9, 0.2, 0.5], "none of the known causes"),
    ],
)
def test_a_ranking_has_causes(mine, scores, cause):
    with pytest.raises(AssertionError, match=cause):
        assert_ranking_match(mine, scores)


def test_invalid_rankings():
    with pytest.raises(AssertionError, match="expected indices of 2 documents, each at most once"):
        assert_ranking_match([0, 0], [0.5, 0.4])
    with pytest.raises(AssertionError, match="expected indices of 2 documents, each at most once"):
        assert_ranking_match([0, 5], [0.5, 0.4])
    with pytest.raises(TypeError, match="a ranking must have indices"):
        assert_ranking_match(["a"], [0.5])


def test_a_trace_fails_at_its_first_mismatch():
    stages = {v.stage: golden.array(v) for v in golden.vectors() if v.input == "published-1"}
    assert_trace_match(stages)
    assert_trace_match({name: value[None] for name, value in stages.items()})
    late = {
        **stages,
        "layer.4.hidden_states": stages["layer.4.hidden_states"] + 1e-3,
        "layer.5.hidden_states": 0 * stages["layer.5.hidden_states"],
    }
    with pytest.raises(AssertionError, match=r"^layer\.4\.hidden_states: 1 of 1 texts mismatch"):
        assert_trace_match(late, diagnose=False)
    with pytest.raises(AssertionError, match=r"got shape \(2, 384\), expected \(1, 13, 384\)"):
        assert_trace_match({"layer.0.hidden_states": np.zeros((2, 384))}, diagnose=False)
    with pytest.raises(ValueError, match=r"expected names of intermediates, got \['hidden'\]"):
        assert_trace_match({"hidden": np.zeros(3)})


def test_a_function_as_analyzer_has_a_diagnosis():
    """Scores by hand: idf ln(1 + 1.5 / 1.5), tf 1 / (1 + 1.5), and twice that."""
    right = np.array([[np.log(2) / 2.5, 0.0]])
    settings = {"analyzer": str.split, "variant": "lucene"}
    assert_bm25_match(right, ["a-b c", "d e"], ["a-b"], **settings)
    with pytest.raises(AssertionError, match="diagnosis: mismatch"):
        assert_bm25_match(3 * right, ["a-b c", "d e"], ["a-b"], **settings)


def test_bm25_takes_lists_of_tokens():
    """Lucene's idf is ln(1 + 1.5 / 1.5); two documents of two tokens, so tf is 1 / (1 + 1.5)."""
    corpus, right = [["New York", "city"], ["a", "city"]], [[np.log(2) / 2.5, 0.0]]
    assert_bm25_match(right, corpus, [["New York"]], variant="lucene")
    assert_bm25_match(right, corpus, ["New York"], analyzer=lambda text: [text], variant="lucene")
    with pytest.raises(AssertionError, match=r"worst is \[0\] \['New York'\](?s:.*)log base 2 explains 100%"):
        assert_bm25_match([[1 / 2.5, 0.0]], corpus, [["New York"]], variant="lucene")
    with pytest.raises(TypeError, match=r"corpus\[1\] must be a str, got list: "):
        assert_bm25_match(right, ["a city", ["a", "city"]], ["city"])
