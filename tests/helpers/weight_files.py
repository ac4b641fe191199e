"""Weights and configurations for the tests of weight files."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

Array = np.ndarray
CONFIG: dict[str, Any] = {
    "model_type": "bert",
    "vocab_size": 11,
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "max_position_embeddings": 9,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
    "hidden_act": "gelu",
}
# The names and shapes of transformers' BertModel for that configuration, written by hand.
HIDDEN, WIDE = 8, 12
LAYER = {
    "attention.self.query": (HIDDEN, HIDDEN),
    "attention.self.key": (HIDDEN, HIDDEN),
    "attention.self.value": (HIDDEN, HIDDEN),
    "attention.output.dense": (HIDDEN, HIDDEN),
    "attention.output.LayerNorm": (HIDDEN,),
    "intermediate.dense": (WIDE, HIDDEN),
    "output.dense": (HIDDEN, WIDE),
    "output.LayerNorm": (HIDDEN,),
}
EMBEDDINGS = {"word_embeddings": (11, 8), "position_embeddings": (9, 8), "token_type_embeddings": (2, 8)}
QUERY = "encoder.layer.1.attention.self.query.weight"


def tensors(seed: int = 0) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    shapes: dict[str, tuple[int, ...]] = {f"embeddings.{name}.weight": shape for name, shape in EMBEDDINGS.items()}
    shapes |= {"embeddings.LayerNorm.weight": (HIDDEN,), "embeddings.LayerNorm.bias": (HIDDEN,)}
    for i in range(2):
        for name, shape in LAYER.items():
            shapes |= {f"encoder.layer.{i}.{name}.weight": shape, f"encoder.layer.{i}.{name}.bias": shape[:1]}
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def write(folder: Path, stored: dict[str, Array] | bytes | None = None, **config: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({**CONFIG, **config}))
    if isinstance(stored, bytes):
        (folder / "model.safetensors").write_bytes(stored)
    else:
        save_file(tensors() if stored is None else stored, folder / "model.safetensors")
    return folder


def safetensors(header: object, data: bytes = b"") -> bytes:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + data
