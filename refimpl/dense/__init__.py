"""Dense embedding functions, one module each, with the names of `pymilvus.model.dense`."""

from typing import TYPE_CHECKING

from refimpl.common.lazy import lazy_exports

if TYPE_CHECKING:
    from refimpl.dense.cohere import CohereEmbeddingFunction as CohereEmbeddingFunction
    from refimpl.dense.gemini import GeminiEmbeddingFunction as GeminiEmbeddingFunction
    from refimpl.dense.instructor import InstructorEmbeddingFunction as InstructorEmbeddingFunction
    from refimpl.dense.jinaai import JinaEmbeddingFunction as JinaEmbeddingFunction
    from refimpl.dense.minilm import DefaultEmbeddingFunction as DefaultEmbeddingFunction
    from refimpl.dense.minilm import MiniLMEmbeddingFunction as MiniLMEmbeddingFunction
    from refimpl.dense.mistralai import MistralAIEmbeddingFunction as MistralAIEmbeddingFunction
    from refimpl.dense.model2vec_embed import Model2VecEmbeddingFunction as Model2VecEmbeddingFunction
    from refimpl.dense.nomic import NomicEmbeddingFunction as NomicEmbeddingFunction
    from refimpl.dense.onnx import OnnxEmbeddingFunction as OnnxEmbeddingFunction
    from refimpl.dense.openai import OpenAIEmbeddingFunction as OpenAIEmbeddingFunction
    from refimpl.dense.sentence_transformer import (
        SentenceTransformerEmbeddingFunction as SentenceTransformerEmbeddingFunction,
    )
    from refimpl.dense.tei import TEIEmbeddingFunction as TEIEmbeddingFunction
    from refimpl.dense.voyageai import VoyageEmbeddingFunction as VoyageEmbeddingFunction
else:
    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "cohere": ("CohereEmbeddingFunction",),
            "jinaai": ("JinaEmbeddingFunction",),
            "minilm": ("DefaultEmbeddingFunction", "MiniLMEmbeddingFunction"),
            "model2vec_embed": ("Model2VecEmbeddingFunction",),
            "onnx": ("OnnxEmbeddingFunction",),
            "openai": ("OpenAIEmbeddingFunction",),
            "sentence_transformer": ("SentenceTransformerEmbeddingFunction",),
            "tei": ("TEIEmbeddingFunction",),
            "voyageai": ("VoyageEmbeddingFunction",),
            "mistralai": ("MistralAIEmbeddingFunction",),
            "nomic": ("NomicEmbeddingFunction",),
            "gemini": ("GeminiEmbeddingFunction",),
            "instructor": ("InstructorEmbeddingFunction",),
        },
    )
