"""Names of systems: the local ones, KIND:MODEL for any model of a kind, and those of `remote`."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from refimpl.search.plan import System
from refimpl.search.records import Ranker
from refimpl.systems.remote import Service, grammar

DEFAULT = ("dense", "bm25", "hybrid-rrf", "hybrid-weighted", "milvus-bm25")
ABOUT = {
    "dense": "all-MiniLM-L6-v2, texts truncated to 256 tokens (or `max_length`), inner product of unit vectors",
    "bm25": "BM25 with pymilvus.model's formula and settings (k1 1.5, b 0.75), sparse inner product",
    "bm25-lucene": "BM25 with Lucene's idf, k1 0.9, b 0.4 (Anserini's settings), sparse inner product",
    "splade": "SPLADE, rasyosef/splade-tiny, sparse inner product",
    "milvus-bm25": "Milvus' own BM25 function over the text, its standard analyzer",
    "hybrid-rrf": "dense and bm25, fused by Milvus with reciprocal ranks (k 60)",
    "hybrid-weighted": "dense and bm25, fused by Milvus with weights 0.5 and 0.5 of normalised scores",
    "hybrid-splade": "dense and splade, fused by Milvus with reciprocal ranks (k 60)",
}
MODEL_KINDS = {  # KIND of KIND:MODEL, where MODEL is a folder or a hub repository
    "dense": "a sentence-transformers model, texts truncated to its maximum length, inner product of unit vectors",
    "model2vec": "a Model2Vec table of static vectors, cosine",
    "splade": "a SPLADE model, texts truncated to its positions, sparse inner product",
    "bge-m3-dense": "BGE-M3's first hidden state, inner product of unit vectors",
    "bge-m3-sparse": "BGE-M3's lexical weights, sparse inner product",
    "instructor": "an Instructor model with its instructions for retrieval, inner product of unit vectors",
    "mgte-dense": "mGTE's first hidden state, inner product of unit vectors",
    "mgte-sparse": "mGTE's lexical weights, sparse inner product",
    "onnx": "the encoder of a folder's model.onnx, with the tokenizer beside it, inner product of unit vectors",
}
HYBRIDS = {
    "hybrid-rrf": (("dense", "bm25"), Ranker("rrf")),
    "hybrid-weighted": (("dense", "bm25"), Ranker("weighted", weights=(0.5, 0.5))),
    "hybrid-splade": (("dense", "splade"), Ranker("rrf")),
}


def parse_names(names: Sequence[str]) -> list[str]:
    """The names without white space around them.

    Raises ValueError for an unknown or duplicate name, and for no name at all.
    """
    stripped = [name.strip() for name in names if name.strip()]
    unknown = [name for name in stripped if not (name in ABOUT or parse_model(name) or Service.parse(name))]
    if unknown or not stripped or len(set(stripped)) < len(stripped):
        got = f"unknown {', '.join(unknown)}" if unknown else "none, or one twice"
        of_models = ", ".join(f"{kind}:NAME" for kind in MODEL_KINDS)
        raise ValueError(f"systems must be some of {', '.join(ABOUT)}, {of_models}, {grammar()}; got {got}")
    return stripped


def parse_model(name: str) -> tuple[str, str] | None:
    """Kind and model of a name KIND:MODEL; None for any other name."""
    kind, colon, model = name.partition(":")
    return (kind, model) if kind in MODEL_KINDS and colon and model else None


def system_of(name: str) -> System:
    """The system of a name that `parse_names` has accepted."""
    if service := Service.parse(name):
        return System(service.name, (service.field,), service.about)
    if kind_and_model := parse_model(name):
        kind, model = kind_and_model
        short = Path(model).name  # the system's name becomes a file name
        return System(f"{kind}:{short}", (field_name(name),), f"{short}: {MODEL_KINDS[kind]}")
    fields, ranker = HYBRIDS.get(name, ((name,), None))
    return System(name, tuple(field_name(field) for field in fields), ABOUT[name], ranker)


def field_name(name: str) -> str:
    """The field of a system in Milvus, which allows letters, digits and underscores."""
    if kind_and_model := parse_model(name):
        kind, model = kind_and_model
        name = f"{kind}_{hashlib.sha256(model.encode()).hexdigest()[:8]}"
    return name.replace("-", "_")
