"""Writes data/vectors/family: every architecture, pooling, BGE-M3's arithmetic and SPLADE, by torch and its libraries.

    make peers && .venv/bin/python data/regenerate/family.py

The small models' weights follow from their names (tests/helpers/seeded.py), so only their outputs are kept. refimpl
takes no part in any value; at the end it says how far it is from them (`observed_max` in the manifest).
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
from transformers import AutoModelForMaskedLM, AutoTokenizer

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests" / "helpers"), str(ROOT)]

import seeded  # noqa: E402  a helper of the tests, found by the line above

from refimpl import models  # noqa: E402

FOLDER = ROOT / "data" / "vectors" / "family"
TOP_TERMS = 16
LEGACY = ("cls_token", "max_tokens", "mean_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken")


def published_names() -> dict:
    kept = {}
    for kind in seeded.CONFIGS:
        model = seeded.torch_model(kind)
        state = {name: list(t.shape) for name, t in model.state_dict().items() if t.is_floating_point()}
        config = {k: v for k, v in model.config.to_dict().items() if k not in ("transformers_version", "dtype")}
        kept[kind] = {"config": config, "tensors": dict(sorted(state.items()))}
    return kept


def hidden_states() -> dict[str, np.ndarray]:
    arrays = {}
    for kind in seeded.CONFIGS:
        model = seeded.torch_model(kind)
        with torch.no_grad():
            states = [
                model(input_ids=torch.tensor(ids.astype(np.int64))[None]).last_hidden_state[0].numpy()
                for ids in seeded.token_ids(seeded.GOLDEN_LENGTHS)
            ]
        arrays[f"last_hidden_state/{kind}"] = np.concatenate(states)
    return arrays


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
        "float64 rounding, entries of 3",
    ),
    "pooling": (poolings, "seeded.TEXTS", "sentence-transformers", 1e-13, "float64 rounding, sums of up to 40 tokens"),
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


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "models.json").write_text(json.dumps(published_names(), indent=1) + "\n")
    manifest = {
        "schema": 1,
        "command": "make peers && .venv/bin/python data/regenerate/family.py",
        "made_on": f"{platform.machine()}, torch {torch.__version__}, numpy {np.__version__}",
        "vectors": [row for name, (compute, *_) in WRITTEN.items() for row in rows(name, compute())],
    }
    file = FOLDER / "manifest.json"
    file.write_text(json.dumps(manifest, indent=1) + "\n")

    from family_walk import compared

    with tempfile.TemporaryDirectory() as temporary:
        observed = {comparison.name: comparison.max_abs for comparison in compared(Path(temporary))}
    for row in manifest["vectors"]:
        row["observed_max"] = observed[f"{row['file']}:{row['tensor']}"]
    file.write_text(json.dumps(manifest, indent=1) + "\n")


if __name__ == "__main__":
    main()
