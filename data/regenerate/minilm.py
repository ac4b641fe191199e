"""Writes data/vectors/minilm from transformers (float64), sentence-transformers and ONNX Runtime (float32).

    make peers && .venv/bin/python data/regenerate/minilm.py

No value is computed by refimpl: it only locates the model's files, and at the end its largest difference from them is
recorded (`observed_max` in the manifest). Every text is a batch of its own, without padding.
"""

import hashlib
import json
import platform
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from safetensors.numpy import save_file
from sentence_transformers import SentenceTransformer
from transformers import AutoModel, AutoTokenizer

from refimpl import models

VECTORS = Path(__file__).parents[1] / "vectors"
FOLDER = VECTORS / "minilm"
MAX_LENGTH = 256
TRACED = ("published-1", "empty", "unknown-among", "emoji")


def texts() -> dict[str, str]:
    cases = json.loads((FOLDER / "texts.json").read_text(encoding="utf-8"))
    return {case["name"]: case["text"] if "text" in case else case["repeat"] * case["times"] for case in cases}


class LastHiddenState(torch.nn.Module):
    """The model to export to ONNX: three named inputs, one output."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, token_type_ids):
        ids = {"input_ids": input_ids, "attention_mask": attention_mask, "token_type_ids": token_type_ids}
        return self.model(**ids).last_hidden_state


def token_ids(tokenizer, named: dict[str, str]) -> dict[str, np.ndarray]:
    ids = [tokenizer(text, truncation=True, max_length=MAX_LENGTH)["input_ids"] for text in named.values()]
    whole = [len(tokenizer(text)["input_ids"]) for text in named.values()]
    return {
        "input_ids": np.concatenate([np.array(i, dtype=np.int32) for i in ids]),
        "lengths": np.array([len(i) for i in ids], dtype=np.int32),
        "truncated": np.array([n > MAX_LENGTH for n in whole], dtype=np.uint8),
    }


def float64(folder: Path, tokenizer, named: dict[str, str]) -> dict[str, np.ndarray]:
    model = AutoModel.from_pretrained(folder, attn_implementation="eager").double().eval()
    arrays, pooled = {}, []
    for name, text in named.items():
        batch = tokenizer(text, truncation=True, max_length=MAX_LENGTH, return_tensors="pt")
        with torch.no_grad():
            output = model(**batch, output_hidden_states=True)
        pooled.append(output.last_hidden_state[0].mean(dim=0))
        if name in TRACED:
            for i, hidden_states in enumerate(output.hidden_states):
                stage = "embeddings" if i == 0 else f"layer.{i - 1}"
                arrays[f"{stage}.hidden_states/{name}"] = hidden_states[0].numpy()
    stacked = torch.stack(pooled)
    arrays["pooled"] = stacked.numpy()
    arrays["normalized"] = torch.nn.functional.normalize(stacked, dim=1).numpy()
    return arrays


def sentence_transformers(folder: Path, named: dict[str, str]) -> np.ndarray:
    model = SentenceTransformer(str(folder), device="cpu")
    return np.concatenate([model.encode([text], normalize_embeddings=True) for text in named.values()])


def onnx(folder: Path, tokenizer, named: dict[str, str]) -> np.ndarray:
    model = LastHiddenState(AutoModel.from_pretrained(folder, attn_implementation="eager").eval())
    names = ["input_ids", "attention_mask", "token_type_ids"]
    example = tokenizer(["one", "two words"], padding=True, return_tensors="pt")
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary) / "minilm.onnx"
        axes = {name: {0: "batch", 1: "seq"} for name in [*names, "last_hidden_state"]}
        torch.onnx.export(
            model,
            tuple(example[name] for name in names),
            str(file),
            input_names=names,
            output_names=["last_hidden_state"],
            dynamic_axes=axes,
            dynamo=False,
        )
        session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    rows = []
    for text in named.values():
        batch = dict(tokenizer(text, truncation=True, max_length=MAX_LENGTH, return_tensors="np"))
        hidden_states = session.run(["last_hidden_state"], {name: batch[name] for name in names})[0]
        pooled = hidden_states[0].mean(axis=0)
        rows.append(pooled / np.linalg.norm(pooled))
    return np.stack(rows)


def row(file: str, tensor: str, array: np.ndarray, package: str, tolerance: float, reason: str) -> dict:
    return {
        "stage": tensor.partition("/")[0],
        "input": tensor.partition("/")[2] or "all of minilm/texts.json",
        "file": f"minilm/{file}",
        "tensor": tensor,
        "sha256": hashlib.sha256((FOLDER / file).read_bytes()).hexdigest(),
        "source": {"package": package, "version": version(package)},
        "model": {"name": "all-MiniLM-L6-v2", "sha256": models.SOURCES["all-MiniLM-L6-v2"].files["model.safetensors"]},
        "dtype": str(array.dtype),
        "shape": list(array.shape),
        "tolerance": tolerance,
        "observed_max": None,
        "reason": reason,
    }


def write(file: str, arrays: dict[str, np.ndarray], describe) -> list[dict]:
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, FOLDER / file)
    (FOLDER / file).chmod(0o644)
    return [row(file, name, array, *describe(name)) for name, array in arrays.items()]


def describe_float64(name: str) -> tuple[str, float, str]:
    if name == "normalized":
        return "transformers", 1e-12, "float64 rounding on unit vectors, entries of about 0.05"
    return "transformers", 1e-10, "float64 rounding through at most six layers, entries of up to about 5"


def describe_float32(name: str) -> tuple[str, float, str]:
    package = {"normalized_sentence_transformers": "sentence-transformers", "normalized_onnxruntime": "onnxruntime"}[
        name
    ]
    return package, 1e-6, "both sides round in float32, in another order"


def save(manifest: dict) -> None:
    (VECTORS / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")


def main() -> None:
    folder = models.path("all-MiniLM-L6-v2")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    named = texts()
    rows = write("tokens.safetensors", token_ids(tokenizer, named), lambda name: ("transformers", 0.0, "ids are exact"))
    rows += write("float64.safetensors", float64(folder, tokenizer, named), describe_float64)
    single = {
        "normalized_sentence_transformers": sentence_transformers(folder, named),
        "normalized_onnxruntime": onnx(folder, tokenizer, named),
    }
    rows += write("float32.safetensors", single, describe_float32)
    kept = json.loads((VECTORS / "manifest.json").read_text(encoding="utf-8"))["suites"]  # the other scripts' rows
    manifest = {
        "schema": 1,
        "command": "make peers && .venv/bin/python data/regenerate/minilm.py",
        "made_on": f"{platform.machine()}, torch {torch.__version__}, numpy {np.__version__}",
        "cases": len(named),
        "texts_sha256": hashlib.sha256((FOLDER / "texts.json").read_bytes()).hexdigest(),
        "vectors": rows,
        "suites": kept,
    }
    save(manifest)

    from refimpl.golden.minilm import verify

    observed = {comparison.name: comparison.max_abs for comparison in verify()}
    for entry in rows:
        entry["observed_max"] = observed[f"{entry['file']}:{entry['tensor']}"]
    save(manifest)


if __name__ == "__main__":
    main()
