"""Client of the rerank API of Hugging Face's text-embeddings-inference (TEI), which llama.cpp has too."""

from typing import ClassVar

from refimpl.http import Secret
from refimpl.providers.client import SERVED_MODEL, Connection
from refimpl.reranker.remote import RemoteRerankFunction


class TEIRerankFunction(RemoteRerankFunction):
    """Reranks by a TEI server's `POST /rerank`.

    Parameters
    ----------
    api_url
        The server's address.
    api_key
        Sent as Bearer; None sends no key.
    timeout_s
        Bound of a call with all its requests and retries, in seconds.
    max_retries
        Number of retries of a request that failed for a reason that may pass, such as a rate limit.
    raw_scores
        Whether to request logits in place of their sigmoids (llama.cpp always sends logits).
    truncate
        Whether the server truncates texts that are too long, or else refuses them.
    max_documents
        Documents per request, at most; None is TEI's default client batch, 32. A request has at most 2 MB too. The
        results of several requests are merged.
    allow_http
        Whether to send unencrypted requests to another machine.

    Raises
    ------
    TypeError
        For an argument of another type.
    ValueError
        For an argument out of range.

    Notes
    -----
    The protocol is the OpenAPI description of text-embeddings-inference. It has no `top_n`: the server returns all
    scores, and `top_k` is applied here.

    Examples
    --------
    With `refimpl serve` at `url`:

    >>> from refimpl import TEIRerankFunction
    >>> rerank = TEIRerankFunction(url)
    >>> documents = ["Venus is similar to Earth in size.", "Mars is the Red Planet.", "Jupiter"]
    >>> (best,) = rerank("Which planet is red?", documents, top_k=1)
    >>> best.index, best.text
    (1, 'Mars is the Red Planet.')
    """

    ATTRIBUTES: ClassVar[tuple[str, ...]] = ("raw_scores", "truncate")

    def __init__(
        self,
        api_url: str,
        *,
        api_key: str | Secret | None = None,
        timeout_s: float = 60.0,
        max_retries: int = 3,
        raw_scores: bool = False,
        truncate: bool = True,
        max_documents: int | None = None,
        allow_http: bool = False,
    ) -> None:
        self.raw_scores = raw_scores
        self.truncate = truncate
        super().__init__(
            "tei",
            SERVED_MODEL,
            api_key,
            base_url=api_url,
            connection=Connection(timeout_s, max_retries, max_documents, allow_http),
        )
