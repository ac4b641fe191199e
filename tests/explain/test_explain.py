"""From the command line to the page's numbers: documents read and selected, panels that sum up, errors reported."""

import base64
import json
import re
import subprocess
import sys
import warnings
import zlib

import numpy as np
import pytest
from browser import serious_faults

from refimpl import SpladeEmbeddingFunction, explain
from refimpl.compare import compare_traces
from refimpl.datasets import DatasetError
from refimpl.explain.choose import choose
from refimpl.explain.collection import read
from refimpl.explain.page import as_script_data, source_of
from refimpl.explain.panel import float32, fractions, with_rest
from refimpl.search import cache
from refimpl.sparse.analyzers import build_default_analyzer


def refimpl(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "refimpl", *arguments], capture_output=True, text=True, check=False)


def test_a_file_of_lines_a_json_file_and_a_beir_folder_are_read(tmp_path):
    (tmp_path / "a.txt").write_text("one\n\n  \ndrei ü\n", encoding="utf-8")
    rows = [{"_id": "x", "title": "T", "text": "one"}, {"id": 7, "text": "two"}, {"text": "three"}]
    for file in ("a.jsonl", "beir/corpus.jsonl"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    lines = read(str(tmp_path / "a.txt"))
    assert (lines.name, lines.ids, lines.texts, lines.blank) == ("a.txt", ["line 1", "line 4"], ["one", "drei ü"], 2)
    for name in ("a.jsonl", "beir"):
        collection = read(str(tmp_path / name))
        assert (collection.ids, collection.texts) == (["x", "7", "line 3"], ["T one", "two", "three"])
    assert read(f"beir:{tmp_path / 'beir'}").name == "beir"


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("a.jsonl", '{"text": 3}', "a.jsonl, line 1: expected a string 'text'"),
        ("a.jsonl", "[1]", "a.jsonl, line 1: expected an object, got list"),
        ("a.jsonl", "{", "a.jsonl, line 1 is not valid JSON"),
        ("a.txt", "\n \n", "has no document with text"),
        ("a.txt", b"\xff\n", "a.txt, line 1: not UTF-8"),
    ],
)
def test_documents_that_cannot_be_read_are_reported(tmp_path, file, content, message):
    (tmp_path / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=re.escape(message)):
        read(str(tmp_path / file))


def test_an_unknown_name_is_reported():
    with pytest.raises(DatasetError, match="expected a file, a BEIR folder, or a data set"):
        read("no-such-thing")


@pytest.mark.parametrize("question", ["", " \n"])
def test_an_empty_question_is_reported_in_one_sentence(tmp_path, question):
    (tmp_path / "a.txt").write_text("one\n")
    done = refimpl("explain", question, "--docs", str(tmp_path / "a.txt"), "-o", str(tmp_path / "page.html"))
    assert done.returncode == 1
    assert "refimpl: expected a question with text, got " in done.stderr
    assert not (tmp_path / "page.html").exists()


def test_of_many_documents_the_best_of_both_routes_are_selected(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "cache_dir", lambda: tmp_path)
    texts = [f"Recipe {i}: boil the potatoes and add salt." for i in range(20)]
    texts[7], texts[13] = "A feline rests upon a rug.", "zyxgloop is a word."
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows = choose("The cat zyxgloop sat on the mat", texts, build_default_analyzer("en"), 2)
    assert set(rows) == {7, 13}, "one by dense, one by lexical search"
    assert list(tmp_path.rglob("*.npz")), "the vectors are cached for the next question"


def test_tokens_that_are_not_shown_are_summed():
    values = np.full((2, 60), 1 / 60)
    assert with_rest(values).shape == (2, 49)
    np.testing.assert_allclose(with_rest(values).sum(axis=1), 1.0)
    assert with_rest(values[:, :48]).shape == (2, 48)


def test_encoded_numbers_have_the_documented_precision():
    values = np.random.default_rng(1).random(999)
    packed = [
        (float32(values), "<f4", 6e-8),
        (fractions(values), "<u2", 8e-6),
        (fractions(values, 4095), "<u2", 1.3e-4),
    ]
    for record, dtype, most in packed:
        planes = np.frombuffer(zlib.decompress(base64.b64decode(record["deflated"])), np.uint8)
        columns = np.ascontiguousarray(planes.reshape(-1, 999).T)
        back = columns.view(dtype)[:, 0] / record["scale"]
        assert np.abs(back - values).max() < most


def test_the_panels_numbers_are_the_models(panel_data, scene, minilm64):
    parts = np.array(panel_data["pooling"]["parts"])
    vectors = minilm64([scene.question.text, *(document.text for document in scene.documents)])
    np.testing.assert_allclose(parts.sum(axis=1), vectors @ vectors[0], rtol=0, atol=1e-12)
    splade = SpladeEmbeddingFunction("splade-tiny", dtype="float64")
    rows = splade([text.text for text in scene.texts])
    scores = [document["score"] for document in panel_data["splade"]["documents"]]
    np.testing.assert_allclose(scores, (rows[[0]] @ rows[1:].T).toarray()[0], rtol=1e-12)
    before = scene.trace["layer.2.intermediate_dense"]
    inputs = panel_data["gelu"]["layers"][2]
    assert sum(inputs["counts"]) + inputs["below"] + inputs["above"] == inputs["total"] == before.size
    assert inputs["negative"] == np.count_nonzero(before < 0) / before.size


def test_every_panel_has_two_sentences_one_about_this_example_and_shows_code(panels):
    for panel in panels:
        for sentence in (*panel.prose, panel.look_for):
            assert len(re.findall(r"[.!?](?:\s|$)", sentence)) == 1, sentence
        for function in panel.sources:
            source = source_of(function)
            assert f"def {function.__name__}(" in source.code
            assert source.location.startswith("refimpl/")


@pytest.mark.peer
def test_a_cross_encoder_is_shown_beside_maxsim(tmp_path, scene, minilm_folder):
    import small_models
    import torch
    from transformers import AutoTokenizer

    from refimpl.explain.panels import reranking

    model = small_models.bert(tmp_path, minilm_folder / "tokenizer.json")
    data = reranking.panel(scene, str(tmp_path)).data["cross_encoder"]
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    pairs = [(scene.question.text, document.text) for document in scene.documents]
    with torch.no_grad():
        batch = tokenizer(pairs, truncation=True, padding=True, max_length=48, return_tensors="pt")
        expected = model(**batch).logits[:, 0].numpy()
    np.testing.assert_allclose(data["logits"], expected, rtol=0, atol=1e-10)
    np.testing.assert_allclose(data["scores"], 1 / (1 + np.exp(-expected)), rtol=0, atol=1e-10)


def test_a_trace_becomes_a_page_with_its_first_mismatch(minilm64, tmp_path, opened):
    trace = minilm64.trace("A <b>vector</b>.")
    other = {name: value + (0.5 if name == "layer.4.context" else 0.0) for name, value in trace.items()}
    stages = compare_traces(other, trace)
    tab = opened(explain.write_trace("A <b>vector</b>.", minilm64, tmp_path / "trace.html", stages))
    summary = tab.locator("[data-panel=stages] .summary").inner_text()
    assert summary.startswith("First mismatch: layer.4.context; ")
    assert "layer.4.context is the first stage that does not match" in tab.locator("#stages .look").inner_text()
    names = "rows => rows.map(row => row.querySelector('th').textContent)"
    listed = tab.eval_on_selector_all("[data-table=stages-2] tbody tr", names)
    assert listed == [name for name in trace if name.startswith("layer.4.")], "the layer of the mismatch is listed"
    tab.select_option("#stages-part", "all")
    assert tab.locator("[data-table=stages-2] tbody tr").count() == len(trace)
    assert tab.locator("[data-panel]").count() == 7
    assert tab.locator("b").count() == 0


@pytest.mark.parametrize(("width", "scheme"), [(380, "dark"), (1280, "light")])
def test_the_page_of_a_trace_fits_and_has_no_serious_fault(minilm32, tmp_path, opened, width, scheme):
    tab = opened(explain.write_trace("One short text.", minilm32, tmp_path / "trace.html"), width, scheme)
    assert serious_faults(tab) == []
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    assert tab.locator(".look").count() == tab.locator("[data-panel]").count() == 7
    assert tab.locator("main section").last.locator("h2").inner_text() == "The code"
    assert tab.locator("[data-panel]").last.get_attribute("data-panel") == "stages", "the pictures are first"
    assert tab.locator("[data-table=stages-1] tbody tr").count() < 10


def test_a_number_that_is_not_finite_never_reaches_a_page():
    with pytest.raises(ValueError, match="not JSON compliant"):
        as_script_data({"x": float("nan")})
