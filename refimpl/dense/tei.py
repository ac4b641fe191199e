"""The embedding protocols of Hugging Face's text-embeddings-inference (TEI): OpenAI's, and its own."""

from typing import Any, ClassVar

from refimpl.dense.answers import listed_vectors
from refimpl.dense.remote import Array, Kind, RemoteEmbeddingFunction, embeddings_address, given
from refimpl.http import ProtocolError
from refimpl.http.answers import message_in


class TEIEmbeddingFunction(RemoteEmbeddingFunction):
    """Embeds by a TEI server's `POST /v1/embeddings`, or by its own `/embed` when `api_url` ends with that.

    `truncate` (cut what is too long; None leaves it to the server) and `normalize` belong to `/embed` alone, which
    states no usage. Requests hold at most `batch_size` texts (TEI's default client batch is 32) and 2 MB less what the
    rest needs. The width of the vectors is the served model's; see `dim`.
    """

    MAX_TEXTS: ClassVar[int] = 32
    MAX_BYTES: ClassVar[int | None] = 1_900_000

    def __init__(
        self,
        api_url: str,
        dimensions: int | None = None,
        *,
        api_key: str | None = None,
        truncate: bool | None = None,
        normalize: bool | None = None,
        timeout_s: float = 60.0,
        max_retries: int = 3,
        batch_size: int | None = None,
        allow_http: bool = False,
    ) -> None:
        own = isinstance(api_url, str) and api_url.rstrip("/").endswith("/embed")
        if not own and (truncate, normalize) != (None, None):
            raise ValueError("truncate and normalize belong to TEI's own route: give its address, ending in /embed")
        self._own = own
        self._options = given(dimensions=dimensions, truncate=truncate, normalize=normalize)
        super().__init__(
            "the served model",
            api_key,
            api_url.rstrip("/") if own else embeddings_address(api_url),
            dimensions=dimensions,
            timeout_s=timeout_s,
            max_retries=max_retries,
            batch_size=batch_size,
            allow_http=allow_http,
        )

    def _body(self, texts: list[str], kind: Kind) -> dict[str, Any]:
        return {"inputs" if self._own else "input": texts, **self._options}

    def _vectors(self, answer: Any, texts: int) -> Array:
        if not self._own:
            return super()._vectors(answer, texts)
        if isinstance(answer, dict) and (said := message_in(answer)):
            raise ProtocolError(f"{self!r} answered 200 with an error: {said}", status=200, server_message=said)
        return listed_vectors(answer, texts, repr(self))
