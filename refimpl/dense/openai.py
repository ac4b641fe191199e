"""Client of OpenAI's embedding API, which llama.cpp, vLLM, Ollama, TEI, LM Studio and many others have too."""

from typing import Any, ClassVar, Literal

from refimpl.dense.remote import RemoteEmbeddingFunction
from refimpl.http import Secret
from refimpl.providers.client import TIMEOUT_S, Connection, check_choice
from refimpl.providers.openai import OPENAI

HEADERS_OF = {"organization": "OpenAI-Organization", "project": "OpenAI-Project"}


class OpenAIEmbeddingFunction(RemoteEmbeddingFunction):
    """Embeds by `POST /v1/embeddings` of OpenAI, or of any server with the same API at `base_url`.

    Parameters
    ----------
    model_name
        The model that requests name.
    api_key
        Sent as Bearer; None takes `OPENAI_API_KEY`, which is not sent to a server that the call itself names.
    base_url
        The server's address; None takes `OPENAI_BASE_URL`, and OpenAI's own address without it, as OpenAI's SDK does.
    dimensions
        Width of shortened vectors, which text-embedding-3 supports; None for the model's own.
    encoding_format
        Encoding of vectors in responses: "base64" (a quarter of the bytes, exact) or "float". Either response is read.
    timeout_s
        Bound of a request with its retries, in seconds.
    max_retries
        Number of retries of a request that failed for a reason that may pass, such as a rate limit.
    batch_size
        Texts per request, at most; None is OpenAI's limit, 2,048. A request has at most 300,000 bytes of texts too.
    allow_http
        Whether to send unencrypted requests to another machine.
    **kwargs
        `organization` and `project`, sent as headers; `timeout`, another name of `timeout_s`.

    Raises
    ------
    TypeError
        For an argument of another type, and for any other keyword of OpenAI's client, by name.
    ValueError
        For an argument out of range, and for a missing key at the provider's own address.

    Notes
    -----
    The protocol is "Create embeddings" of OpenAI's API reference. Its limit is 300,000 tokens per request, and no text
    has more tokens than bytes.

    Examples
    --------
    With `refimpl serve` at `url`:

    >>> from refimpl import OpenAIEmbeddingFunction
    >>> embed = OpenAIEmbeddingFunction("all-MiniLM-L6-v2", base_url=url)
    >>> vectors = embed.encode_documents(["Alan Turing was born in London.", "Mars is red."])
    >>> vectors.shape, vectors.dtype.name
    ((2, 384), 'float32')
    >>> query = embed.encode_queries(["Where was Turing born?"])
    >>> int((query @ vectors.T).argmax())
    0
    """

    ATTRIBUTES: ClassVar[tuple[str, ...]] = ("encoding_format",)

    def __init__(
        self,
        model_name: str = "text-embedding-ada-002",
        api_key: str | Secret | None = None,
        base_url: str | None = None,
        dimensions: int | None = None,
        *,
        encoding_format: Literal["float", "base64"] = "base64",
        timeout_s: float = TIMEOUT_S,
        max_retries: int = 3,
        batch_size: int | None = None,
        allow_http: bool = False,
        **kwargs: Any,
    ) -> None:
        timeout_s, headers = self._client_options(kwargs, timeout_s, HEADERS_OF)
        check_choice("encoding_format", encoding_format, ("float", "base64"))
        self.encoding_format = encoding_format
        super().__init__(
            "openai",
            model_name,
            api_key,
            base_url=OPENAI.home if base_url == "" else base_url,
            dimensions=dimensions,
            connection=Connection(timeout_s, max_retries, batch_size, allow_http, headers),
        )
