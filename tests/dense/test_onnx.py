"""OnnxEmbeddingFunction against onnxruntime: weights out of the graph, other graphs refused by name."""

import runpy
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import seeded
from onnx import helper, numpy_helper

from refimpl import OnnxEmbeddingFunction
from refimpl.bert.files import WeightsError
from refimpl.bert.forward import forward
from refimpl.tokens import TruncationWarning

SCRIPT = runpy.run_path(str(seeded.REGENERATE / "onnx_graph.py"))
TEXTS = [*seeded.TEXTS[:3], "naïve readers"]


@pytest.fixture(scope="module")
def exact() -> OnnxEmbeddingFunction:
    return OnnxEmbeddingFunction(seeded.ONNX, seeded.ONNX, dtype="float64")


def altered(folder: Path, change: Any) -> Path:
    """A copy of the folder whose graph `change` has changed."""
    shutil.copytree(seeded.ONNX, folder)
    model = onnx.load(folder / "model.onnx")
    change(model.graph)
    onnx.save(model, folder / "model.onnx")
    return folder


def refused(folder: Path, message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        OnnxEmbeddingFunction(folder, seeded.ONNX)


def test_hidden_states_are_onnxruntimes(exact: OnnxEmbeddingFunction) -> None:
    """Recorded by onnxruntime in float32."""
    ids = np.array(SCRIPT["TOKENS"])
    states = forward(exact.weights, ids, ids > 0, 0 * ids).last_hidden_state
    expected = np.load(seeded.ONNX / "states.npy")
    np.testing.assert_allclose(states[ids > 0], expected[ids > 0], rtol=0, atol=3e-6)


def test_vectors_are_means_of_unit_length(exact: OnnxEmbeddingFunction) -> None:
    tokens = exact.tokenizer(["Mars is red"])
    ids = tokens.input_ids[None]
    mean = forward(exact.weights, ids, ids >= 0, 0 * ids).last_hidden_state[0].mean(axis=0)
    np.testing.assert_allclose(exact(["Mars is red"])[0], mean / np.linalg.norm(mean), rtol=0, atol=1e-12)
    assert exact.dim == 32
    assert exact([]).shape == (0, 32)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_padding_is_an_option_and_changes_the_last_digits_alone(exact: OnnxEmbeddingFunction, dtype: str) -> None:
    padded = OnnxEmbeddingFunction(seeded.ONNX, seeded.ONNX, dtype=dtype, padding="max_length")
    vectors = padded(TEXTS)
    assert vectors.dtype == np.dtype(dtype)
    np.testing.assert_allclose(vectors, exact(TEXTS), rtol=0, atol=2e-6 if dtype == "float32" else 1e-12)
    assert padded([]).shape == (0, 32)
    with pytest.raises(ValueError, match="padding must be one of 'none', 'max_length', got 'longest'"):
        OnnxEmbeddingFunction(seeded.ONNX, seeded.ONNX, padding="longest")


def test_truncation_is_a_warning(exact: OnnxEmbeddingFunction) -> None:
    with pytest.warns(TruncationWarning, match="1 of 2 texts exceed max_length=40"):
        exact(["fox " * 50, "dog"])


class TestOtherGraphs:
    def test_a_quantised_one(self, tmp_path: Path) -> None:
        def quantise(graph: Any) -> None:
            graph.node.append(helper.make_node("DequantizeLinear", ["a", "b"], ["c"]))

        refused(
            altered(tmp_path / "q", quantise), "weights in floats, got the operators DequantizeLinear: not quantised"
        )

    def test_one_with_fused_operators(self, tmp_path: Path) -> None:
        def fuse(graph: Any) -> None:
            graph.node.append(helper.make_node("Attention", ["a"], ["c"], domain="com.microsoft"))

        refused(altered(tmp_path / "f", fuse), "expected standard operators, got com.microsoft.Attention")

    def test_one_of_another_activation(self, tmp_path: Path) -> None:
        def change(graph: Any) -> None:
            node = next(node for node in graph.node if node.op_type == "Tanh" and "activation" in node.name)
            node.op_type = "Sin"

        refused(
            altered(tmp_path / "a", change), "expected a graph of the albert encoder .* got hidden states that differ"
        )

    def test_one_whose_first_output_is_another(self, tmp_path: Path) -> None:
        def change(graph: Any) -> None:
            graph.output[0].name = next(n.output[0] for n in graph.node if n.op_type == "LayerNormalization")

        refused(altered(tmp_path / "o", change), "differ by")

    def test_one_without_a_tensor(self, tmp_path: Path) -> None:
        def rename(graph: Any) -> None:
            name = next(one.name for one in graph.initializer if one.name.endswith("ffn.bias"))
            for one in (*graph.initializer, *graph.node):
                for names in [one] if hasattr(one, "name") and one.name == name else []:
                    names.name = "anonymous"
            for node in graph.node:
                node.input[:] = ["anonymous" if each == name else each for each in node.input]

        refused(altered(tmp_path / "t", rename), r"intermediate\.dense|ffn")

    def test_one_that_is_no_encoder(self, tmp_path: Path) -> None:
        graph = helper.make_graph([], "empty", [], [], [numpy_helper.from_array(np.ones(3), "a.weight")])
        (tmp_path / "e").mkdir()
        onnx.save(helper.make_model(graph), tmp_path / "e" / "model.onnx")
        refused(tmp_path / "e", "expected an encoder with embeddings.word_embeddings.weight, got none")

    def test_one_that_is_no_graph(self, tmp_path: Path) -> None:
        (tmp_path / "model.onnx").write_bytes(b"\xff" * 100)
        refused(tmp_path, "expected an ONNX model, got another file")

    def test_a_folder_without_one(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match=r"model\.onnx is missing: expected a folder with model\.onnx"):
            OnnxEmbeddingFunction(tmp_path, seeded.ONNX)


@pytest.mark.peer
@pytest.mark.parametrize("kind", ["bert", "albert", "distilbert", "roberta", "mpnet"])
def test_graphs_that_torch_exports_today(tmp_path: Path, kind: str) -> None:
    """pymilvus.model's steps with onnxruntime, padded to the maximum length, in float32."""
    import onnxruntime
    from transformers import AutoTokenizer

    SCRIPT["export"](tmp_path, kind)
    session, splitter = onnxruntime.InferenceSession(tmp_path / "model.onnx"), AutoTokenizer.from_pretrained(tmp_path)
    names = {one.name for one in session.get_inputs()}
    expected = []
    for text in TEXTS:
        encoded = splitter(text, padding="max_length", truncation=True, return_token_type_ids=True, return_tensors="np")
        states = session.run(None, {name: encoded[name] for name in names})[0][0]
        mean = states[encoded["attention_mask"][0] > 0].mean(axis=0)
        expected.append(mean / np.linalg.norm(mean))
    ours = OnnxEmbeddingFunction(tmp_path, tmp_path)(TEXTS)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=4e-6)
