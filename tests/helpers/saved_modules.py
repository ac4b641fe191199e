"""Small random models that sentence-transformers saves, for comparison with it in float64; the weights are noise."""

import json
from pathlib import Path
from typing import Any

import numpy as np

_PIECES = "[PAD] [UNK] [CLS] [SEP] [MASK] mars is red creme the planet of fox and end a query : ##s"
PIECES = _PIECES.split(" ")
TEXTS = ["Mars is RED", "crème the red planet of the fox and the red mars is the end", "a", ""]
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
LONGEST = 12


def tokenizer(**settings: Any) -> Any:
    from transformers import BertTokenizer

    return BertTokenizer(vocab={piece: i for i, piece in enumerate(PIECES)}, model_max_length=LONGEST, **settings)


def transformer(folder: Path, seed: int = 3, task: str = "feature-extraction", **config: Any) -> Any:
    """A Transformer module of a BERT model of two layers in float64."""
    import torch
    from sentence_transformers.base.modules import Transformer
    from transformers import BertConfig, BertForMaskedLM, BertModel

    torch.manual_seed(seed)
    sizes = {**SIZES, "vocab_size": len(PIECES), "max_position_embeddings": 24, "initializer_range": 0.5, **config}
    make = BertForMaskedLM if task == "fill-mask" else BertModel
    make(BertConfig(**sizes)).double().save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return Transformer(str(folder), transformer_task=task, model_kwargs={"dtype": "float64"})


def randomised(*modules: Any) -> list[Any]:
    """The modules, with random parameters."""
    import torch

    torch.manual_seed(5)
    for module in modules:
        for parameter in module.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
    return list(modules)


def change(file: Path, **keys: Any) -> None:
    """Set keys of a JSON file, which may be new."""
    content = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    file.write_text(json.dumps(content | keys), encoding="utf-8")


def rows(encode: Any, texts: list[str], **settings: Any) -> np.ndarray:
    """The vectors that `encode` of a peer gives for each text on its own, where batches are not padded."""
    return np.stack([np.asarray(encode(text, **settings)) for text in texts])


def types_of_the_library() -> set[str]:
    """The names of every module class that a folder of any of the library's models may list."""
    from sentence_transformers.base import modules as base
    from sentence_transformers.cross_encoder import modules as cross
    from sentence_transformers.multi_vector_encoder import modules as multi
    from sentence_transformers.sentence_transformer import modules as dense
    from sentence_transformers.sparse_encoder import modules as sparse

    abstract = {"Module", "InputModule", "BaseTokenPooling"}
    return {name for package in (base, cross, multi, dense, sparse) for name in package.__all__} - abstract
