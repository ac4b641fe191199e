"""The steps on vectors against torch, and every module type of sentence-transformers: read, or refused by name."""

import inspect
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from saved_modules import types_of_the_library

from refimpl import SentenceTransformerEmbeddingFunction
from refimpl.bert.files import WeightsError
from refimpl.bert.steps import AFTER_POOLING, BEFORE_POOLING, BETWEEN_TEXTS
from refimpl.bert.torch_activations import ACTIVATIONS, torch_activation

AT = [0.0, 0.5, -0.5, 3.0, -3.0, 6.0, 20.0, 20.5, 1e-9, -1e-9, 1.0]
X = np.concatenate([np.linspace(-40, 40, 61), AT])
PARAMETRISED = {"MultiheadAttention", "PReLU", "Threshold"}


@pytest.mark.peer
def test_every_activation_class_of_torch_is_computed_or_refused():
    import torch
    from torch.nn.modules import activation

    named = {name for name in activation.__all__ if inspect.isclass(getattr(activation, name))}
    assert named - set(ACTIVATIONS) == PARAMETRISED | {"Softmax2d"}
    assert set(ACTIVATIONS) - named == {"Identity"}
    for name in ACTIVATIONS:
        module = getattr(torch.nn, name)().eval()
        assert not list(module.parameters())
        for x in (X.reshape(6, 12), X.reshape(36, 2) / 7):
            expected = module(torch.tensor(x)).numpy()
            np.testing.assert_allclose(ACTIVATIONS[name](x), expected, rtol=1e-13, atol=1e-13, err_msg=name)
            assert ACTIVATIONS[name](x.astype(np.float32)).dtype == np.float32, name
        full = f"{type(module).__module__}.{name}"
        assert torch_activation(full) is torch_activation(f"torch.nn.{name}") is ACTIVATIONS[name]
        assert np.isfinite(ACTIVATIONS[name](np.array([[-1e6, 1e6]]))).all(), name


VALUES = {  # at -1 and 2, by hand from the formulas in torch.nn's documentation
    "CELU": (np.exp(-1) - 1, 2),
    "ELU": (np.exp(-1) - 1, 2),
    "Hardshrink": (-1, 2),
    "Hardsigmoid": (1 / 3, 5 / 6),
    "Hardswish": (-1 / 3, 5 / 3),
    "Hardtanh": (-1, 1),
    "Identity": (-1, 2),
    "LeakyReLU": (-0.01, 2),
    "LogSigmoid": (-np.log(1 + np.e), -np.log(1 + np.exp(-2))),
    "Mish": (-np.tanh(np.log(1 + np.exp(-1))), 2 * np.tanh(np.log(1 + np.exp(2)))),
    "RReLU": (-11 / 48, 2),
    "ReLU": (0, 2),
    "ReLU6": (0, 2),
    "SELU": (1.0507009873554805 * 1.6732632423543772 * (np.exp(-1) - 1), 2 * 1.0507009873554805),
    "SiLU": (-1 / (1 + np.e), 2 / (1 + np.exp(-2))),
    "Sigmoid": (1 / (1 + np.e), 1 / (1 + np.exp(-2))),
    "Softmax": (1 / (1 + np.exp(3)), 1 / (1 + np.exp(-3))),
    "Softmin": (1 / (1 + np.exp(-3)), 1 / (1 + np.exp(3))),
    "LogSoftmax": (-np.log(1 + np.exp(3)), -np.log(1 + np.exp(-3))),
    "Softplus": (np.log(1 + np.exp(-1)), np.log(1 + np.exp(2))),
    "Softshrink": (-0.5, 1.5),
    "Softsign": (-1 / 2, 2 / 3),
    "Tanh": (np.tanh(-1), np.tanh(2)),
    "Tanhshrink": (-1 - np.tanh(-1), 2 - np.tanh(2)),
    "GELU": (-0.15865525393145707, 1.9544997361036416),  # x Phi(x), with Phi of a table
    "GLU": (-1 / (1 + np.exp(-2)),),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_has_the_values_of_its_formula(name):
    np.testing.assert_allclose(ACTIVATIONS[name](np.array([[-1.0, 2.0]]))[0], VALUES[name], rtol=1e-14)


@pytest.mark.parametrize(
    "name",
    [
        *(f"torch.nn.modules.activation.{name}" for name in sorted(PARAMETRISED | {"Softmax2d", "Identity", "Linear"})),
        "torch.nn.functional.Tanh",
        "torch.Tanh",
        "my.torch.nn.Tanh",
        "Tanh",
        "torch.nn.tanh",
    ],
)
def test_another_activation_is_refused_by_name(tmp_path, name):
    (tmp_path / "config.json").write_text(
        json.dumps({"in_features": 2, "out_features": 2, "activation_function": name})
    )
    with pytest.raises(WeightsError, match=rf"config\.json: expected an activation of torch\.nn, .*, got '{name}'"):
        AFTER_POOLING["Dense"](tmp_path, 2)


def dense(folder: Path, out: int, **config):
    config = {"in_features": 2, "out_features": out, "activation_function": "torch.nn.GLU", **config}
    (folder / "config.json").write_text(json.dumps(config))
    weights = {"linear.weight": np.arange(2.0 * out).reshape(out, 2), "linear.bias": np.ones(out)}
    save_file(weights, folder / "model.safetensors")
    return folder


@pytest.mark.parametrize("name", BETWEEN_TEXTS)
def test_a_softmax_of_tokens_is_refused(tmp_path, name):
    """torch takes the softmax of `(texts, tokens, features)` over texts, so that vectors depend on the batch."""
    folder = dense(tmp_path, 4, activation_function=f"torch.nn.{name}", module_input_name="token_embeddings")
    with pytest.raises(WeightsError, match=rf"expected an activation of each token, got 'torch\.nn\.{name}'"):
        BEFORE_POOLING["Dense"](folder, 2)


def test_glu_halves_the_features(tmp_path):
    width, step = AFTER_POOLING["Dense"](dense(tmp_path, 4), 2)
    mapped = np.array([[2.0, 6.0, 10.0, 14.0]])  # x W^T + b at (1, 1)
    expected = mapped[:, :2] / (1 + np.exp(-mapped[:, 2:]))
    assert width == 2
    np.testing.assert_allclose(step(np.ones((1, 2))), expected, rtol=1e-15)
    with pytest.raises(WeightsError, match=r"expected an even number of out_features with torch\.nn\.GLU, got 3"):
        AFTER_POOLING["Dense"](dense(tmp_path, 3), 2)
    with pytest.raises(WeightsError, match=r"expected use_residual false with torch\.nn\.GLU, which halves"):
        AFTER_POOLING["Dense"](dense(tmp_path, 4, use_residual=True), 2)


@pytest.mark.peer
@pytest.mark.parametrize("name", ["GLU", "Softmin", "RReLU", "Softplus"])
def test_a_dense_module_with_an_activation_equals_sentence_transformers(tmp_path, name):
    import torch
    from saved_modules import TEXTS, randomised, rows, transformer
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Dense
    from sentence_transformers.sentence_transformer.modules import Pooling

    modules = [transformer(tmp_path / "bert"), Pooling(16)]
    modules += randomised(Dense(16, 12, activation_function=getattr(torch.nn, name)()))
    peer = SentenceTransformer(modules=modules).double()
    peer.save_pretrained(str(tmp_path / "model"))
    ours = SentenceTransformerEmbeddingFunction(
        str(tmp_path / "model"), dtype="float64", normalize_embeddings=False
    ).encode_documents(TEXTS[:1])
    np.testing.assert_allclose(ours, rows(peer.encode, TEXTS[:1]), rtol=0, atol=1e-11)


# Every module type


READ = {"Transformer", "Pooling", "StaticEmbedding", "Router", "Asym", *AFTER_POOLING, *BEFORE_POOLING}
REFUSED = {
    *("BoW", "CLIPModel", "CNN", "LSTM", "WeightedLayerPooling", "WordEmbeddings", "WordWeights"),
    *("LogitScore", "HierarchicalTokenPooling", "LambdaTokenPooling", "MultiVectorMask", "SparseAutoEncoder"),
    *("MLMTransformer", "SpladePooling", "SparseStaticEmbedding"),
}


@pytest.mark.peer
def test_every_module_type_is_read_or_refused():
    assert types_of_the_library() == READ | REFUSED


@pytest.mark.parametrize("kind", sorted(REFUSED))
def test_another_module_of_a_dense_folder_is_refused_by_name(tmp_path, kind):
    package = "sentence_transformers.sentence_transformer.modules"
    (tmp_path / "modules.json").write_text(json.dumps([{"path": "", "type": f"{package}.{kind}"}]))
    with pytest.raises(WeightsError, match=rf"modules\.json: expected .*, got {kind}"):
        SentenceTransformerEmbeddingFunction(str(tmp_path))
    listed = [{"path": str(i), "type": f"{package}.{each}"} for i, each in enumerate(("Transformer", "Pooling", kind))]
    (tmp_path / "modules.json").write_text(json.dumps(listed))
    with pytest.raises(WeightsError, match=rf"modules\.json: expected .*, got {kind}"):
        SentenceTransformerEmbeddingFunction(str(tmp_path))
