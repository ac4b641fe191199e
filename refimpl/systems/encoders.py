"""The encoder of each field of a local system; its key has the hashes of the model's files and of refimpl's code."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from refimpl import __version__, models
from refimpl.base import EmbeddingFunction
from refimpl.common.hashing import code_hash, sha256
from refimpl.dense.minilm import MiniLMEmbeddingFunction
from refimpl.hybrid.kinds import OneKind
from refimpl.search.fields import DenseField, FullTextField, SparseField
from refimpl.search.plan import Encoder
from refimpl.systems.names import field_name

_code = partial(code_hash, __version__)


def dense_encoder(max_length: int) -> Encoder:
    """all-MiniLM-L6-v2 with texts truncated to `max_length` tokens."""
    function = MiniLMEmbeddingFunction(max_length=max_length)
    settings = {"dtype": "float32", "max_length": max_length, "normalize": True}
    key = {
        "model": _model_key("all-MiniLM-L6-v2"),
        **settings,
        "code": _code("bert", "dense/minilm", "dense/vectors", "tokens"),
    }
    return Encoder(DenseField("dense", function.dim), function, key)


def model_encoder(kind: str, model: str) -> Encoder:
    """The encoder of a system KIND:MODEL."""
    function, folder, modules = _function(kind, model)
    key = {**model_key(folder, *modules), "kind": kind}
    name = field_name(f"{kind}:{model}")
    if kind == "splade" or kind.endswith("-sparse"):
        return Encoder(SparseField(name), function, key)
    # static vectors are not normalised
    return Encoder(DenseField(name, function.dim, "COSINE" if kind == "model2vec" else "IP"), function, key)


def _function(kind: str, model: str) -> tuple[EmbeddingFunction, Path, tuple[str, ...]]:
    """The embedding function of a kind of `MODEL_KINDS`, the model's folder, and the modules that compute it."""
    if kind == "dense":
        from refimpl.dense.sentence_transformer import SentenceTransformerEmbeddingFunction, model_folder

        return SentenceTransformerEmbeddingFunction(model), model_folder(model), ("bert", "dense", "tokens")
    if kind == "model2vec":
        from refimpl.dense.model2vec_embed import Model2VecEmbeddingFunction

        return Model2VecEmbeddingFunction(model), models.path(model), ("dense",)
    if kind == "splade":
        from refimpl.sparse import SpladeEmbeddingFunction

        return SpladeEmbeddingFunction(model), models.path(model), ("bert", "sparse", "tokens")
    if kind == "instructor":
        from refimpl.dense.instructor import InstructorEmbeddingFunction

        return InstructorEmbeddingFunction(model), models.path(model), ("bert", "dense", "tokens")
    if kind == "onnx":
        from refimpl.dense.onnx import OnnxEmbeddingFunction

        return OnnxEmbeddingFunction(model, model), models.path(model), ("bert", "dense", "tokens")
    family, _, output = kind.rpartition("-")
    return _hybrid(family, output, model), models.path(model), ("bert", "hybrid", "tokens")


def _hybrid(family: str, output: str, model: str) -> OneKind:
    """The dense or sparse vectors of a BGE-M3 or mGTE model."""
    from refimpl.hybrid import BGEM3EmbeddingFunction, MGTEEmbeddingFunction

    kind = BGEM3EmbeddingFunction if family == "bge-m3" else MGTEEmbeddingFunction
    return OneKind(kind(model, return_dense=output == "dense", return_sparse=output == "sparse"), output)


def _bm25() -> Encoder:
    return _bm25_encoder("bm25", {"variant": "pymilvus", "k1": 1.5, "b": 0.75})


def _bm25_lucene() -> Encoder:
    return _bm25_encoder("bm25_lucene", {"variant": "lucene", "k1": 0.9, "b": 0.4})


def _bm25_encoder(field: str, settings: Mapping[str, Any]) -> Encoder:
    from refimpl.sparse.bm25 import BM25EmbeddingFunction

    function = BM25EmbeddingFunction(**settings)
    key = {"model": "bm25", **settings, "code": _code("sparse")}
    remedy = "" if settings["variant"] == "lucene" else "use bm25-lucene, whose idf is always positive"
    return Encoder(SparseField(field), function, key, cached=False, fit=function.fit_parts, remedy=remedy)


def _splade() -> Encoder:
    from refimpl.sparse import SpladeEmbeddingFunction

    function = SpladeEmbeddingFunction("splade-tiny")
    key = {"model": _model_key("splade-tiny"), "code": _code("bert", "sparse", "tokens")}
    return Encoder(SparseField("splade"), function, key)


def _milvus_bm25() -> Encoder:
    return Encoder(FullTextField("milvus_bm25"), None, {"model": "Milvus' BM25 function"})


FIXED: dict[str, Callable[[], Encoder]] = {  # by field
    "bm25": _bm25,
    "bm25_lucene": _bm25_lucene,
    "splade": _splade,
    "milvus_bm25": _milvus_bm25,
}


def model_key(folder: Path, *modules: str) -> dict[str, Any]:
    """Hashes of a model's files, and of the modules that compute with it."""
    return {"model": _folder_key(folder), "code": _code(*modules)}


def _folder_key(folder: Path) -> dict[str, str]:
    """Sha256 of the settings and weights in a model's folder, by path."""
    files = sorted(file for file in folder.rglob("*") if file.suffix in (".json", ".safetensors", ".bin", ".pt"))
    return {file.relative_to(folder).as_posix(): sha256(file) for file in files}


def _model_key(name: str) -> dict[str, str]:
    """Sha256 of the published files, which identify the weights wherever they were downloaded from."""
    return dict(models.SOURCES[name].files)
