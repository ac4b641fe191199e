"""The public names; each is imported from its room when it is first used, so that `import refimpl` costs nothing."""

from importlib import import_module
from typing import Any

_ROOMS = {
    "BGEM3EmbeddingFunction": "refimpl.hybrid.bge_m3",
    "BM25EmbeddingFunction": "refimpl.sparse.bm25",
    "BM25Index": "refimpl.sparse.maxscore",
    "build_analyzer": "refimpl.sparse.analyzers",
    "build_analyzer_from_yaml": "refimpl.sparse.analyzers",
    "build_default_analyzer": "refimpl.sparse.analyzers",
    "CohereEmbeddingFunction": "refimpl.dense.cohere",
    "CohereRerankFunction": "refimpl.reranker",
    "CrossEncoderRerankFunction": "refimpl.reranker",
    "DefaultEmbeddingFunction": "refimpl.dense.minilm",
    "JinaEmbeddingFunction": "refimpl.dense.jinaai",
    "JinaRerankFunction": "refimpl.reranker",
    "MaxSimRerankFunction": "refimpl.reranker",
    "MiniLMEmbeddingFunction": "refimpl.dense.minilm",
    "Model2VecEmbeddingFunction": "refimpl.dense.model2vec",
    "OpenAIEmbeddingFunction": "refimpl.dense.openai",
    "RerankResult": "refimpl.base",
    "SentenceTransformerEmbeddingFunction": "refimpl.dense.sentence_transformer",
    "SpladeEmbeddingFunction": "refimpl.sparse.splade",
    "TEIEmbeddingFunction": "refimpl.dense.tei",
    "TEIRerankFunction": "refimpl.reranker",
    "VoyageEmbeddingFunction": "refimpl.dense.voyageai",
    "VoyageRerankFunction": "refimpl.reranker",
}

__all__ = sorted(_ROOMS)
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'refimpl' has no attribute {name!r}")
    return getattr(import_module(_ROOMS[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
