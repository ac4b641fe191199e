"""Client of Jina AI's rerank API, which vLLM, Infinity, Xinference, LocalAI and llama.cpp have too."""

from typing import ClassVar

from refimpl.http import Secret
from refimpl.providers.client import Connection
from refimpl.reranker.remote import RemoteRerankFunction


class JinaRerankFunction(RemoteRerankFunction):
    """Reranks by `POST /v1/rerank` of Jina AI, or of any server with the same API at `base_url`.

    Parameters
    ----------
    model_name
        The model that requests name.
    api_key
        Sent as Bearer; None takes `JINAAI_API_KEY`, for Jina's own address alone.
    base_url
        The server's address.
    timeout_s
        Bound of a call with all its requests and retries, in seconds.
    max_retries
        Number of retries of a request that failed for a reason that may pass, such as a rate limit.
    return_documents
        Whether the server returns the texts too. Results have your own texts either way.
    max_documents
        Documents per request, at most; None is Jina's limit, 1,024. The results of several requests are merged.
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
    The protocol is that of Jina AI's Reranker API.

    Examples
    --------
    With `refimpl serve` at `url`:

    >>> from refimpl import JinaRerankFunction
    >>> rerank = JinaRerankFunction(base_url=url)
    >>> documents = ["Venus is similar to Earth in size.", "Mars is the Red Planet.", "Jupiter"]
    >>> (best,) = rerank("Which planet is red?", documents, top_k=1)
    >>> best.index, best.text
    (1, 'Mars is the Red Planet.')
    """

    ATTRIBUTES: ClassVar[tuple[str, ...]] = ("return_documents",)

    def __init__(
        self,
        model_name: str = "jina-reranker-v2-base-multilingual",
        api_key: str | Secret | None = None,
        *,
        base_url: str = "https://api.jina.ai/v1",
        timeout_s: float = 60.0,
        max_retries: int = 3,
        return_documents: bool = False,
        max_documents: int | None = None,
        allow_http: bool = False,
    ) -> None:
        self.return_documents = return_documents
        super().__init__(
            "jina",
            model_name,
            api_key,
            base_url=base_url,
            connection=Connection(timeout_s, max_retries, max_documents, allow_http),
        )
