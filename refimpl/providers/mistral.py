"""Mistral AI's API of embeddings: OpenAI's with other names of the width."""

from typing import Any

from refimpl.providers.fields import Field
from refimpl.providers.provider import Provider
from refimpl.providers.services import EmbeddingService
from refimpl.providers.voyage import OUTPUT_DTYPE

METADATA = Field(name="metadata", schema={"type": "object"}, expected="a JSON object")


def flat_error(status: int, message: str) -> dict[str, Any]:
    """Mistral's error object."""
    return {"object": "error", "message": message, "type": "invalid_request_error", "param": None, "code": status}


MISTRAL = Provider(
    name="mistral",
    title="Mistral",
    home="https://api.mistral.ai",
    key_variables=("MISTRAL_API_KEY", "MISTRALAI_API_KEY"),
    error=flat_error,
    unknown_field=(422, "Extra inputs are not permitted: body -> {name}"),
    embeddings=(
        EmbeddingService(
            path="/v1/embeddings",
            extra_paths=("/embeddings",),
            encoding_field="encoding_format",
            width_field="output_dimension",
            fields=(OUTPUT_DTYPE, METADATA),
            max_texts=512,
            max_bytes=16_000,  # keeps the limit of 16,384 tokens
            widths={"mistral-embed": (1024,)},
        ),
    ),
)
