"""Encoders of onnxruntime, on an ONNX file that torch exports from all-MiniLM-L6-v2's published weights."""

import shutil
from functools import cache
from pathlib import Path

from embed_models import minilm

from refimpl.common.atomic import folder_atomically
from refimpl.common.resources import cache_dir

NAMES = ["input_ids", "attention_mask", "token_type_ids"]


@cache
def onnx_folder():
    """The model's folder with `onnx/model.onnx` and `onnx/model_quantized.onnx`, written at the first use."""
    place = cache_dir() / "field" / "all-MiniLM-L6-v2"
    if not place.is_dir():
        place.parent.mkdir(parents=True, exist_ok=True)
        with folder_atomically(place) as folder:
            shutil.copytree(minilm(), folder, dirs_exist_ok=True)
            (folder / "onnx").mkdir()
            _export(folder / "onnx")
    return place


def _export(folder):
    import torch
    from onnxruntime.quantization import quantize_dynamic
    from transformers import AutoModel

    model = AutoModel.from_pretrained(minilm(), attn_implementation="eager").eval().requires_grad_(False)
    inputs = tuple(torch.ones(2, 7, dtype=torch.int64) for _ in NAMES)
    axes = {name: {0: "texts", 1: "tokens"} for name in [*NAMES, "last_hidden_state"]}
    file, options = folder / "model.onnx", {"dynamo": False, "dynamic_axes": axes}
    torch.onnx.export(
        _last_hidden_state(model), inputs, file, input_names=NAMES, output_names=["last_hidden_state"], **options
    )
    quantize_dynamic(file, folder / "model_quantized.onnx")
    _check_quantised(file, folder / "model_quantized.onnx")


def _last_hidden_state(model):
    """A module whose only output is that one; weights are exported as initializers where the model is a part of it."""
    import torch

    class States(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, input_ids, attention_mask, token_type_ids):
            return self.model(input_ids, attention_mask, token_type_ids).last_hidden_state

    return States().eval()


def _check_quantised(file, quantised):
    """RuntimeError where the file has no 8-bit products, or is not much smaller than that of four-byte numbers."""
    import onnx

    names = [node.op_type for node in onnx.load(quantised).graph.node]
    products = names.count("MatMulInteger") + names.count("DynamicQuantizeMatMul")
    share = quantised.stat().st_size / file.stat().st_size
    if not products or share > 0.5:
        raise RuntimeError(f"expected 8-bit products in {quantised.name}, got {products}, and {share:.0%} of the size")


@cache
def _session(file):
    import onnxruntime
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(onnx_folder() / "tokenizer.json"))
    tokenizer.enable_truncation(256)
    tokenizer.enable_padding()
    return tokenizer, onnxruntime.InferenceSession(onnx_folder() / "onnx" / file)


def _encode(texts, file):
    import numpy as np

    tokenizer, session = _session(file)
    batch = tokenizer.encode_batch(texts)
    mask = np.array([one.attention_mask for one in batch])
    fields = dict(zip(NAMES, ([one.ids for one in batch], mask, [one.type_ids for one in batch]), strict=True))
    (states,) = session.run(None, {name: np.array(value, np.int64) for name, value in fields.items()})
    weights = mask[:, :, None].astype(np.float32)
    pooled = (states * weights).sum(1) / weights.sum(1)
    return pooled / np.linalg.norm(pooled, axis=1, keepdims=True)


def onnxruntime(texts):
    """Onnxruntime in float32, 256 tokens, mean and unit length."""
    return _encode(texts, "model.onnx")


def onnxruntime_int8(texts):
    """onnxruntime, dynamically quantised to 8 bits."""
    return _encode(texts, "model_quantized.onnx")


@cache
def _chroma():
    from chromadb.utils.embedding_functions import ONNXMiniLM_L6_V2

    class Local(ONNXMiniLM_L6_V2):
        DOWNLOAD_PATH = onnx_folder()
        EXTRACTED_FOLDER_NAME = "onnx"

        def _download_model_if_not_exists(self):
            for file in onnx_folder().glob("*.json"):
                shutil.copy(file, onnx_folder() / "onnx")

    return Local(preferred_providers=["CPUExecutionProvider"])


def chroma_default(texts):
    """Chroma's default embedding function, with the exported file instead of its download."""
    return _chroma()(list(texts))


@cache
def _fastembed():
    from fastembed import TextEmbedding
    from fastembed.common.model_description import ModelSource, PoolingType

    name, source = "field/all-MiniLM-L6-v2", ModelSource(hf="field/all-MiniLM-L6-v2")
    options = {"pooling": PoolingType.MEAN, "normalization": True, "sources": source, "dim": 384}
    TextEmbedding.add_custom_model(name, model_file="onnx/model.onnx", **options)
    return TextEmbedding(name, specific_model_path=str(_with_special_tokens()))


def _with_special_tokens():
    """The folder, with the two files that fastembed reads beside the tokenizer."""
    folder = Path(onnx_folder())
    if not (folder / "special_tokens_map.json").is_file():
        names = {"cls": "[CLS]", "sep": "[SEP]", "pad": "[PAD]", "unk": "[UNK]", "mask": "[MASK]"}
        text = ", ".join(f'"{name}_token": "{token}"' for name, token in names.items())
        (folder / "special_tokens_map.json").write_text("{" + text + "}", encoding="utf-8")
    return folder


def fastembed(texts):
    """Qdrant's fastembed with the exported file as a custom model."""
    return list(_fastembed().embed(list(texts)))
