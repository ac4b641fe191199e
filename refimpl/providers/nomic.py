"""Nomic's API of text embeddings, in the form of its SDK."""

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float

from refimpl.common.types import Array
from refimpl.http import ProtocolError
from refimpl.http.responses import refuse_error, shown
from refimpl.providers import reading, writing
from refimpl.providers.fields import choice, only
from refimpl.providers.provider import Provider
from refimpl.providers.requests import EmbedRequest
from refimpl.providers.services import EmbeddingService


@dataclass(frozen=True, kw_only=True)
class NomicEmbeddingService(EmbeddingService):
    """Embedding whose vectors are under `embeddings`, without an index."""

    def read(self, answer: Any, texts: int, server: str) -> Float[Array, "texts dim"]:
        """One row per text."""
        vectors = answer.get("embeddings") if isinstance(answer, dict) else None
        if vectors is None:
            refuse_error(answer, server)
            raise ProtocolError(f"{server}: expected vectors under 'embeddings', got {shown(answer)}")
        return reading.listed_vectors(vectors, texts, server)

    def write(self, request: EmbedRequest, vectors: Array, tokens: int, model: str) -> Any:
        """Nomic's response."""
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return {"embeddings": [writing.numbers(row) for row in vectors], "usage": usage, "model": model}


NOMIC = Provider(
    name="nomic",
    title="Nomic",
    home="https://api-atlas.nomic.ai",
    key_variables=("NOMIC_API_KEY",),
    url_variable="ATLAS_API_PATH",
    embeddings=(
        NomicEmbeddingService(
            path="/v1/embedding/text",
            texts_field="texts",
            kind_field="task_type",
            kinds={"document": "search_document", "query": "search_query"},
            width_field="dimensionality",
            token_limit_field="max_tokens_per_text",
            fields=(
                choice("task_type", "search_document", "search_query", "classification", "clustering"),
                only("long_text_mode", "truncate", "a long text is not split into parts of which vectors are averaged"),
            ),
            max_texts=10,  # MAX_TEXT_REQUEST_SIZE of the SDK
            options={"task_type": "search_document"},
            widths={"nomic-embed-text-v1.5": (768,), "nomic-embed-text-v1": (768,)},
        ),
    ),
)
