"""Client of Voyage AI's embedding API."""

from typing import Any, Literal

from refimpl.dense.remote import RemoteEmbeddingFunction
from refimpl.http import Secret
from refimpl.providers.client import TIMEOUT_S, Connection, check_choice
from refimpl.providers.voyage import VOYAGE


class VoyageEmbeddingFunction(RemoteEmbeddingFunction):
    """Embeds by Voyage AI's `POST /v1/embeddings`: documents and queries with their `input_type`, a plain call without.

    Parameters
    ----------
    model_name
        The model that requests name.
    api_key
        Sent as Bearer; None takes `VOYAGE_API_KEY`, for Voyage's own address alone.
    embedding_type
        Type of the numbers: "float", or None for the server's default, which is the same; vectors are float32.
    truncate
        Whether the server truncates texts that are too long, or else refuses them; None leaves it to the server.
    dimension
        Width of the vectors, one of those that Voyage documents for the model; None for the model's own.
    encoding_format
        "base64" requests the same numbers in a quarter of the bytes; None requests them as JSON numbers.
    base_url
        The server's address.
    timeout_s
        Bound of a request with its retries, in seconds.
    max_retries
        Number of retries of a request that failed for a reason that may pass, such as a rate limit.
    batch_size
        Texts per request, at most; None is Voyage's limit, 1,000. A request has at most 120,000 bytes of texts too.
    allow_http
        Whether to send unencrypted requests to another machine.
    **kwargs
        `timeout`, another name of `timeout_s`.

    Raises
    ------
    TypeError
        For an argument of another type, and for any other keyword, by name.
    ValueError
        For an argument out of range, and for a missing key at the provider's own address.

    Notes
    -----
    The protocol is "Text embedding models" of Voyage AI's API reference. The smallest of its limits is 120,000 tokens
    per request, and no text has more tokens than bytes.

    Examples
    --------
    With `refimpl serve` at `url`:

    >>> from refimpl import VoyageEmbeddingFunction
    >>> embed = VoyageEmbeddingFunction("all-MiniLM-L6-v2", base_url=url)
    >>> vectors = embed.encode_documents(["Alan Turing was born in London.", "Mars is red."])
    >>> vectors.shape, vectors.dtype.name
    ((2, 384), 'float32')
    >>> query = embed.encode_queries(["Where was Turing born?"])
    >>> int((query @ vectors.T).argmax())
    0
    """

    def __init__(
        self,
        model_name: str = "voyage-3-large",
        api_key: str | Secret | None = None,
        embedding_type: str | None = None,
        truncate: bool | None = None,
        dimension: int | None = None,
        *,
        encoding_format: Literal["base64"] | None = None,
        base_url: str = "https://api.voyageai.com/v1",
        timeout_s: float = TIMEOUT_S,
        max_retries: int = 3,
        batch_size: int | None = None,
        allow_http: bool = False,
        **kwargs: Any,
    ) -> None:
        timeout_s, headers = self._client_options(kwargs, timeout_s)
        check_choice("embedding_type", embedding_type or "float", ("float",))
        check_choice("encoding_format", encoding_format or "base64", ("base64",))
        widths = VOYAGE.embedding_service().widths.get(model_name)
        if widths and dimension is not None and dimension not in widths:
            expected = " or ".join(map(str, widths))
            raise ValueError(f"dimension of {model_name} must be {expected}, got {dimension}: choose one of them")
        self.truncate = truncate
        super().__init__(
            "voyage",
            model_name,
            api_key,
            base_url=base_url,
            dimensions=dimension,
            options={"truncation": truncate, "output_dtype": embedding_type, "encoding_format": encoding_format},
            connection=Connection(timeout_s, max_retries, batch_size, allow_http, headers),
        )
