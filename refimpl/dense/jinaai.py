"""Client of Jina AI's embedding API."""

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from refimpl.dense.remote import RemoteEmbeddingFunction
from refimpl.http import Secret
from refimpl.providers.client import TIMEOUT_S, Connection, check_choice


class JinaEmbeddingFunction(RemoteEmbeddingFunction):
    """Embeds by `POST /v1/embeddings` of Jina AI, or of a server with the same API at `base_url`.

    Parameters
    ----------
    model_name
        The model that requests name.
    api_key
        Sent as Bearer; None takes `JINAAI_API_KEY`, for Jina's own address alone.
    task
        Task of the texts of a plain call; documents are sent with `retrieval.passage`, queries with `retrieval.query`.
        None never sends a task, for models without tasks such as jina-embeddings-v2.
    dimensions
        Width of shortened vectors; None for the model's own.
    late_chunking
        Whether all texts of a request are chunks of one document; a call may then have no more texts than one request.
    base_url
        The server's address.
    embedding_type
        Encoding of vectors in responses: "float" or "base64" (the same numbers in a quarter of the bytes).
    normalized
        Whether vectors have unit length; None leaves it to the server (jina-embeddings-v3 needs True for unit length).
    truncate
        Whether the server truncates texts that are too long; None leaves it to the server.
    timeout_s
        Bound of a request with its retries, in seconds.
    max_retries
        Number of retries of a request that failed for a reason that may pass, such as a rate limit.
    batch_size
        Texts per request, at most; None is Jina's limit, 512.
    allow_http
        Whether to send unencrypted requests to another machine.
    **kwargs
        `timeout`, another name of `timeout_s`.

    Raises
    ------
    TypeError
        For an argument of another type, and for any other keyword, by name, where pymilvus.model ignores it.
    ValueError
        For an argument out of range, and for a missing key at the provider's own address.

    Notes
    -----
    The protocol is that of Jina AI's Embedding API; late chunking is described by Günther et al. 2024.

    Examples
    --------
    With `refimpl serve` at `url`:

    >>> from refimpl import JinaEmbeddingFunction
    >>> embed = JinaEmbeddingFunction("all-MiniLM-L6-v2", base_url=url)
    >>> vectors = embed.encode_documents(["Alan Turing was born in London.", "Mars is red."])
    >>> vectors.shape, vectors.dtype.name
    ((2, 384), 'float32')
    >>> query = embed.encode_queries(["Where was Turing born?"])
    >>> int((query @ vectors.T).argmax())
    0
    """

    ATTRIBUTES: ClassVar[tuple[str, ...]] = ("task",)

    def __init__(
        self,
        model_name: str = "jina-embeddings-v3",
        api_key: str | Secret | None = None,
        task: str | None = "retrieval.passage",
        dimensions: int | None = None,
        late_chunking: bool | None = False,
        *,
        base_url: str = "https://api.jina.ai/v1",
        embedding_type: Literal["float", "base64"] = "float",
        normalized: bool | None = None,
        truncate: bool | None = None,
        timeout_s: float = TIMEOUT_S,
        max_retries: int = 3,
        batch_size: int | None = None,
        allow_http: bool = False,
        **kwargs: Any,
    ) -> None:
        timeout_s, headers = self._client_options(kwargs, timeout_s)
        check_choice("embedding_type", embedding_type, ("float", "base64"))
        self.task = task
        self.late_chunking = bool(late_chunking)
        super().__init__(
            "jina",
            model_name,
            api_key,
            base_url=base_url,
            dimensions=dimensions,
            options={
                "embedding_type": embedding_type,
                "late_chunking": late_chunking or None,
                "normalized": normalized,
                "truncate": truncate,
            },
            connection=Connection(timeout_s, max_retries, batch_size, allow_http, headers),
        )

    def _batches(self, texts: list[str]) -> Iterator[tuple[int, list[str]]]:
        if self.late_chunking and len(texts) > self._batch:
            raise ValueError(
                f"late_chunking treats the texts of one request as one document, and {len(texts)} texts take more than "
                f"one of {self._batch}: call once for each document"
            )
        return super()._batches(texts)
