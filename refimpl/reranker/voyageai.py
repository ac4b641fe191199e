"""Client of Voyage AI's rerank API."""

from typing import ClassVar

from refimpl.http import Secret
from refimpl.providers.client import Connection
from refimpl.reranker.remote import RemoteRerankFunction


class VoyageRerankFunction(RemoteRerankFunction):
    """Reranks by Voyage AI's `POST /v1/rerank`, which has `top_k` for `top_n` and `data` for `results`.

    Parameters
    ----------
    model_name
        The model that requests name.
    api_key
        Sent as Bearer; None takes `VOYAGE_API_KEY`, for Voyage's own address alone.
    base_url
        The server's address.
    timeout_s
        Bound of a call with all its requests and retries, in seconds.
    max_retries
        Number of retries of a request that failed for a reason that may pass, such as a rate limit.
    truncation
        Whether the server truncates texts that are too long, or else refuses them.
    max_documents
        Documents per request, at most; None is Voyage's limit, 1,000. The results of several requests are merged.
    allow_http
        Whether to send unencrypted requests to another machine.

    Raises
    ------
    TypeError
        For an argument of another type.
    ValueError
        For an argument out of range, and for a missing key at the provider's own address.

    Notes
    -----
    The protocol is "Rerankers" of Voyage AI's API reference.

    Examples
    --------
    With `refimpl serve` at `url`:

    >>> from refimpl import VoyageRerankFunction
    >>> rerank = VoyageRerankFunction(base_url=url)
    >>> documents = ["Venus is similar to Earth in size.", "Mars is the Red Planet.", "Jupiter"]
    >>> (best,) = rerank("Which planet is red?", documents, top_k=1)
    >>> best.index, best.text
    (1, 'Mars is the Red Planet.')
    """

    ATTRIBUTES: ClassVar[tuple[str, ...]] = ("truncation",)

    def __init__(
        self,
        model_name: str = "rerank-2",
        api_key: str | Secret | None = None,
        *,
        base_url: str = "https://api.voyageai.com/v1",
        timeout_s: float = 60.0,
        max_retries: int = 3,
        truncation: bool = True,
        max_documents: int | None = None,
        allow_http: bool = False,
    ) -> None:
        self.truncation = truncation
        super().__init__(
            "voyage",
            model_name,
            api_key,
            base_url=base_url,
            connection=Connection(timeout_s, max_retries, max_documents, allow_http),
        )
