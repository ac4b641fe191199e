"""Public names of refimpl, among them those of `pymilvus.model`; each is imported on first use."""

from typing import TYPE_CHECKING

from refimpl.common.lazy import lazy_exports

__version__ = "0.1.0"

if TYPE_CHECKING:
    from refimpl import base as base
    from refimpl import dense as dense
    from refimpl import hybrid as hybrid
    from refimpl import models as models
    from refimpl import reranker as reranker
    from refimpl import sparse as sparse
    from refimpl.base import BaseEmbeddingFunction as BaseEmbeddingFunction
    from refimpl.base import BaseRerankFunction as BaseRerankFunction
    from refimpl.base import RerankResult as RerankResult
    from refimpl.dense import CohereEmbeddingFunction as CohereEmbeddingFunction
    from refimpl.dense import DefaultEmbeddingFunction as DefaultEmbeddingFunction
    from refimpl.dense import GeminiEmbeddingFunction as GeminiEmbeddingFunction
    from refimpl.dense import InstructorEmbeddingFunction as InstructorEmbeddingFunction
    from refimpl.dense import JinaEmbeddingFunction as JinaEmbeddingFunction
    from refimpl.dense import MiniLMEmbeddingFunction as MiniLMEmbeddingFunction
    from refimpl.dense import MistralAIEmbeddingFunction as MistralAIEmbeddingFunction
    from refimpl.dense import Model2VecEmbeddingFunction as Model2VecEmbeddingFunction
    from refimpl.dense import NomicEmbeddingFunction as NomicEmbeddingFunction
    from refimpl.dense import OnnxEmbeddingFunction as OnnxEmbeddingFunction
    from refimpl.dense import OpenAIEmbeddingFunction as OpenAIEmbeddingFunction
    from refimpl.dense import SentenceTransformerEmbeddingFunction as SentenceTransformerEmbeddingFunction
    from refimpl.dense import TEIEmbeddingFunction as TEIEmbeddingFunction
    from refimpl.dense import VoyageEmbeddingFunction as VoyageEmbeddingFunction
    from refimpl.hybrid import BGEM3EmbeddingFunction as BGEM3EmbeddingFunction
    from refimpl.hybrid import MGTEEmbeddingFunction as MGTEEmbeddingFunction
    from refimpl.reranker import BGERerankFunction as BGERerankFunction
    from refimpl.reranker import CohereRerankFunction as CohereRerankFunction
    from refimpl.reranker import CrossEncoderRerankFunction as CrossEncoderRerankFunction
    from refimpl.reranker import JevRerankFunction as JevRerankFunction
    from refimpl.reranker import JinaRerankFunction as JinaRerankFunction
    from refimpl.reranker import MaxSimRerankFunction as MaxSimRerankFunction
    from refimpl.reranker import Qwen3RerankFunction as Qwen3RerankFunction
    from refimpl.reranker import TEIRerankFunction as TEIRerankFunction
    from refimpl.reranker import VoyageRerankFunction as VoyageRerankFunction
    from refimpl.sparse import BM25EmbeddingFunction as BM25EmbeddingFunction
    from refimpl.sparse import BM25Index as BM25Index
    from refimpl.sparse import SpladeEmbeddingFunction as SpladeEmbeddingFunction
    from refimpl.sparse import build_analyzer as build_analyzer
    from refimpl.sparse import build_analyzer_from_yaml as build_analyzer_from_yaml
    from refimpl.sparse import build_default_analyzer as build_default_analyzer
else:
    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "base": ("BaseEmbeddingFunction", "BaseRerankFunction", "RerankResult"),
            "dense": (
                "CohereEmbeddingFunction",
                "DefaultEmbeddingFunction",
                "JinaEmbeddingFunction",
                "MiniLMEmbeddingFunction",
                "Model2VecEmbeddingFunction",
                "MistralAIEmbeddingFunction",
                "NomicEmbeddingFunction",
                "GeminiEmbeddingFunction",
                "InstructorEmbeddingFunction",
                "OnnxEmbeddingFunction",
                "OpenAIEmbeddingFunction",
                "SentenceTransformerEmbeddingFunction",
                "TEIEmbeddingFunction",
                "VoyageEmbeddingFunction",
            ),
            "hybrid": ("BGEM3EmbeddingFunction", "MGTEEmbeddingFunction"),
            "models": (),
            "reranker": (
                "BGERerankFunction",
                "CohereRerankFunction",
                "CrossEncoderRerankFunction",
                "JevRerankFunction",
                "JinaRerankFunction",
                "MaxSimRerankFunction",
                "Qwen3RerankFunction",
                "TEIRerankFunction",
                "VoyageRerankFunction",
            ),
            "sparse": (
                "BM25EmbeddingFunction",
                "BM25Index",
                "SpladeEmbeddingFunction",
                "build_analyzer",
                "build_analyzer_from_yaml",
                "build_default_analyzer",
            ),
        },
        {"utils": "pymilvus.model.utils installs packages with pip at run time, and refimpl never does"},
    )
    __all__ += ["dense", "hybrid", "reranker", "sparse"]  # as pymilvus.model has them
