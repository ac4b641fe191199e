"""Client of Mistral AI's embedding API."""

from collections.abc import Mapping
from typing import Any, Literal

from refimpl.dense.remote import RemoteEmbeddingFunction
from refimpl.http import Secret
from refimpl.providers.client import TIMEOUT_S, Connection, check_choice

UNSUPPORTED = {  # parameters of the SDK's `embeddings.create`, which pymilvus.model passes on
    "http_headers": "requests have the headers of the API alone",
    "inputs": "the texts of a call are sent",
    "model": "model_name is the parameter here",
    "retries": "max_retries is the parameter here",
    "server_url": "base_url is the parameter here",
    "timeout_ms": "timeout_s is the parameter here, in seconds",
}


class MistralAIEmbeddingFunction(RemoteEmbeddingFunction):
    """Embeds by Mistral AI's `POST /v1/embeddings`.

    Parameters
    ----------
    api_key
        Sent as Bearer; None takes `MISTRAL_API_KEY`, as Mistral's SDK, or else `MISTRALAI_API_KEY`, as pymilvus.model,
        for Mistral's own address alone.
    model_name
        The model that requests name.
    output_dimension
        Width of shortened vectors, for a model that has them; None for the model's own.
    output_dtype
        Type of the numbers: "float", or None for the server's default, which is the same; vectors are float32.
    encoding_format
        "base64" requests the same numbers in a quarter of the bytes; None requests them as JSON numbers.
    metadata
        An object that is sent with each request.
    base_url
        The server's address.
    timeout_s
        Bound of a request with its retries, in seconds.
    max_retries
        Number of retries of a request that failed for a reason that may pass, such as a rate limit.
    batch_size
        Texts per request, at most; None is 512. A request has at most 16,000 bytes of texts too.
    allow_http
        Whether to send unencrypted requests to another machine.
    **kwargs
        `timeout`, another name of `timeout_s`; further keywords of Mistral's SDK, accepted where they are None or
        False.

    Raises
    ------
    TypeError
        For an argument of another type, and for any other keyword, by name.
    ValueError
        For an argument out of range, and for a missing key at the provider's own address.

    Notes
    -----
    The protocol is "Embeddings" of Mistral's API reference, in the form of its SDK 3.7. Its limit is 16,384 tokens per
    request, and no text has more tokens than bytes.

    Examples
    --------
    With `refimpl serve` at `url`:

    >>> from refimpl import MistralAIEmbeddingFunction
    >>> embed = MistralAIEmbeddingFunction(None, "all-MiniLM-L6-v2", base_url=url)
    >>> vectors = embed.encode_documents(["Alan Turing was born in London.", "Mars is red."])
    >>> vectors.shape, vectors.dtype.name
    ((2, 384), 'float32')
    >>> query = embed.encode_queries(["Where was Turing born?"])
    >>> int((query @ vectors.T).argmax())
    0
    """

    def __init__(
        self,
        api_key: str | Secret | None,
        model_name: str = "mistral-embed",
        *,
        output_dimension: int | None = None,
        output_dtype: str | None = None,
        encoding_format: Literal["float", "base64"] | None = None,
        metadata: Mapping[str, Any] | None = None,
        base_url: str = "https://api.mistral.ai",
        timeout_s: float = TIMEOUT_S,
        max_retries: int = 3,
        batch_size: int | None = None,
        allow_http: bool = False,
        **kwargs: Any,
    ) -> None:
        timeout_s, headers = self._client_options(kwargs, timeout_s, unsupported=UNSUPPORTED)
        check_choice("output_dtype", output_dtype or "float", ("float",))
        check_choice("encoding_format", encoding_format or "float", ("float", "base64"))
        super().__init__(
            "mistral",
            model_name,
            api_key,
            base_url=base_url,
            dimensions=output_dimension,
            options={"output_dtype": output_dtype, "encoding_format": encoding_format, "metadata": metadata},
            connection=Connection(timeout_s, max_retries, batch_size, allow_http, headers),
        )
