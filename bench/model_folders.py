"""Model folders of each architecture, at the size of small published models: seeded random weights, written once.

No package holds trained weights of these architectures, so the work is a real model's and the vectors mean nothing.
Every text goes through all-MiniLM-L6-v2's tokenizer, so that all architectures read the same tokens.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from safetensors.numpy import save_file
from tokenizers import Tokenizer

from bench import peers
from bench.race import SEED
from refimpl import models
from refimpl.common import stamp
from refimpl.common.resources import cache_dir

PUBLISHED = "all-MiniLM-L6-v2"
MAX_LENGTH = 256
VOCABULARY = 30522
POSITIONS = 260  # RoBERTa and MPNet begin later than at row 0
SIZES = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}
CONFIGS: dict[str, dict[str, Any]] = {
    "roberta": {**SIZES, "type_vocab_size": 1},
    "xlm-roberta": {**SIZES, "type_vocab_size": 1, "layer_norm_eps": 1e-5},
    "distilbert": {"dim": 384, "n_layers": 6, "n_heads": 12, "hidden_dim": 1536},
    "mpnet": {**SIZES, "layer_norm_eps": 1e-5},
    "albert": {**SIZES, "embedding_size": 128, "num_hidden_groups": 1, "inner_group_num": 1},
    "modernbert": {**SIZES, "local_attention": 128},
    "qwen3": {**SIZES, "num_attention_heads": 6, "num_key_value_heads": 3, "head_dim": 64},
    "gemma3_text": {
        **SIZES,
        **{"num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 128, "sliding_window": 512},
        "layer_types": (["sliding_attention"] * 5) + ["full_attention"],
        "use_bidirectional_attention": True,
    },
    "t5": {"d_model": 384, "num_layers": 6, "num_heads": 6, "d_kv": 64, "d_ff": 1536},
    "nomic_bert": SIZES,
    "gte": SIZES,
    "jina_embeddings_v3": SIZES,
}
NOISE = 0.05  # large enough that every layer shows in the vectors, small enough that softmax is not all or nothing
ROLES = {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "unk_token": "[UNK]", "eos_token": "[SEP]"}
STATIC_DIM = 256  # minishlab/potion-base-8M's


def sentence_transformer(kind: str) -> Path | None:
    """A sentence-transformers folder (mean pooling, unit length); BERT's is published; None where torch is absent."""
    if kind == "bert":
        return models.path(PUBLISHED)
    return _written(kind, lambda folder: _write_sentence_transformer(folder, kind))


def bge_m3() -> Path | None:
    """A small XLM-RoBERTa with BGE-M3's two heads, in torch's own files; None where torch is absent."""
    return _written("bge-m3", _write_bge_m3)


def model2vec() -> Path:
    """A Model2Vec folder: a vector per piece of the tokenizer, unit length at the end."""
    folder = cache_dir() / "bench" / f"model2vec-{SEED}"
    return _once(folder, _write_model2vec)


def _written(name: str, write: Callable[[Path], None]) -> Path | None:
    if peers.get("torch") is None or peers.get("transformers") is None:
        return None
    versions = f"torch-{stamp.library_version('torch')}-transformers-{stamp.library_version('transformers')}"
    return _once(cache_dir() / "bench" / f"{name}-{SEED}-{versions}", write)


def _once(folder: Path, write: Callable[[Path], None]) -> Path:
    """The folder, written to a temporary name and renamed, so that it is complete or absent."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            partial = folder.with_name(f"{folder.name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            write(partial)
            partial.rename(folder)
    return folder


def _write_sentence_transformer(folder: Path, kind: str) -> None:
    _write_encoder(folder, kind)
    published = models.path(PUBLISHED)
    shutil.copy(published / "modules.json", folder)
    shutil.copytree(published / "1_Pooling", folder / "1_Pooling")


def _write_bge_m3(folder: Path) -> None:
    torch = peers.get("torch")
    assert torch is not None
    _write_encoder(folder, "xlm-roberta")
    for name, rows in (("sparse", 1), ("colbert", 384)):
        torch.save(torch.nn.Linear(384, rows).state_dict(), folder / f"{name}_linear.pt")


def _write_encoder(folder: Path, kind: str) -> None:
    """Save transformers' model of the architecture with noise added to every parameter, and the tokenizer's files."""
    torch, transformers = peers.get("torch"), peers.get("transformers")
    assert torch is not None
    assert transformers is not None
    torch.manual_seed(SEED)
    common = {"vocab_size": VOCABULARY, "pad_token_id": 0}
    if kind != "t5":  # whose positions are relative
        common["max_position_embeddings"] = POSITIONS
    make = transformers.T5EncoderModel._from_config if kind == "t5" else transformers.AutoModel.from_config
    model = make(transformers.AutoConfig.for_model(kind, **common, **CONFIGS[kind]))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * NOISE)
    model.save_pretrained(folder)
    _tokenizer().save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": MAX_LENGTH, **ROLES}
    settings |= {"model_input_names": ["input_ids", "attention_mask"]}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def _write_model2vec(folder: Path) -> None:
    table = np.random.default_rng(SEED).normal(0, 1, (VOCABULARY, STATIC_DIM)).astype(np.float32)
    save_file({"embeddings": table}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"normalize": True}))
    _tokenizer().save(str(folder / "tokenizer.json"))


def _tokenizer() -> Any:
    tokenizer = Tokenizer.from_file(str(models.path(PUBLISHED) / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer
