"""From names to objects: `dense,bm25,hybrid-rrf` to encoders that fill Milvus' fields and systems that search them.

The one place that knows embedding functions, rerankers and search alike.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from refimpl import __version__, models
from refimpl.base import EmbeddingFunction, RerankFunction
from refimpl.search.plan import Encoder, System
from refimpl.search.records import Field, Ranker

DEFAULT = ("dense", "bm25", "hybrid-rrf", "hybrid-weighted", "milvus-bm25")
WEIGHTS = (0.5, 0.5)  # of dense and sparse in hybrid-weighted
ABOUT = {
    "dense": "all-MiniLM-L6-v2, inner product of unit vectors",
    "bm25": "BM25 with pymilvus.model's formula and settings (k1 1.5, b 0.75), sparse inner product",
    "bm25-lucene": "BM25 with Lucene's idf, k1 0.9, b 0.4 (Anserini's settings), sparse inner product",
    "splade": "SPLADE, rasyosef/splade-tiny, sparse inner product",
    "milvus-bm25": "Milvus' own BM25 function over the text, its standard analyzer",
    "hybrid-rrf": "dense and bm25, fused by Milvus with reciprocal ranks (k 60)",
    "hybrid-weighted": "dense and bm25, fused by Milvus with weights 0.5 and 0.5 of normalised scores",
    "hybrid-splade": "dense and splade, fused by Milvus with reciprocal ranks (k 60)",
}
FUSED = {
    "hybrid-rrf": (("dense", "bm25"), Ranker("rrf")),
    "hybrid-weighted": (("dense", "bm25"), Ranker("weighted", weights=WEIGHTS)),
    "hybrid-splade": (("dense", "splade"), Ranker("rrf")),
}


def build(
    names: Sequence[str], *, rerank: str | None = None, max_length: int = 256
) -> tuple[list[Encoder], list[System]]:
    """Encoders and systems for these names; with `rerank` each system a second time, its best 50 reranked.

    `rerank` is "maxsim" (MiniLM's own token vectors) or a cross-encoder's folder or hub name; `max_length`, in tokens,
    is the dense encoder's. Raises ValueError for an unknown or doubled name and for none at all.
    """
    wanted = [name.strip() for name in names if name.strip()]
    unknown = [name for name in wanted if name not in ABOUT]
    if unknown or not wanted or len(set(wanted)) < len(wanted):
        wrong = f"unknown {', '.join(unknown)}" if unknown else "none, or one twice"
        raise ValueError(f"systems must be some of {', '.join(ABOUT)}; got {wrong}")
    systems = [_system(name) for name in wanted]
    fields = dict.fromkeys(field for system in systems for field in system.fields)
    encoders = [_dense(max_length) if field == "dense" else MAKERS[field]() for field in fields]
    if rerank is not None:
        function = _reranker(rerank)
        systems += [_reranked(system, function, rerank) for system in systems]
    return encoders, systems


def _system(name: str) -> System:
    fields, ranker = FUSED.get(name, ((name,), None))
    return System(name, tuple(_field_name(field) for field in fields), ABOUT[name], ranker)


def _field_name(name: str) -> str:
    return name.replace("-", "_")  # Milvus allows letters, digits and underscores


def _reranked(system: System, function: RerankFunction, name: str) -> System:
    about = f"{system.about}; the best 50 reranked by {Path(name).name}"
    return replace(system, name=f"{system.name}+rerank", about=about, rerank=function)


def _dense(max_length: int) -> Encoder:
    from refimpl.dense.minilm import MiniLMEmbeddingFunction

    function = MiniLMEmbeddingFunction(max_length=max_length)
    settings = {"dtype": "float32", "max_length": max_length, "normalize": True}
    key = {"model": _model_key("all-MiniLM-L6-v2"), **settings, "code": _code("bert", "dense", "tokens")}
    return Encoder(Field("dense", "dense", "IP", function.dim), function, key)


def _bm25() -> Encoder:
    return _bm25_encoder("bm25", {"variant": "pymilvus", "k1": 1.5, "b": 0.75})


def _bm25_lucene() -> Encoder:
    return _bm25_encoder("bm25_lucene", {"variant": "lucene", "k1": 0.9, "b": 0.4})


def _bm25_encoder(field: str, settings: Mapping[str, Any]) -> Encoder:
    function = import_module("refimpl.sparse.bm25").BM25EmbeddingFunction(**settings)
    key = {"model": "bm25", **settings, "code": _code("sparse")}
    return Encoder(Field(field, "sparse"), function, key, cached=False, fit=function.fit)


def _splade() -> Encoder:
    function: EmbeddingFunction = import_module("refimpl.sparse").SpladeEmbeddingFunction()
    key = {"model": _model_key("splade-tiny"), "code": _code("bert", "sparse", "tokens")}
    return Encoder(Field("splade", "sparse"), function, key)


def _milvus_bm25() -> Encoder:
    return Encoder(Field("milvus_bm25", "bm25", "BM25"), None, {"model": "Milvus' BM25 function"})


MAKERS: dict[str, Callable[[], Encoder]] = {
    "bm25": _bm25,
    "bm25_lucene": _bm25_lucene,
    "splade": _splade,
    "milvus_bm25": _milvus_bm25,
}


def _reranker(name: str) -> RerankFunction:
    from refimpl.reranker import CrossEncoderRerankFunction, MaxSimRerankFunction

    return MaxSimRerankFunction() if name == "maxsim" else CrossEncoderRerankFunction(name)


def _model_key(name: str) -> dict[str, str]:
    """The published files' hashes: which weights they are, wherever they came from."""
    return dict(models.SOURCES[name].files)


@cache
def _code(*rooms: str) -> str:
    """Sha256 of the sources that compute the vectors: a change in them must not find old vectors in the cache."""
    root = Path(__file__).parent
    digest = hashlib.sha256(__version__.encode())
    for room in rooms:
        files = [root / f"{room}.py"] if (root / f"{room}.py").is_file() else sorted((root / room).rglob("*.py"))
        for file in files:
            digest.update(file.relative_to(root).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()[:16]
