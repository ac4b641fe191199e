"""Small model folders written without torch, for the vectors that data/regenerate/model_folders.py stores.

Each is what sentence-transformers would save, key by key; the weights are drawn from their names (`seeded.weights`).
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import seeded
from generated_folders import MODEL, POOLING, SENTENCE, SPLADE, TOKENIZER, change, move_transformer

EXPECTED = Path(__file__).parents[1] / "model_folders.json"
TEXTS = ["Mars is a RED planet, 火星 naïve", "the query of each document jumps over the fox and the dog " * 2, "a"]
QUERY = "the RED planet"
PROMPTS = {"prompts": {"query": "the query : ", "document": "a document of ", "fox": "fox : "}}
HIDDEN, VOCABULARY = 32, seeded.VOCABULARY
MASKED: seeded.Shapes = {
    "cls.predictions.bias": (VOCABULARY,),
    "cls.predictions.transform.dense.weight": (HIDDEN, HIDDEN),
    "cls.predictions.transform.dense.bias": (HIDDEN,),
    "cls.predictions.transform.LayerNorm.weight": (HIDDEN,),
    "cls.predictions.transform.LayerNorm.bias": (HIDDEN,),
}
CLASSIFIER: seeded.Shapes = {"classifier.weight": (1, HIDDEN), "classifier.bias": (1,)}


def _encoder(folder: Path, kind: str) -> dict[str, np.ndarray]:
    """The files of a small encoder, and its tensors, stored as float64."""
    from safetensors.numpy import load_file, save_file

    seeded.model_folder(folder, kind)
    exact = {name: tensor.astype(np.float64) for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file(exact, folder / "model.safetensors")
    return exact


def dense(folder: Path, kind: str = "bert", **changes: dict[str, Any]) -> Path:
    """A SentenceTransformer folder with mean pooling; `changes` are keys by file."""
    _encoder(folder, kind)
    return _changed(seeded.sentence_folder(folder, {"pooling_mode": "mean"}), changes)


def plain(folder: Path, kind: str, architecture: str) -> Path:
    """A folder without modules.json, whose sentence-transformers settings have no effect."""
    _encoder(folder, kind)
    change(folder / "config.json", {"architectures": [architecture]})
    change(folder / MODEL, {**PROMPTS, "default_prompt_name": "fox", "truncate_dim": 3})
    change(folder / SENTENCE, {"max_seq_length": 4})
    return folder


def with_head(folder: Path, head: seeded.Shapes, architecture: str, **config: Any) -> Path:
    """A BERT with a head."""
    from safetensors.numpy import save_file

    tensors = {f"bert.{name}": tensor for name, tensor in _encoder(folder, "bert").items()}
    tensors |= {name: tensor.astype(np.float64) for name, tensor in seeded.weights(head, 400).items()}
    save_file(tensors, folder / "model.safetensors")
    change(folder / "config.json", {"architectures": [architecture], **config})
    return folder


def sparse(folder: Path, **changes: dict[str, Any]) -> Path:
    """A SparseEncoder folder."""
    with_head(folder, MASKED, "BertForMaskedLM")
    modules = [("Transformer", ""), ("SpladePooling", "1_SpladePooling")]
    listed = [
        {"idx": i, "name": str(i), "path": path, "type": f"{ST}sparse_encoder.models.{kind}"}
        for i, (kind, path) in enumerate(modules)
    ]
    listed[0]["type"] = f"{ST}base.modules.transformer.Transformer"
    (folder / "modules.json").write_text(json.dumps(listed))
    (folder / "1_SpladePooling").mkdir()
    change(folder / SPLADE, {"pooling_strategy": "max", "activation_function": "relu"})
    change(folder / SENTENCE, {"transformer_task": "fill-mask"})
    change(folder / MODEL, {"model_type": "SparseEncoder"})
    return _changed(folder, changes)


def pairs(folder: Path, **changes: dict[str, Any]) -> Path:
    """A CrossEncoder folder."""
    with_head(folder, CLASSIFIER, "BertForSequenceClassification", id2label={"0": "LABEL_0"}, label2id={"LABEL_0": 0})
    listed = [{"idx": 0, "name": "0", "path": "", "type": f"{ST}base.modules.transformer.Transformer"}]
    (folder / "modules.json").write_text(json.dumps(listed))
    change(folder / SENTENCE, {"transformer_task": "sequence-classification"})
    change(folder / MODEL, {"model_type": "CrossEncoder"})
    return _changed(folder, changes)


ST = "sentence_transformers."


def _changed(folder: Path, changes: dict[str, dict[str, Any]]) -> Path:
    files = {"model": MODEL, "sentence": SENTENCE, "tokenizer": TOKENIZER, "pooling": POOLING, "splade": SPLADE}
    subfolder = changes.pop("subfolder", None)
    for name, keys in changes.items():
        change(folder / files[name], keys)
    if subfolder:
        move_transformer(folder, subfolder["path"])
    return folder


SUBFOLDER = {"path": "0_Transformer"}
LEFT = {"truncation_side": "left", "model_max_length": 12}
CASED = {"tokenizer_class": "BertTokenizer", "do_lower_case": False}
EXCLUDED = {"include_prompt": False, "pooling_mode": ["weightedmean", "cls"]}
DENSE: dict[str, Callable[[Path], Path]] = {
    "prompts by name": lambda f: dense(f, model=PROMPTS),
    "a default prompt": lambda f: dense(f, model=PROMPTS | {"default_prompt_name": "fox"}),
    "the prompt not pooled": lambda f: dense(f, model=PROMPTS | {"default_prompt_name": "fox"}, pooling=EXCLUDED),
    "truncated vectors": lambda f: dense(f, model={"truncate_dim": 5, "similarity_fn_name": "dot"}),
    "lengths by task": lambda f: dense(f, sentence={"query_length": 5, "document_length": 9, "max_seq_length": 7}),
    "truncation on the left": lambda f: dense(f, "roberta", tokenizer=LEFT),
    "a cased tokenizer": lambda f: dense(f, tokenizer=CASED),
    "last token": lambda f: dense(f, "qwen3", pooling={"pooling_mode": "lasttoken"}),
    "in a subfolder": lambda f: dense(f, sentence={"max_seq_length": 6}, subfolder=SUBFOLDER),
    "a causal model without modules": lambda f: plain(f, "qwen3", "Qwen3ForCausalLM"),
    "an encoder without modules": lambda f: plain(f, "bert", "BertModel"),
}
SPARSE: dict[str, Callable[[Path], Path]] = {
    "sparse with prompts": lambda f: sparse(f, model=PROMPTS | {"max_active_dims": 6}),
    "sparse sum": lambda f: sparse(f, splade={"pooling_strategy": "sum", "activation_function": "log1p_relu"}),
    "sparse in a subfolder": lambda f: sparse(f, sentence={"max_seq_length": 6}, subfolder=SUBFOLDER),
}
PAIRS: dict[str, Callable[[Path], Path]] = {
    "pairs with a prompt": lambda f: pairs(f, model=PROMPTS | {"default_prompt_name": "fox"}),
    "pairs by logit": lambda f: pairs(f, model={"activation_fn": "torch.nn.modules.linear.Identity"}),
    "pairs in a subfolder": lambda f: pairs(f, sentence={"max_seq_length": 11}, subfolder=SUBFOLDER),
}
