"""What if: each change's scores, by an implementation of its own; and the sentences that say what to look for."""

import json
import math
import re
import shutil
from collections import Counter
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from refimpl import MiniLMEmbeddingFunction, SpladeEmbeddingFunction
from refimpl.explain.panels import attention, what_if
from refimpl.explain.what_if import QUANTISED, changes, rounded_to_bits, suggested, without_each_word


@pytest.fixture(scope="module")
def by_name(scene: Any) -> dict[str, Any]:
    return {change.name: change for change in changes(scene, "splade-tiny", ["London"])}


def bm25_by_hand(scene: Any, question: str, k1: float) -> list[float]:
    """rank_bm25's BM25Okapi in a loop: Robertson's idf, a negative one a quarter of the mean; NaN without a hit."""
    documents = [list(scene.analyzer(text)) for text in scene.collection.texts]
    n, avgdl = len(documents), sum(map(len, documents)) / len(documents)
    df = Counter(term for document in documents for term in set(document))
    idf = {term: math.log((n - f + 0.5) / (f + 0.5)) for term, f in df.items()}
    floor = 0.25 * sum(idf.values()) / len(idf)
    scores = []
    for document in documents:
        score, hit = 0.0, False
        for term in scene.analyzer(question):
            if f := document.count(term):
                weight = idf[term] if idf[term] >= 0 else floor
                score += weight * f * (k1 + 1) / (f + k1 * (0.25 + 0.75 * len(document) / avgdl))
                hit = hit or weight != 0
        scores.append(score if hit else math.nan)
    return scores


def test_each_word_is_removed_with_all_its_occurrences():
    assert without_each_word("Is it a  test, It?") == [
        ("Is", "it a test, It?"),
        ("it", "Is a test,"),
        ("a", "Is it test, It?"),
        ("test", "Is it a It?"),
    ]
    assert without_each_word(" word Word. ") == []
    assert len(without_each_word(" ".join(map(str, range(600))))) == 12


def test_a_reworded_question_has_the_scores_of_its_text(by_name, scene, minilm64):
    texts = [document.text for document in scene.documents]
    for name, text in (
        ("without ‘Alan’", "Where was Turing born, and when did Turing test machines?"),
        ("with ‘London’", f"{scene.question.text} London"),
    ):
        expected = minilm64.encode_documents(texts) @ minilm64.encode_queries([text])[0]
        np.testing.assert_allclose(by_name[name].dense, expected, rtol=0, atol=1e-12)
        np.testing.assert_allclose(by_name[name].lexical, bm25_by_hand(scene, text, 1.5), rtol=1e-12)
    assert sum(name.startswith("without ") for name in by_name) == 10
    assert not np.allclose(by_name["without ‘Alan’"].dense, by_name["no change"].dense, atol=1e-3)


def test_k1_changes_bm25_alone(by_name, scene):
    for k1 in (0.0, 0.5, 1.2, 2.0, 3.0):
        change = by_name[f"k1 {k1:g} instead of 1.5"]
        np.testing.assert_allclose(change.lexical, bm25_by_hand(scene, scene.question.text, k1), rtol=1e-12)
        np.testing.assert_array_equal(change.dense, by_name["no change"].dense)


def test_integers_of_one_scale_per_row_by_hand():
    matrix = np.array([[1.27, -0.5, 0.014], [0.0, 0.0, 0.0], [-7.0, 3.4, 0.6]])
    np.testing.assert_allclose(rounded_to_bits(matrix, 8)[0], [1.27, -0.5, 0.01], rtol=1e-12)
    np.testing.assert_allclose(rounded_to_bits(matrix, 4), [[1.27, -0.544285714285714, 0], [0, 0, 0], [-7, 3, 1]])
    np.testing.assert_array_equal(rounded_to_bits(np.array([0.3, 0.1]), 3), [0.3, 0.1])


@pytest.mark.parametrize("name", QUANTISED)
def test_coarser_weights_are_those_of_a_model_folder_with_them(name, by_name, scene, minilm_folder, tmp_path):
    shutil.copytree(minilm_folder, tmp_path / "model")
    file = tmp_path / "model" / "model.safetensors"
    tensors = {key: _by_row(tensor, name) for key, tensor in load_file(file).items()}
    file.unlink()  # it may be a link to the cache
    save_file(tensors, file)
    vectors = MiniLMEmbeddingFunction(tmp_path / "model", dtype="float64")([text.text for text in scene.texts])
    np.testing.assert_allclose(by_name[name].dense, vectors[1:] @ vectors[0], rtol=0, atol=1e-10)
    assert np.abs(by_name[name].dense - by_name["no change"].dense).max() > 1e-6


def _by_row(tensor: np.ndarray, name: str) -> np.ndarray:
    if name == "weights in float16":
        return tensor.astype(np.float16)
    if tensor.ndim < 2 or tensor.dtype.kind != "f":
        return tensor
    most = 2 ** (int(name.split()[2]) - 1) - 1
    rows = [
        np.round(row / (max(abs(row)) / most)) * (max(abs(row)) / most) if row.any() else row
        for row in tensor.astype(np.float64)
    ]
    return np.array(rows)


def test_by_default_the_added_words_are_splades(scene):
    words = suggested(scene.question.text, "splade-tiny")
    splade = SpladeEmbeddingFunction("splade-tiny", dtype="float64")
    weights = splade.decode(splade([scene.question.text]))
    expected = [word for word, _ in weights if word not in scene.question.tokens and not word.startswith("##")]
    assert words == expected[:3]
    assert len(words) == 3


def test_the_sentence_about_attention_names_the_largest_probability(scene):
    best = max(
        (probs[head, i, j], layer, head, i, j)
        for layer in range(6)
        for probs in [scene.trace[f"layer.{layer}.attention_probs"][0]]
        for head in range(12)
        for i in range(1, len(scene.question.tokens) - 1)
        for j in range(1, len(scene.question.tokens) - 1)
        if i != j
    )
    assert attention.largest(scene.question) == best[1:]
    sentence = attention.panel(scene).look_for
    assert f"layer {best[1] + 1}, head {best[2] + 1}:" in sentence
    assert ("more than 0.999" if best[0] > 0.999 else f"{best[0]:.3f}") in sentence


def test_the_sentence_about_changes_counts_the_documents_that_move(panel_data, scene, by_name):
    sentence = what_if.panel(scene, list(by_name.values())).look_for
    ranked = {name: _rrf(change.dense, change.lexical) for name, change in by_name.items()}
    moved = {
        name: sum(a != b for a, b in zip(ranked["no change"], order, strict=True)) for name, order in ranked.items()
    }
    name, count = re.findall(r"“(.*?)” moves the most documents of the fused ranking, (\d+) of 5", sentence)[0]
    assert moved[name] == int(count) == max(moved.values()) > 0
    assert json.dumps(panel_data["what-if"]), "its numbers are JSON: absent is null"


def _rrf(dense: np.ndarray, lexical: np.ndarray) -> list[int]:
    scores = np.zeros(len(dense))
    for route in (dense, lexical):
        for rank, row in enumerate(sorted(np.flatnonzero(~np.isnan(route)), key=lambda i: -route[i]), start=1):
            scores[row] += 1 / (60 + rank)
    return sorted(range(len(dense)), key=lambda i: -scores[i])
