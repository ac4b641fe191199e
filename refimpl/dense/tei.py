"""Client of the embedding APIs of Hugging Face's text-embeddings-inference (TEI): OpenAI's, and its own."""

from refimpl.dense.remote import RemoteEmbeddingFunction
from refimpl.http import Secret
from refimpl.providers.client import SERVED_MODEL, Connection


class TEIEmbeddingFunction(RemoteEmbeddingFunction):
    """Embeds by a TEI server's `POST /v1/embeddings`, or by its own `/embed` when `api_url` ends with that.

    Parameters
    ----------
    api_url
        The server's address.
    dimensions
        Width of shortened vectors; None for that of the served model, see `dim`.
    api_key
        Sent as Bearer; None sends no key.
    truncate
        Whether the server truncates texts that are too long; None leaves it to the server. `/embed` alone has it.
    normalize
        Whether vectors have unit length; None leaves it to the server. `/embed` alone has it.
    timeout_s
        Bound of a request with its retries, in seconds.
    max_retries
        Number of retries of a request that failed for a reason that may pass, such as a rate limit.
    batch_size
        Texts per request, at most; None is TEI's default client batch, 32. A request has at most 2 MB too.
    allow_http
        Whether to send unencrypted requests to another machine.

    Raises
    ------
    TypeError
        For an argument of another type.
    ValueError
        For an argument out of range, and for `truncate` or `normalize` at another route than `/embed`.

    Notes
    -----
    The protocol is the OpenAPI description of text-embeddings-inference. Responses of `/embed` state no usage.

    Examples
    --------
    With `refimpl serve` at `url`:

    >>> from refimpl import TEIEmbeddingFunction
    >>> embed = TEIEmbeddingFunction(url)
    >>> vectors = embed.encode_documents(["Alan Turing was born in London.", "Mars is red."])
    >>> vectors.shape, vectors.dtype.name
    ((2, 384), 'float32')
    >>> query = embed.encode_queries(["Where was Turing born?"])
    >>> int((query @ vectors.T).argmax())
    0
    """

    def __init__(
        self,
        api_url: str,
        dimensions: int | None = None,
        *,
        api_key: str | Secret | None = None,
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
        super().__init__(
            "tei",
            SERVED_MODEL,
            api_key,
            base_url=api_url,
            dimensions=dimensions,
            options={"truncate": truncate, "normalize": normalize},
            connection=Connection(timeout_s, max_retries, batch_size, allow_http),
        )
