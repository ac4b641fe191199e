"""OpenAI's embedding protocol, which llama.cpp, vLLM, Ollama, TEI, LM Studio and many others speak too."""

import os
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from refimpl.dense.remote import Kind, RemoteEmbeddingFunction, check_choice, embeddings_address, given


class OpenAIEmbeddingFunction(RemoteEmbeddingFunction):
    """Embeds by `POST /v1/embeddings` of OpenAI, or of any server that speaks its protocol at `base_url`.

    As with OpenAI's SDK, `base_url` defaults to `OPENAI_BASE_URL` and then to OpenAI itself, and the key to
    `OPENAI_API_KEY`, which goes to a server that the call itself names only when you pass it. `dimensions` asks for
    shortened vectors (text-embedding-3 can). `encoding_format` is "base64" (a quarter of the bytes, and every bit) or
    "float"; either answer is read. Requests hold at most `batch_size` texts (OpenAI's limit is 2,048) and 300,000
    bytes, so that they keep its limit of 300,000 tokens.
    """

    HOME: ClassVar[str | None] = "https://api.openai.com/v1"
    KEY_VARIABLES: ClassVar[tuple[str, ...]] = ("OPENAI_API_KEY",)
    MAX_TEXTS: ClassVar[int] = 2048
    MAX_BYTES: ClassVar[int | None] = 300_000
    DIMS: ClassVar[Mapping[str, int]] = {
        "text-embedding-3-small": 1536,
        "text-embedding-3-large": 3072,
        "text-embedding-ada-002": 1536,
    }

    def __init__(
        self,
        model_name: str = "text-embedding-ada-002",
        api_key: str | None = None,
        base_url: str | None = None,
        dimensions: int | None = None,
        *,
        encoding_format: Literal["float", "base64"] = "base64",
        timeout_s: float = 60.0,
        max_retries: int = 3,
        batch_size: int | None = None,
        allow_http: bool = False,
    ) -> None:
        check_choice("encoding_format", encoding_format, ("float", "base64"))
        self.encoding_format = encoding_format
        if base_url is None and (base_url := os.environ.get("OPENAI_BASE_URL")):
            api_key = api_key if api_key is not None else os.environ.get("OPENAI_API_KEY") or None
        super().__init__(
            model_name,
            api_key,
            embeddings_address(base_url or "https://api.openai.com/v1"),
            dimensions=dimensions,
            timeout_s=timeout_s,
            max_retries=max_retries,
            batch_size=batch_size,
            allow_http=allow_http,
        )

    def _body(self, texts: list[str], kind: Kind) -> dict[str, Any]:
        return {
            "model": self.model_name,
            "input": texts,
            "encoding_format": self.encoding_format,
            **given(dimensions=self.dimensions),
        }
