"""Client of Nomic's embedding API."""

from typing import Any, ClassVar, Literal

from refimpl.dense.remote import RemoteEmbeddingFunction
from refimpl.http import Secret
from refimpl.providers.client import TIMEOUT_S, Connection, check_choice

TASKS = ("search_document", "search_query", "classification", "clustering")
UNSUPPORTED = {  # parameters of the SDK's `embed.text`, which pymilvus.model passes on
    "device": "the server computes",
    "texts": "the texts of a call are sent",
}


class NomicEmbeddingFunction(RemoteEmbeddingFunction):
    """Embeds by Nomic's `POST /v1/embedding/text`: documents and queries with their task.

    Parameters
    ----------
    model_name
        The model that requests name.
    task_type
        Task of the texts of a plain call: "search_document", "search_query", "classification" or "clustering".
        Documents are sent with `search_document`, queries with `search_query`.
    dimensions
        Width of the vectors; None for the model's own.
    api_key
        Sent as Bearer; None takes `NOMIC_API_KEY`, for Nomic's own address alone. What `nomic login` stored is not
        read.
    long_text_mode
        What the server does with a text that is too long: "truncate", or "mean" of its parts; None leaves it to the
        server.
    base_url
        The server's address; None takes `ATLAS_API_PATH`, and Nomic's own address without it, as Nomic's SDK does.
    timeout_s
        Bound of a request with its retries, in seconds.
    max_retries
        Number of retries of a request that failed for a reason that may pass, such as a rate limit.
    batch_size
        Texts per request, at most; None is 10, as in Nomic's SDK.
    allow_http
        Whether to send unencrypted requests to another machine.
    **kwargs
        `dimensionality`, another name of `dimensions`, which it replaces; `inference_mode="remote"`; `timeout`, another
        name of `timeout_s`.

    Raises
    ------
    TypeError
        For an argument of another type, and for any other keyword, by name.
    ValueError
        For an argument out of range, and for a missing key at the provider's own address.

    Notes
    -----
    The protocol is "Generate text embeddings" of Nomic's API reference, in the form of its SDK 3.9. pymilvus.model
    0.3.4 sends `task_type` of the constructor with queries, too, and ignores the task of its methods.

    Examples
    --------
    With `refimpl serve` at `url`:

    >>> from refimpl import NomicEmbeddingFunction
    >>> embed = NomicEmbeddingFunction("all-MiniLM-L6-v2", dimensions=384, base_url=url)
    >>> vectors = embed.encode_documents(["Alan Turing was born in London.", "Mars is red."])
    >>> vectors.shape, vectors.dtype.name
    ((2, 384), 'float32')
    >>> query = embed.encode_queries(["Where was Turing born?"])
    >>> int((query @ vectors.T).argmax())
    0
    """

    ATTRIBUTES: ClassVar[tuple[str, ...]] = ("task_type",)

    def __init__(
        self,
        model_name: str = "nomic-embed-text-v1.5",
        task_type: str = "search_document",
        dimensions: int | None = 768,
        *,
        api_key: str | Secret | None = None,
        long_text_mode: Literal["truncate", "mean"] | None = None,
        base_url: str | None = None,
        timeout_s: float = TIMEOUT_S,
        max_retries: int = 3,
        batch_size: int | None = None,
        allow_http: bool = False,
        **kwargs: Any,
    ) -> None:
        dimensions = kwargs.pop("dimensionality", dimensions)
        check_choice("inference_mode", kwargs.pop("inference_mode", "remote"), ("remote",))
        timeout_s, headers = self._client_options(kwargs, timeout_s, unsupported=UNSUPPORTED)
        check_choice("task_type", task_type, TASKS)
        check_choice("long_text_mode", long_text_mode or "truncate", ("truncate", "mean"))
        self.task_type = task_type
        super().__init__(
            "nomic",
            model_name,
            api_key,
            base_url=base_url,
            dimensions=dimensions,
            options={"long_text_mode": long_text_mode},
            connection=Connection(timeout_s, max_retries, batch_size, allow_http, headers),
        )
