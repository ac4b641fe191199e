"""Cohere's APIs, versions 1 and 2."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from jaxtyping import Float

from refimpl.base import RerankResult
from refimpl.common.types import Array
from refimpl.http import RETRY_STATUSES, ProtocolError
from refimpl.http.responses import refuse_error, shown
from refimpl.providers import reading, writing
from refimpl.providers.fields import NO_CALIBRATION, choice, choices, only, whole
from refimpl.providers.provider import Provider
from refimpl.providers.requests import EmbedRequest, RerankRequest
from refimpl.providers.services import EmbeddingService, RerankService


@dataclass(frozen=True, kw_only=True)
class CohereEmbeddingService(EmbeddingService):
    """Embedding whose vectors have no index; they are keyed by encoding, in version 1 only where that was requested."""

    def read(self, answer: Any, texts: int, server: str) -> Float[Array, "texts dim"]:
        """One row per text."""
        vectors = answer.get("embeddings") if isinstance(answer, dict) else None
        if isinstance(vectors, dict):
            vectors = next((vectors[key] for key in ("float", "base64") if vectors.get(key) is not None), None)
        if vectors is None:
            refuse_error(answer, server)
            raise ProtocolError(f"{server}: expected vectors under 'embeddings', by encoding, got {shown(answer)}")
        return reading.listed_vectors(vectors, texts, server)

    def write(self, request: EmbedRequest, vectors: Array, tokens: int, model: str) -> Any:
        """Cohere's response."""
        by_type = request.by_type or self.version == "v2"
        rows: Any = {
            kind: writing.encoded(vectors, "float", base64=True) if kind == "base64" else writing.encoded(vectors, kind)
            for kind in request.encodings
        }
        return {
            "id": str(uuid4()),
            "texts": request.texts,
            "embeddings": rows if by_type else rows["float"],
            "response_type": "embeddings_by_type" if by_type else "embeddings_floats",
            "meta": {"api_version": {"version": self.path[2]}, "billed_units": {"input_tokens": tokens}},
        }


@dataclass(frozen=True, kw_only=True)
class CohereRerankService(RerankService):
    """Reranking of version 2, whose response has neither model nor usage."""

    def write(self, request: RerankRequest, results: Sequence[RerankResult], tokens: int, model: str) -> Any:
        """Cohere's response."""
        entries = writing.rerank_entries(results, lambda text: {"document": {"text": text}}, echo=request.echo)
        return {"id": str(uuid4()), "results": entries, "meta": {"api_version": {"version": "2"}}}


TYPES = ("float", "base64", "binary", "ubinary")
TEXT_ALONE = "the served model reads texts alone"

EMBED = CohereEmbeddingService(
    path="/v2/embed",
    texts_field="texts",
    kind_field="input_type",
    kinds={"document": "search_document", "query": "search_query"},
    encoding_field="embedding_types",
    token_limit_field="max_tokens",
    fields=(
        choice("input_type", "search_document", "search_query", "classification", "clustering"),
        choice("truncate", "NONE", "START", "END", role="truncate"),
        choices("embedding_types", *TYPES, role="encoding", reason=NO_CALIBRATION),
        whole("priority", least=0, most=999),
        only("images", None, TEXT_ALONE),
        only("inputs", None, TEXT_ALONE),
    ),
    keyed_by_encoding=True,
    width_field="output_dimension",
    truncate_field="truncate",
    no_truncation_value="NONE",
    max_texts=96,
    token_paths=(("meta", "billed_units", "input_tokens"),),
    options={"input_type": "search_document", "embedding_types": ["float"]},
    widths={
        "embed-v4.0": (1536,),
        "embed-english-v3.0": (1024,),
        "embed-english-light-v3.0": (384,),
        "embed-english-v2.0": (4096,),
        "embed-english-light-v2.0": (1024,),
        "embed-multilingual-v3.0": (1024,),
        "embed-multilingual-light-v3.0": (384,),
        "embed-multilingual-v2.0": (768,),
    },
)
RERANK = CohereRerankService(
    path="/v2/rerank",
    other_names=("reranking",),
    token_limit_field="max_tokens_per_doc",
    fields=(whole("priority", least=0, most=999),),
    max_texts=10_000,
)
RERANK_V1 = RerankService(
    path="/v1/rerank",
    other_names=("reranking",),
    echo_field="return_documents",
    fields=(
        only("rank_fields", None, "the text of a document is its `text`"),
        only("max_chunks_per_doc", None, "documents are truncated, and not split into chunks"),
    ),
    echoes_by_default=True,
    max_texts=10_000,
    options={"return_documents": True},
)


def message_alone(status: int, message: str) -> dict[str, Any]:
    """Cohere's error object."""
    return {"message": message}


COHERE = Provider(
    name="cohere",
    title="Cohere",
    home="https://api.cohere.com",
    key_variables=("CO_API_KEY", "COHERE_API_KEY"),
    retry_statuses=RETRY_STATUSES | {409},
    error=message_alone,
    invalid_status=400,
    unknown_field=(422, "unknown field: parameter '{name}' is not a valid field"),
    embeddings=(EMBED, replace(EMBED, path="/v1/embed", width_field=None)),
    rerank=(RERANK, RERANK_V1),
)
