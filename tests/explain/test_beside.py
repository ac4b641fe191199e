"""`refimpl explain --beside FOLDER`: the page compares MiniLM with that sentence-transformers model, not SPLADE."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import seeded
from browser import cells
from safetensors.numpy import save_file
from tokenizers import Tokenizer

QUESTION = "which planet is known as the red planet"
DOCUMENTS = [
    "the quick brown fox jumps over the lazy dog",
    "mars is red because its soil holds iron oxide",
    "a reranker reads a query and a document together",
]
WIDTH = 32


@pytest.fixture(scope="module")
def bag_of_words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT with mean pooling whose layer adds zero: a text's vector is the mean of its normalised word embeddings."""
    folder = tmp_path_factory.mktemp("models") / "bag-of-words"
    folder.mkdir()
    seeded.tokenizer(folder)
    pieces = Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab_size()
    words = np.random.default_rng(4).standard_normal((pieces, WIDTH))
    sizes = {"hidden_size": WIDTH, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 4}
    settings = {"vocab_size": pieces, "max_position_embeddings": 64, "type_vocab_size": 2, "layer_norm_eps": 1e-12}
    config = {"model_type": "bert", "architectures": ["BertModel"], "hidden_act": "gelu", **sizes, **settings}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    zeros = {
        "embeddings.position_embeddings.weight": (64, WIDTH),
        "embeddings.token_type_embeddings.weight": (2, WIDTH),
        "encoder.layer.0.intermediate.dense.weight": (4, WIDTH),
        "encoder.layer.0.intermediate.dense.bias": (4,),
        "encoder.layer.0.output.dense.weight": (WIDTH, 4),
        "encoder.layer.0.output.dense.bias": (WIDTH,),
    }
    for name in ("self.query", "self.key", "self.value", "output.dense"):
        zeros |= {f"encoder.layer.0.attention.{name}.weight": (WIDTH, WIDTH)}
        zeros |= {f"encoder.layer.0.attention.{name}.bias": (WIDTH,)}
    tensors = {name: np.zeros(shape) for name, shape in zeros.items()}
    for name in ("embeddings", "encoder.layer.0.attention.output", "encoder.layer.0.output"):
        tensors |= {f"{name}.LayerNorm.weight": np.ones(WIDTH), f"{name}.LayerNorm.bias": np.zeros(WIDTH)}
    save_file(tensors | {"embeddings.word_embeddings.weight": words}, folder / "model.safetensors")
    return seeded.sentence_folder(folder, {"pooling_mode_mean_tokens": True})


def expected_cosines(folder: Path) -> np.ndarray:
    """Between all texts, the question first, without refimpl: embeddings looked up, normalised and averaged."""
    from safetensors.numpy import load_file

    words = load_file(folder / "model.safetensors")["embeddings.word_embeddings.weight"]
    normalised = (words - words.mean(axis=1, keepdims=True)) / words.std(axis=1, keepdims=True)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    vectors = np.stack([normalised[tokenizer.encode(text).ids].mean(axis=0) for text in (QUESTION, *DOCUMENTS)])
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(units @ units.T)


def test_the_page_shows_the_cosines_and_ranks_of_that_model(bag_of_words: Path, tmp_path: Path, opened: Any) -> None:
    (tmp_path / "docs.txt").write_text("\n".join(DOCUMENTS), encoding="utf-8")
    options = ["--docs", str(tmp_path / "docs.txt"), "--beside", str(bag_of_words), "-o", str(tmp_path / "page.html")]
    command = [sys.executable, "-m", "refimpl", "explain", QUESTION, *options, "--quiet"]
    subprocess.run(command, check=True, capture_output=True)
    expected = expected_cosines(bag_of_words)
    order = (-expected[0, 1:]).argsort()
    ranks = order.argsort() + 1
    tab = opened(tmp_path / "page.html")

    head = tab.eval_on_selector_all("[data-table=models-4] thead th", "all => all.map(th => th.textContent)")
    assert head[-2:] == ["bag-of-words, cosine", "rank by bag-of-words"]
    shown = [float(value) for value in cells(tab, "models-4", 4)]
    np.testing.assert_allclose(shown, expected[0, 1:], rtol=0, atol=1e-15)  # observed: 8e-17
    assert [int(rank) for rank in cells(tab, "models-4", 5)] == ranks.tolist()

    summary = tab.locator("[data-panel=models] .summary").inner_text()
    assert summary.endswith(f"; first by bag-of-words: Document {order[0] + 1}.")
    section = tab.locator("#models").inner_text()
    assert "MiniLM and bag-of-words read the same texts" in section
    assert "bag-of-words: cosine between all texts" in section
    assert "splade" not in section.lower()
    assert tab.locator("[data-chart=models-3] .mark-rect.role-mark path").count() == len(expected) ** 2
