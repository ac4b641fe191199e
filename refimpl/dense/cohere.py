"""Client of Cohere's embedding API, versions 1 and 2."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from refimpl.dense.remote import RemoteEmbeddingFunction
from refimpl.http import Secret
from refimpl.providers.client import TIMEOUT_S, Connection, check_choice

HEADERS_OF = {"client_name": "X-Client-Name"}


class CohereEmbeddingFunction(RemoteEmbeddingFunction):
    """Embeds by Cohere's `POST /v2/embed`, or `/v1/embed` with `api_version="v1"`.

    Parameters
    ----------
    model_name
        The model that requests name.
    api_key
        Sent as Bearer; None takes `CO_API_KEY` or `COHERE_API_KEY`, for Cohere's own address alone.
    input_type
        Type of the texts of a plain call; documents are sent as `search_document`, queries as `search_query`.
    embedding_types
        A list of one encoding of vectors: "float" or "base64" (the same numbers in a quarter of the bytes). None is
        "float".
    truncate
        End at which the server truncates texts that are too long: "START", "END", "NONE" (it refuses them), or None for
        its own default.
    output_dimension
        Width of the vectors, in version 2 with embed-v4; None for the model's own.
    base_url
        The server's address.
    api_version
        "v2" or "v1".
    timeout_s
        Bound of a request with its retries, in seconds.
    max_retries
        Number of retries of a request that failed for a reason that may pass, such as a rate limit.
    batch_size
        Texts per request, at most; None is Cohere's limit, 96.
    allow_http
        Whether to send unencrypted requests to another machine.
    **kwargs
        `client_name`, sent as a header; `timeout`, another name of `timeout_s`.

    Raises
    ------
    TypeError
        For an argument of another type, and for any other keyword of Cohere's client, by name.
    ValueError
        For an argument out of range, and for a missing key at the provider's own address.

    Notes
    -----
    The protocol is "Embed" of Cohere's API reference, v1 and v2. Responses have no index: the n-th vector belongs to
    the n-th text.

    Examples
    --------
    With `refimpl serve` at `url`:

    >>> from refimpl import CohereEmbeddingFunction
    >>> embed = CohereEmbeddingFunction("all-MiniLM-L6-v2", base_url=url)
    >>> vectors = embed.encode_documents(["Alan Turing was born in London.", "Mars is red."])
    >>> vectors.shape, vectors.dtype.name
    ((2, 384), 'float32')
    >>> query = embed.encode_queries(["Where was Turing born?"])
    >>> int((query @ vectors.T).argmax())
    0
    """

    ATTRIBUTES: ClassVar[tuple[str, ...]] = ("input_type",)

    def __init__(
        self,
        model_name: str = "embed-english-light-v3.0",
        api_key: str | Secret | None = None,
        input_type: str = "search_document",
        embedding_types: Sequence[str] | None = None,
        truncate: str | None = None,
        *,
        output_dimension: int | None = None,
        base_url: str = "https://api.cohere.com",
        api_version: Literal["v1", "v2"] = "v2",
        timeout_s: float = TIMEOUT_S,
        max_retries: int = 3,
        batch_size: int | None = None,
        allow_http: bool = False,
        **kwargs: Any,
    ) -> None:
        timeout_s, headers = self._client_options(kwargs, timeout_s, HEADERS_OF)
        check_choice("api_version", api_version, ("v1", "v2"))
        encodings = ["float"] if embedding_types is None else list(embedding_types)
        if len(encodings) != 1:
            raise ValueError(f"embedding_types must name one type, got {encodings}: make one function for each")
        check_choice("embedding_types", encodings[0], ("float", "base64"))
        if api_version == "v1" and output_dimension is not None:
            raise ValueError("output_dimension belongs to version 2 of Cohere's API: leave api_version at 'v2'")
        self.input_type = input_type
        super().__init__(
            "cohere",
            model_name,
            api_key,
            base_url=base_url,
            version=api_version,
            dimensions=output_dimension,
            options={"embedding_types": encodings, "truncate": truncate},
            connection=Connection(timeout_s, max_retries, batch_size, allow_http, headers),
        )
