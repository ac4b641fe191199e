"""Small model folders saved by sentence-transformers, key by key, and its own numbers for them in float64.

A folder is a `Draft`: what sentence-transformers is given before it saves the model, and keys that are written into the
files that it saved.
"""

import functools
import json
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import seeded

TEXTS = ["Mars is a RED planet, 火星 naïve", "the query of each document jumps over the fox and the dog " * 4, "a"]
QUERY = "the RED planet, naïve"
MODEL = "config_sentence_transformers.json"
SENTENCE = "sentence_bert_config.json"
TOKENIZER = "tokenizer_config.json"
POOLING = "1_Pooling/config.json"
SPLADE = "1_SpladePooling/config.json"
KINDS = tuple(kind for kind in seeded.CONFIGS if kind != "jina_bert")  # which transformers cannot load
PAIR_KINDS = (
    *("bert", "roberta", "xlm-roberta", "camembert", "mpnet", "albert"),
    *("nomic_bert", "gte", "jina_embeddings_v3"),
)
MASKED_KINDS = ("bert", "roberta", "xlm-roberta", "camembert", "distilbert", "mpnet", "albert")
OF_BERT = tuple(kind for kind in KINDS if seeded.family_of(kind) == "bert" and kind != "modernbert")
"""Kinds whose tokenizer can be rebuilt as a BertTokenizer; ModernBERT's is always used as published."""

PROMPTS = [
    {"prompts": {"query": "the query : "}},
    {"prompts": {"document": "a document of "}},
    {"prompts": {"query": "RED ", "document": "a fox ", "passage": "each "}, "default_prompt_name": "passage"},
    {"prompts": {"query": "the query : "}, "default_prompt_name": "query"},
    {"default_prompt_name": "document"},
    {"prompts": {"query": "each RED "}, "default_prompt_name": "query", "include_prompt": False},
]
LENGTHS = [{"query_length": 5}, {"document_length": 9}, {"query_length": 60, "document_length": 3}]
TRANSFORMER: list[dict[str, Any]] = [
    *({"max_seq_length": length} for length in (6, 13, None)),
    *({"do_lower_case": value} for value in (True, False)),
    *({"unpad_inputs": value} for value in (True, False, None)),
    *({key: {"trust_remote_code": True}} for key in ("model_args", "tokenizer_args", "config_args")),
    *({key: {}} for key in ("model_kwargs", "processor_kwargs", "config_kwargs", "processing_kwargs")),
    {"query_expansion": None},
]
TOKENIZERS: list[dict[str, Any]] = [
    *({"truncation_side": side} for side in ("left", "right")),
    *({"padding_side": side} for side in ("left", "right")),
    *({"model_max_length": length} for length in (7, 12, int(1e30))),
    *({"model_input_names": ["input_ids", *names, "attention_mask"]} for names in ([], ["token_type_ids"])),
    *({"clean_up_tokenization_spaces": value} for value in (True, False)),
    {"chat_template": "{% for message in messages %}{{ message.content }}{% endfor %}"},
    {"additional_special_tokens": ["RED"]},
]
BERT_TOKENIZERS: list[dict[str, Any]] = [
    {"tokenizer_class": "BertTokenizer", key: value}
    for key, values in {
        "do_lower_case": (True, False),
        "strip_accents": (True, False, None),
        "tokenize_chinese_chars": (True, False),
        "truncation_side": ("left",),
    }.items()
    for value in values
]
MODES = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")
POOLINGS: list[dict[str, Any]] = [
    *({"pooling_mode": mode} for mode in MODES),
    {"pooling_mode": ["cls", "mean"]},
    {"pooling_mode": ["lasttoken", "max", "weightedmean"]},
]
AFTER = [("Normalize",), ("Dropout",), ("LayerNorm",), ("Dense",), ("Dense", "Normalize"), ("LayerNorm", "Dense")]
SIMILARITIES = ("cosine", "dot", "euclidean", "manhattan")


@dataclass(frozen=True)
class Draft:
    """What a folder is made from."""

    kind: str = "bert"
    after: tuple[str, ...] = ()
    """Modules after Pooling."""
    include_prompt: bool = True
    pooling_mode: Any = "mean"
    settings: dict[str, Any] = field(default_factory=dict)
    """Arguments of sentence-transformers' class, which it saves."""
    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Keys by file, written after saving."""
    subfolder: str = ""
    """Where the Transformer module is."""


@functools.cache
def scratch() -> Path:
    """A directory for the models that every folder is made from."""
    return Path(tempfile.mkdtemp(prefix="folders-"))


@functools.cache
def published(kind: str, make: str = "AutoModel", **changes: Any) -> Path:
    """A folder of transformers, without anything of sentence-transformers."""
    folder = scratch() / f"{kind}-{make}"
    folder.mkdir()
    seeded.torch_model(kind, make, **changes).save_pretrained(folder)
    seeded.tokenizer(folder, seeded.family_of(kind))
    return folder


@functools.cache
def transformer(kind: str) -> Any:
    from sentence_transformers.sentence_transformer.modules import Transformer

    return Transformer(str(published(kind)))


def _after(names: Iterable[str], width: int) -> list[Any]:
    """Modules after Pooling, with weights that show."""
    import torch
    from sentence_transformers.base.modules import Dense, Normalize
    from sentence_transformers.sentence_transformer.modules import Dropout, LayerNorm

    torch.manual_seed(5)
    made = []
    for name in names:
        module = {
            "Normalize": lambda: Normalize(),
            "Dropout": lambda: Dropout(0.5),
            "LayerNorm": lambda width=width: LayerNorm(width),
            "Dense": lambda width=width: Dense(width, 12),
        }[name]()
        for parameter in module.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
        width = 12 if name == "Dense" else width
        made.append(module)
    return made


def save_dense(folder: Path, draft: Draft) -> Path:
    """The draft as a folder saved by SentenceTransformer."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    with seeded.float64_throughout():
        encoder = transformer(draft.kind)
        pooling = Pooling(encoder.get_embedding_dimension(), draft.pooling_mode, include_prompt=draft.include_prompt)
        after = _after(draft.after, pooling.get_embedding_dimension())
        model = SentenceTransformer(modules=[encoder, pooling, *after], device="cpu", **draft.settings)
        return _finished(folder, model, draft)


def save_pairs(folder: Path, draft: Draft) -> Path:
    """The draft as a folder saved by CrossEncoder; `activation_fn` names a class of torch.nn."""
    import torch
    from sentence_transformers import CrossEncoder

    settings = dict(draft.settings)
    if "activation_fn" in settings:
        settings["activation_fn"] = getattr(torch.nn, settings["activation_fn"])()
    with seeded.float64_throughout():
        source = published(draft.kind, "AutoModelForSequenceClassification", num_labels=1)
        return _finished(folder, CrossEncoder(str(source), device="cpu", **settings), draft)


def save_sparse(folder: Path, draft: Draft) -> Path:
    """The draft as a folder saved by SparseEncoder."""
    from sentence_transformers import SparseEncoder

    with seeded.float64_throughout():
        source = published(draft.kind, "AutoModelForMaskedLM")
        return _finished(folder, SparseEncoder(str(source), device="cpu", **draft.settings), draft)


def _finished(folder: Path, model: Any, draft: Draft) -> Path:
    model.save_pretrained(str(folder), create_model_card=False)
    for name, keys in draft.keys.items():
        change(folder / name, keys)
    if draft.subfolder:
        move_transformer(folder, draft.subfolder)
    return folder


def change(file: Path, keys: dict[str, Any]) -> None:
    """Write keys into a JSON file, or into the first object of a list."""
    content = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    target = content[0] if isinstance(content, list) else content
    target.update(keys)
    file.write_text(json.dumps(content), encoding="utf-8")


def move_transformer(folder: Path, subfolder: str) -> None:
    """Move the Transformer module's files into a folder of their own, where it was saved before version 3."""
    files = [file for file in folder.iterdir() if file.is_file() and file.name not in ("modules.json", MODEL)]
    (folder / subfolder).mkdir()
    for file in files:
        file.rename(folder / subfolder / file.name)
    change(folder / "modules.json", {"path": subfolder})


def _one_by_one(compute: Callable[[str], Any], texts: Iterable[str]) -> np.ndarray:
    """Text by text: padding on the left changes positions in a batch of sentence-transformers."""
    return np.stack([np.asarray(compute(text)) for text in texts])


def dense_vectors(folder: Path, texts: list[str] = TEXTS) -> dict[str, np.ndarray]:
    """`encode`, `encode_query` and `encode_document` of SentenceTransformer."""
    from sentence_transformers import SentenceTransformer

    with seeded.float64_throughout():
        model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
        methods = {"encode": model.encode, "query": model.encode_query, "document": model.encode_document}
        return {name: _one_by_one(method, texts) for name, method in methods.items()}


def sparse_rows(folder: Path, texts: list[str] = TEXTS) -> dict[str, np.ndarray]:
    """`encode`, `encode_query` and `encode_document` of SparseEncoder."""
    from sentence_transformers import SparseEncoder

    with seeded.float64_throughout():
        model = SparseEncoder(str(folder), device="cpu", local_files_only=True)
        methods = {"encode": model.encode, "query": model.encode_query, "document": model.encode_document}
        return {
            name: _one_by_one(lambda text, method=method: method(text).to_dense().numpy(), texts)
            for name, method in methods.items()
        }


def pair_scores(folder: Path, texts: list[str] = TEXTS) -> np.ndarray:
    """`predict` of CrossEncoder for `QUERY` and each text."""
    from sentence_transformers import CrossEncoder

    with seeded.float64_throughout():
        model = CrossEncoder(str(folder), device="cpu", local_files_only=True)
        return _one_by_one(lambda text: model.predict((QUERY, text), convert_to_tensor=True).numpy(), texts)
