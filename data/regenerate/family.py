"""Writes data/vectors/family: every architecture, pooling, BGE-M3's arithmetic and SPLADE, by torch and its libraries.

    make peers && .venv/bin/python data/regenerate/family.py [hidden pooling heads scores tasks bge_m3 splade]

The small models' weights are drawn from their names (tests/helpers/seeded.py), so only their outputs are stored. No
value is computed by refimpl; at the end its largest difference is recorded (`observed_max` in the manifest).
"""

import hashlib
import json
import platform
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from sentence_transformers import SentenceTransformer
from transformers import AutoModel, AutoModelForMaskedLM, AutoTokenizer

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests" / "helpers"), str(ROOT)]

import seeded  # noqa: E402  a helper of the tests, on the path by the line above
from family_heads import head_models, logits, merged, scores, task_vectors  # noqa: E402

from refimpl import models  # noqa: E402

FOLDER = ROOT / "data" / "vectors" / "family"
TOP_TERMS = 16
LEGACY = ("cls_token", "max_tokens", "mean_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken")


def encoder_models() -> dict[str, dict]:
    return {kind: seeded.described(seeded.torch_model(kind)) for kind in seeded.CONFIGS}


def hidden_states() -> dict[str, np.ndarray]:
    arrays = {}
    for kind in seeded.CONFIGS:
        model = seeded.torch_model(kind)
        with torch.no_grad(), seeded.float64_throughout():
            states = [
                model(input_ids=torch.tensor(ids.astype(np.int64))[None]).last_hidden_state[0].numpy()
                for ids in seeded.token_ids(seeded.GOLDEN_LENGTHS)
            ]
        arrays[f"last_hidden_state/{kind}"] = np.concatenate(states)
    return arrays | {"last_hidden_state/jina_embeddings_v3-lora": task_states()}


def task_states() -> np.ndarray:
    """Last hidden states with an adapter of jina-embeddings-v3."""
    with merged(seeded.TASK) as folder, seeded.float64_throughout():
        model = AutoModel.from_pretrained(folder, attn_implementation="eager", dtype=torch.float64).eval()
        with torch.no_grad():
            states = [
                model(input_ids=torch.tensor(ids.astype(np.int64))[None]).last_hidden_state[0].numpy()
                for ids in seeded.token_ids(seeded.GOLDEN_LENGTHS)
            ]
    return np.concatenate(states)


def poolings() -> dict[str, np.ndarray]:
    arrays = {}
    for name in (*LEGACY, "all"):
        with tempfile.TemporaryDirectory() as temporary:
            folder = seeded.torch_folder(Path(temporary), "bert")
            flags = {f"pooling_mode_{mode}": name in (mode, "all") for mode in LEGACY}
            seeded.sentence_folder(folder, flags)
            model = SentenceTransformer(str(folder), device="cpu").double()
            arrays[f"sentence_vectors/{name}"] = np.concatenate([model.encode([text]) for text in seeded.TEXTS])
    return arrays


def bge_m3() -> dict[str, np.ndarray]:
    with tempfile.TemporaryDirectory() as temporary:
        dense, sparse, late = seeded.torch_bge_m3(seeded.bge_m3_folder(Path(temporary)), seeded.TEXTS)
    return {"dense": dense, "sparse": sparse, "colbert_vecs": np.concatenate(late)}


def splade() -> dict[str, np.ndarray]:
    folder = models.path("splade-tiny")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForMaskedLM.from_pretrained(folder).double().eval()
    terms, weights, nonzero = [], [], []
    for text in seeded.SPLADE_TEXTS:
        batch = tokenizer(text, return_tensors="pt")
        with torch.no_grad():
            row = torch.log1p(torch.relu(model(**batch).logits)).amax(dim=1)[0].numpy()
        order = np.lexsort((np.arange(len(row)), -row))[:TOP_TERMS]
        terms, weights, nonzero = [*terms, order], [*weights, row[order]], [*nonzero, np.count_nonzero(row)]
    return {
        "top_terms": np.stack(terms).astype(np.int32),
        "top_weights": np.stack(weights),
        "nonzero": np.array(nonzero, dtype=np.int32),
    }


WRITTEN = {  # file: what computes it, the inputs, the package, the tolerance and its reason
    "hidden": (
        hidden_states,
        "seeded.token_ids(GOLDEN_LENGTHS)",
        "transformers",
        1e-13,
        "float64 rounding, entries of up to 8",
    ),
    "pooling": (poolings, "seeded.TEXTS", "sentence-transformers", 1e-13, "float64 rounding, sums of up to 40 tokens"),
    "heads": (logits, "seeded.token_ids([HEAD_LENGTH])", "transformers", 1e-13, "float64 rounding, logits of up to 8"),
    "scores": (scores, "seeded.TEXTS[1], seeded.TEXTS", "transformers", 1e-13, "float64 rounding, scores of up to 1"),
    "tasks": (task_vectors, "seeded.TEXTS", "sentence-transformers", 1e-13, "float64 rounding on unit vectors"),
    "bge_m3": (bge_m3, "seeded.TEXTS", "torch", 1e-13, "float64 rounding on unit vectors and weights of about 1"),
    "splade": (splade, "seeded.SPLADE_TEXTS", "transformers", 1e-12, "float64 rounding, weights of up to 3"),
}
EXACT = {"top_terms": "ids are exact", "nonzero": "counts are exact"}


def rows(name: str, arrays: dict[str, np.ndarray]) -> list[dict]:
    _, inputs, package, tolerance, reason = WRITTEN[name]
    file = FOLDER / f"{name}.safetensors"
    save_file({tensor: np.ascontiguousarray(array) for tensor, array in arrays.items()}, file)
    file.chmod(0o644)
    tiny = models.SOURCES["splade-tiny"].files["model.safetensors"]
    model = (
        {"name": "splade-tiny", "sha256": tiny} if name == "splade" else {"name": "seeded", "rule": "seeded.weights"}
    )
    return [
        {
            "stage": tensor.partition("/")[0],
            "input": inputs,
            "file": f"family/{file.name}",
            "tensor": tensor,
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
            "source": {"package": package, "version": version(package)},
            "model": model,
            "dtype": str(array.dtype),
            "shape": list(array.shape),
            "tolerance": 0.0 if tensor in EXACT else tolerance,
            "observed_max": None,
            "reason": EXACT.get(tensor, reason),
        }
        for tensor, array in arrays.items()
    ]


def main(names: list[str]) -> None:
    """Write the files of these names, or all; the others and their rows are kept."""
    FOLDER.mkdir(exist_ok=True)
    file = FOLDER / "manifest.json"
    kept = json.loads(file.read_text())["vectors"] if names else []
    (FOLDER / "models.json").write_text(json.dumps(encoder_models(), indent=1) + "\n")
    (FOLDER / "head_models.json").write_text(json.dumps(head_models()) + "\n")
    written = {name: rows(name, WRITTEN[name][0]()) for name in names or WRITTEN}
    by_file = {name: [row for row in kept if row["file"] == f"family/{name}.safetensors"] for name in WRITTEN}
    manifest = {
        "schema": 1,
        "command": "make peers && .venv/bin/python data/regenerate/family.py",
        "made_on": f"{platform.machine()}, torch {torch.__version__}, numpy {np.__version__}",
        "vectors": [row for name in WRITTEN for row in written.get(name, by_file[name])],
    }
    file.write_text(json.dumps(manifest, indent=1) + "\n")

    from family_walk import compared, encoders, heads

    with tempfile.TemporaryDirectory() as temporary:
        comparisons = compared(Path(temporary), encoders, heads)
        observed = {comparison.name: comparison.max_abs for comparison in comparisons}
    for row in manifest["vectors"]:
        row["observed_max"] = observed[f"{row['file']}:{row['tensor']}"]
    file.write_text(json.dumps(manifest, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
