"""Client of TypeSafe's Jev."""

from refimpl.http import Secret
from refimpl.providers.client import TIMEOUT_S, Connection
from refimpl.reranker.remote import RemoteRerankFunction


class JevRerankFunction(RemoteRerankFunction):
    """Reranks by TypeSafe's `POST /v1/systemone`: the probability that each document is evidence for the query.

    Parameters
    ----------
    model_name
        The model that requests name.
    api_key
        Sent as Bearer; None takes `TYPESAFE_API_KEY`, for TypeSafe's own address alone.
    base_url
        The server's address.
    timeout_s
        Bound of a call with all its requests and retries, in seconds.
    max_retries
        Number of retries of a request that failed for a reason that may pass, such as a rate limit.
    max_documents
        Documents per request, at most; None is 1,000. The results of several requests are merged.
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
    The protocol is what pymilvus.model 0.3.4 sends and reads: a question of type "noul" per document, whose wording is
    that of scientific claims. pymilvus.model leaves out a document without an answer; here it is a ProtocolError.

    Examples
    --------
    With `refimpl serve` at `url`:

    >>> from refimpl import JevRerankFunction
    >>> rerank = JevRerankFunction(base_url=url)
    >>> documents = ["Venus is similar to Earth in size.", "Mars is the Red Planet.", "Jupiter"]
    >>> (best,) = rerank("Which planet is red?", documents, top_k=1)
    >>> best.index, best.text
    (1, 'Mars is the Red Planet.')
    """

    def __init__(
        self,
        model_name: str = "jev-latest",
        api_key: str | Secret | None = None,
        *,
        base_url: str = "https://api.typesafe.ai",
        timeout_s: float = TIMEOUT_S,
        max_retries: int = 3,
        max_documents: int | None = None,
        allow_http: bool = False,
    ) -> None:
        super().__init__(
            "jev",
            model_name,
            api_key,
            base_url=base_url,
            connection=Connection(timeout_s, max_retries, max_documents, allow_http),
        )
