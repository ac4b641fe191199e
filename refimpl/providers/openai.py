"""OpenAI's API of embeddings, which llama.cpp, vLLM, Ollama, TEI, LM Studio and many others have too."""

from typing import Any

from refimpl.providers.fields import text
from refimpl.providers.provider import Provider
from refimpl.providers.services import EmbeddingService


def error_with_code(status: int, message: str) -> dict[str, Any]:
    """OpenAI's error object as llama.cpp and others have it, with the HTTP status as its code."""
    return {"error": {"message": message, "type": error_type(status), "code": status}}


def error_type(status: int) -> str:
    """The error type of an HTTP status, in TEI's terms."""
    return "Backend" if status >= 500 or status == 424 else "Overloaded" if status == 429 else "Validation"


def openai_error(status: int, message: str) -> dict[str, Any]:
    """OpenAI's error object, with the types and codes of its own API."""
    kind = {401: "authentication_error", 429: "requests"}.get(status, "invalid_request_error")
    code = {401: "invalid_api_key", 429: "rate_limit_exceeded"}.get(status)
    return {
        "error": {"message": message, "type": kind if status < 500 else "server_error", "param": None, "code": code}
    }


OPENAI = Provider(
    name="openai",
    title="OpenAI",
    home="https://api.openai.com/v1",
    key_variables=("OPENAI_API_KEY",),
    url_variable="OPENAI_BASE_URL",
    error=openai_error,
    invalid_status=400,
    unknown_field=(400, "Unrecognized request argument supplied: {name}"),
    embeddings=(
        EmbeddingService(
            path="/v1/embeddings",
            extra_paths=("/embeddings",),
            version_only_without_path=True,
            encoding_field="encoding_format",
            takes_ids=True,
            fields=(text("user"),),
            max_texts=2048,
            max_bytes=300_000,  # keeps the limit of 300,000 tokens
            options={"encoding_format": "base64"},
            check_options={"encoding_format": "float"},
            widths={
                "text-embedding-3-small": (1536,),
                "text-embedding-3-large": (3072,),
                "text-embedding-ada-002": (1536,),
            },
        ),
    ),
)
