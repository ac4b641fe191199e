"""Low precision of real implementations is named by its arithmetic; other errors of the same size are not."""

import numpy as np
import pytest

from refimpl.diagnosis import diagnose_embeddings

TEXTS = [
    "hello",
    "An apple a day keeps the doctor away.",
    "It never rains in Southern California",
    "Machine learning is programming by example.",
]

pytestmark = [pytest.mark.peer, pytest.mark.usefixtures("quick")]


@pytest.fixture(scope="module")
def tokenizer(minilm_folder):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(minilm_folder)


@pytest.fixture
def model(minilm_folder):
    from transformers import AutoModel

    return AutoModel.from_pretrained(minilm_folder).eval()


def torch_vectors(model, tokenizer) -> np.ndarray:
    """Means of the last hidden states, of unit length, a text at a time."""
    import torch

    with torch.no_grad():
        means = [model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].float().mean(0) for text in TEXTS]
        return torch.nn.functional.normalize(torch.stack(means)).numpy()


def onnx_vectors(model, tokenizer, folder, *, unsigned=False, **settings) -> np.ndarray:
    """The same by ONNX Runtime, of the exported model with `quantize_dynamic`."""
    import onnxruntime
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic

    batch = tokenizer(TEXTS[1], return_tensors="pt")
    axes = {name: {0: "batch", 1: "seq"} for name in batch}
    exported, quantised = str(folder / "model.onnx"), str(folder / "quantised.onnx")
    torch.onnx.export(
        LastHiddenState(model),
        tuple(batch.values()),
        exported,
        input_names=list(batch),
        dynamic_axes=axes,
        opset_version=17,
        dynamo=False,
    )
    kind = QuantType.QUInt8 if unsigned else QuantType.QInt8
    quantize_dynamic(exported, quantised, weight_type=kind, **settings)
    session = onnxruntime.InferenceSession(quantised)
    states = [session.run(None, dict(tokenizer(text, return_tensors="np")))[0][0] for text in TEXTS]
    means = np.array([state.mean(axis=0) for state in states])
    return means / np.linalg.norm(means, axis=1, keepdims=True)


def LastHiddenState(model):  # a class that needs torch
    import torch

    class Module(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids, token_type_ids, attention_mask):
            return self.model(input_ids, attention_mask, token_type_ids).last_hidden_state

    return Module()


def named(actual: np.ndarray, folder) -> tuple[str, ...]:
    diagnosis = diagnose_embeddings(actual, TEXTS, model_path=folder)
    assert not diagnosis.matches
    assert "explains 4 of 4 texts" in str(diagnosis)
    assert "compare with --tolerance" in str(diagnosis)
    return diagnosis.causes[0].names


def test_half_precision(model, tokenizer, minilm_folder):
    assert named(torch_vectors(model.half(), tokenizer), minilm_folder) == ("float16 arithmetic",)


def test_bfloat16(model, tokenizer, minilm_folder):
    assert named(torch_vectors(model.bfloat16(), tokenizer), minilm_folder) == ("bfloat16 arithmetic",)


def test_autocast(model, tokenizer, minilm_folder):
    import torch

    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert named(torch_vectors(model, tokenizer), minilm_folder) == ("bfloat16 products",)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_attention_weights_of_low_precision(dtype, model, tokenizer, minilm_folder, monkeypatch):
    import torch

    softmax = torch.nn.functional.softmax

    def rounded(*args, **kwargs):
        return softmax(*args, **kwargs).to(getattr(torch, dtype)).float()

    model.set_attn_implementation("eager")
    monkeypatch.setattr(torch.nn.functional, "softmax", rounded)
    assert named(torch_vectors(model, tokenizer), minilm_folder) == (f"{dtype} attention weights",)


def test_the_activation_of_ggml(model, tokenizer, minilm_folder):
    """A table of float16 for tanh GELU, by its argument in float16."""
    import torch

    class Table(torch.nn.Module):
        def forward(self, x):
            return torch.nn.functional.gelu(x.half().float(), approximate="tanh").half().float()

    for layer in model.encoder.layer:
        layer.intermediate.intermediate_act_fn = Table()
    assert named(torch_vectors(model, tokenizer), minilm_folder) == ("tanh GELU of float16",)


@pytest.mark.parametrize(("engine", "bits"), [("fbgemm", 7), ("qnnpack", 8)])
def test_dynamic_quantisation_of_torch(engine, bits, model, tokenizer, minilm_folder, monkeypatch):
    import torch

    if engine not in torch.backends.quantized.supported_engines:
        pytest.skip(f"torch was built without {engine}")
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = engine
    try:
        quantised = torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)
        actual = torch_vectors(quantised, tokenizer)
    finally:
        torch.backends.quantized.engine = before
    assert named(actual, minilm_folder) == (f"dynamic int8, {bits}-bit activations",)


@pytest.mark.parametrize(
    ("settings", "matrices"),
    [
        ({}, "int8 matrices"),
        ({"per_channel": True}, "int8 matrices per channel"),
        ({"per_channel": True, "unsigned": True}, "uint8 matrices per channel"),
    ],
    ids=["tensor", "channel", "unsigned"],
)
def test_dynamic_quantisation_of_onnx_runtime(settings, matrices, model, tokenizer, minilm_folder, tmp_path):
    actual = onnx_vectors(model, tokenizer, tmp_path, **settings)
    assert named(actual, minilm_folder) == (f"dynamic int8 of ONNX Runtime, {matrices}",)


def test_half_precision_with_a_fault_is_not_named(model, tokenizer, minilm_folder):
    """Errors of tanh GELU, with those of float16: neither alone explains them."""
    import torch

    for layer in model.encoder.layer:
        layer.intermediate.intermediate_act_fn = torch.nn.GELU("tanh")
    diagnosis = diagnose_embeddings(torch_vectors(model.half(), tokenizer), TEXTS, model_path=minilm_folder)
    assert not diagnosis.explained, str(diagnosis)
    assert "arithmetic" not in str(diagnosis)


def test_noise_of_the_size_of_float16_is_not_named(model, tokenizer, minilm_folder):
    actual = torch_vectors(model, tokenizer)
    actual += np.random.default_rng(0).normal(0, 6e-5, actual.shape)
    diagnosis = diagnose_embeddings(actual, TEXTS, model_path=minilm_folder)
    assert not diagnosis.explained, str(diagnosis)
    assert "arithmetic" not in str(diagnosis)
