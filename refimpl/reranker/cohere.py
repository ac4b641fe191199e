"""Client of Cohere's rerank API, versions 1 and 2."""

from typing import Any, Literal

from refimpl.common.arguments import refuse_keywords
from refimpl.http import Secret
from refimpl.providers.client import Connection
from refimpl.reranker.remote import RemoteRerankFunction

NOT_FIELDS = ("model", "query", "documents", "top_n", "request_options")
"""Parameters of Cohere's client that no further keyword may set: the call sets the first four."""


class CohereRerankFunction(RemoteRerankFunction):
    """Reranks by Cohere's `POST /v2/rerank`, or `/v1/rerank` with `api_version="v1"`.

    Parameters
    ----------
    model_name
        The model that requests name.
    api_key
        Sent as Bearer; None takes `CO_API_KEY` or `COHERE_API_KEY`, for Cohere's own address alone.
    return_documents
        Whether the server returns the texts too; sent in version 1 only, since version 2 has no such field. Results
        have your own texts either way.
    base_url
        The server's address.
    api_version
        "v2" or "v1".
    timeout_s
        Bound of a call with all its requests and retries, in seconds.
    max_retries
        Number of retries of a request that failed for a reason that may pass, such as a rate limit.
    max_documents
        Documents per request, at most; None is 10,000. The results of several requests are merged.
    allow_http
        Whether to send unencrypted requests to another machine.
    **request
        Further fields of requests, sent as they are, such as `max_tokens_per_doc` in version 2 and `max_chunks_per_doc`
        in version 1.

    Raises
    ------
    TypeError
        For an argument of another type, and for a keyword that the call itself sets: `model`, `query`, `documents`,
        `top_n`, `request_options`.
    ValueError
        For an argument out of range, and for a missing key at the provider's own address.

    Notes
    -----
    The protocol is "Rerank" of Cohere's API reference, v1 and v2.

    Examples
    --------
    With `refimpl serve` at `url`:

    >>> from refimpl import CohereRerankFunction
    >>> rerank = CohereRerankFunction(base_url=url)
    >>> documents = ["Venus is similar to Earth in size.", "Mars is the Red Planet.", "Jupiter"]
    >>> (best,) = rerank("Which planet is red?", documents, top_k=1)
    >>> best.index, best.text
    (1, 'Mars is the Red Planet.')
    """

    def __init__(
        self,
        model_name: str = "rerank-english-v3.0",
        api_key: str | Secret | None = None,
        return_documents: bool = True,
        *,
        base_url: str = "https://api.cohere.com",
        api_version: Literal["v1", "v2"] = "v2",
        timeout_s: float = 60.0,
        max_retries: int = 3,
        max_documents: int | None = None,
        allow_http: bool = False,
        **request: Any,
    ) -> None:
        refuse_keywords(self, {key: value for key, value in request.items() if key in NOT_FIELDS})
        if api_version not in ("v1", "v2"):
            raise ValueError(f"api_version must be 'v1' or 'v2', got {api_version!r}")
        super().__init__(
            "cohere",
            model_name,
            api_key,
            base_url=base_url,
            version=api_version,
            options=request | ({"return_documents": return_documents} if api_version == "v1" else {}),
            connection=Connection(timeout_s, max_retries, max_documents, allow_http),
        )
