"""From names to objects: `dense,bm25,hybrid-rrf` to encoders that fill Milvus' fields and systems that search them.

The one place that knows embedding functions, rerankers and search alike.
"""

import hashlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from refimpl import __version__, models
from refimpl.base import EmbeddingFunction, RerankFunction
from refimpl.datasets import Dataset
from refimpl.dense.minilm import MiniLMEmbeddingFunction
from refimpl.fetching import sha256
from refimpl.search import index, pipeline
from refimpl.search.milvus import connection
from refimpl.search.plan import Encoder, System
from refimpl.search.records import Field, Ranker
from refimpl.services import GRAMMAR, Service
from refimpl.tokens import TruncationWarning

DEFAULT = ("dense", "bm25", "hybrid-rrf", "hybrid-weighted", "milvus-bm25")
WEIGHTS = (0.5, 0.5)  # of dense and sparse in hybrid-weighted
ABOUT = {
    "dense": "all-MiniLM-L6-v2, texts cut at 256 tokens (or `max_length`), inner product of unit vectors",
    "bm25": "BM25 with pymilvus.model's formula and settings (k1 1.5, b 0.75), sparse inner product",
    "bm25-lucene": "BM25 with Lucene's idf, k1 0.9, b 0.4 (Anserini's settings), sparse inner product",
    "splade": "SPLADE, rasyosef/splade-tiny, sparse inner product",
    "milvus-bm25": "Milvus' own BM25 function over the text, its standard analyzer",
    "hybrid-rrf": "dense and bm25, fused by Milvus with reciprocal ranks (k 60)",
    "hybrid-weighted": "dense and bm25, fused by Milvus with weights 0.5 and 0.5 of normalised scores",
    "hybrid-splade": "dense and splade, fused by Milvus with reciprocal ranks (k 60)",
}
OF_ANY_MODEL = {  # as KIND:NAME, a folder or a hub repository
    "dense": "a sentence-transformers model, texts cut where it says, inner product of unit vectors",
    "model2vec": "a Model2Vec table of static vectors, cosine",
    "splade": "a SPLADE model, texts cut at its positions, sparse inner product",
    "bge-m3-dense": "BGE-M3's first state, inner product of unit vectors",
    "bge-m3-sparse": "BGE-M3's lexical weights, sparse inner product",
}
FUSED = {
    "hybrid-rrf": (("dense", "bm25"), Ranker("rrf")),
    "hybrid-weighted": (("dense", "bm25"), Ranker("weighted", weights=WEIGHTS)),
    "hybrid-splade": (("dense", "splade"), Ranker("rrf")),
}


@dataclass(frozen=True)
class Settings:
    """What a run may be told: hits kept a query, a second-stage reranker, the dense encoder's window in tokens.

    `rerank` is "maxsim" (MiniLM's own token vectors) or a cross-encoder's folder or hub name.
    """

    depth: int = 100
    rerank: str | None = None
    max_length: int = 256


def run(
    dataset: Dataset,
    names: Sequence[str],
    out: Path,
    settings: Settings,
    *,
    uri: str | None = None,
    token: str | None = None,
    show_progress: bool = False,
) -> dict[str, Any]:
    """Run the named systems over a data set, and leave results, TREC runs and a searchable index in `out`.

    Milvus is `uri`, else MILVUS_URI, else a Milvus Lite file in `out`. Raises what `build` and `pipeline.run` raise.
    """
    encoders, systems = build(names, settings)
    where, secret = connection(uri, token, out / index.LITE)
    said = {"systems": list(names), **asdict(settings)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TruncationWarning)  # the systems' descriptions say where texts are cut
        results = pipeline.run(
            dataset,
            encoders,
            systems,
            out,
            uri=where,
            token=secret,
            depth=settings.depth,
            show_progress=show_progress,
            settings=said,
        )
    index.save(out, results["store"]["collection"], encoders, names, asdict(settings), where)
    return results


def answer(
    questions: Sequence[str],
    out: Path,
    name: str | None = None,
    *,
    k: int = 5,
    filter: str = "",
    rerank: str | None = None,
    uri: str | None = None,
    token: str | None = None,
) -> list[list[index.Answer]]:
    """The k best documents for each question, from what `run` left in `out`, by one of its systems (the last hybrid).

    Raises IndexMissingError where nothing was built, ValueError for a system that was not.
    """
    built = index.Index.open(out)
    hybrids = [system for system in built.systems if system.startswith("hybrid")]
    name = name or (hybrids or built.systems)[-1]
    if name not in built.systems:
        raise ValueError(f"{out} was built for {', '.join(built.systems)}, not for {name!r}")
    encoders, systems = build([name], replace(Settings(**built.settings), rerank=rerank))
    for encoder in encoders:
        index.restore(out, encoder)
    where, secret = connection(uri or built.uri or None, token, out / index.LITE)
    return built.search(questions, encoders, systems[-1], uri=where, token=secret, k=k, filter=filter)


def build(names: Sequence[str], settings: Settings) -> tuple[list[Encoder], list[System]]:
    """Encoders and systems for these names; with a reranker each system a second time, its best 50 reranked.

    Raises ValueError for an unknown or doubled name and for none at all.
    """
    wanted = [name.strip() for name in names if name.strip()]
    services = {service.field: service for name in wanted if (service := Service.parse(name))}
    unknown = [name for name in wanted if not (name in ABOUT or _any_model(name) or Service.parse(name))]
    if unknown or not wanted or len(set(wanted)) < len(wanted):
        wrong = f"unknown {', '.join(unknown)}" if unknown else "none, or one twice"
        any_model = ", ".join(f"{kind}:NAME" for kind in OF_ANY_MODEL)
        raise ValueError(f"systems must be some of {', '.join(ABOUT)}, {any_model}, {GRAMMAR}; got {wrong}")
    systems = [_system(name) for name in wanted]
    if len({system.name for system in systems}) < len(systems):
        raise ValueError(f"two of the systems are called the same: {', '.join(system.name for system in systems)}")
    makers = {"dense": lambda: _dense(settings.max_length), **MAKERS}
    makers |= {_field_name(name): partial(_of_any_model, name) for name in wanted if _any_model(name)}
    makers |= {field: service.encoder for field, service in services.items()}
    encoders = [makers[field]() for field in dict.fromkeys(field for system in systems for field in system.fields)]
    if settings.rerank is not None:
        function = _reranker(settings.rerank)
        systems += [_reranked(system, function, settings.rerank) for system in systems]
    return encoders, systems


def _any_model(name: str) -> tuple[str, str] | None:
    """The kind and the model of a system called KIND:NAME; None for any other name."""
    kind, colon, model = name.partition(":")
    return (kind, model) if kind in OF_ANY_MODEL and colon and model else None


def _system(name: str) -> System:
    if service := Service.parse(name):
        return System(service.name, (service.field,), service.about)
    if any_model := _any_model(name):
        kind, model = any_model
        called = Path(model).name  # the system's name becomes a file's
        return System(f"{kind}:{called}", (_field_name(name),), f"{called}: {OF_ANY_MODEL[kind]}")
    fields, ranker = FUSED.get(name, ((name,), None))
    return System(name, tuple(_field_name(field) for field in fields), ABOUT[name], ranker)


def _field_name(name: str) -> str:
    if any_model := _any_model(name):
        name = f"{any_model[0]}_{hashlib.sha256(any_model[1].encode()).hexdigest()[:8]}"
    return name.replace("-", "_")  # Milvus allows letters, digits and underscores


def _reranked(system: System, function: RerankFunction, name: str) -> System:
    about = f"{system.about}; the best 50 reranked by {Path(name).name}"
    return replace(system, name=f"{system.name}+rerank", about=about, rerank=function)


def _dense(max_length: int) -> Encoder:
    function = MiniLMEmbeddingFunction(max_length=max_length)
    settings = {"dtype": "float32", "max_length": max_length, "normalize": True}
    key = {
        "model": _model_key("all-MiniLM-L6-v2"),
        **settings,
        "code": _code("bert", "dense/minilm", "dense/vectors", "tokens"),
    }
    return Encoder(Field("dense", "dense", "IP", function.dim), function, key)


def _of_any_model(name: str) -> Encoder:
    """The encoder of a system called KIND:NAME; its key holds the hashes of the model's files and of our code."""
    kind, _, model = name.partition(":")
    function, folder, rooms = _function(kind, model)
    key = {"model": _folder_key(folder), "kind": kind, "code": _code(*rooms)}
    if kind in ("splade", "bge-m3-sparse"):
        return Encoder(Field(_field_name(name), "sparse"), function, key)
    if kind == "model2vec":  # of any length
        return Encoder(Field(_field_name(name), "dense", "COSINE", function.dim), function, key)
    return Encoder(Field(_field_name(name), "dense", "IP", function.dim), function, key)


def _function(kind: str, model: str) -> tuple[EmbeddingFunction, Path, tuple[str, ...]]:
    """The embedding function of a kind in OF_ANY_MODEL, the model's folder, and the rooms of its code."""
    if kind == "dense":
        from refimpl.dense.sentence_transformer import SentenceTransformerEmbeddingFunction, model_folder

        return SentenceTransformerEmbeddingFunction(model), model_folder(model), ("bert", "dense", "tokens")
    if kind == "model2vec":
        from refimpl.dense.model2vec import Model2VecEmbeddingFunction

        return Model2VecEmbeddingFunction(model), models.path(model), ("dense",)
    if kind == "splade":
        from refimpl.sparse import SpladeEmbeddingFunction

        return SpladeEmbeddingFunction(model), models.path(model), ("bert", "sparse", "tokens")
    from refimpl.hybrid.bge_m3 import BGEM3EmbeddingFunction, BGEM3Kind

    one = kind.rpartition("-")[2]
    whole = BGEM3EmbeddingFunction(model, return_dense=one == "dense", return_sparse=one == "sparse")
    return BGEM3Kind(whole, one), models.path(model), ("bert", "hybrid", "tokens")


def _folder_key(folder: Path) -> dict[str, str]:
    """The hashes of the settings and weights in a model's folder."""
    files = sorted(file for file in folder.rglob("*") if file.suffix in (".json", ".safetensors", ".bin", ".pt"))
    return {file.relative_to(folder).as_posix(): sha256(file) for file in files}


def _bm25() -> Encoder:
    return _bm25_encoder("bm25", {"variant": "pymilvus", "k1": 1.5, "b": 0.75})


def _bm25_lucene() -> Encoder:
    return _bm25_encoder("bm25_lucene", {"variant": "lucene", "k1": 0.9, "b": 0.4})


def _bm25_encoder(field: str, settings: Mapping[str, Any]) -> Encoder:
    from refimpl.sparse.bm25 import BM25EmbeddingFunction

    function = BM25EmbeddingFunction(**settings)
    key = {"model": "bm25", **settings, "code": _code("sparse")}
    return Encoder(Field(field, "sparse"), function, key, cached=False, fit=function.fit)


def _splade() -> Encoder:
    from refimpl.sparse import SpladeEmbeddingFunction

    function = SpladeEmbeddingFunction("splade-tiny")
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
