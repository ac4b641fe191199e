"""Client of the Gemini API of embeddings."""

from collections.abc import Mapping
from typing import Any

from refimpl.common.arguments import refuse_keywords
from refimpl.dense.remote import RemoteEmbeddingFunction
from refimpl.http import Secret
from refimpl.providers.client import TIMEOUT_S, Connection

ENTERPRISE = "refimpl calls the Gemini API, not Google's cloud platform"
UNSUPPORTED = {  # parameters of the SDK's Client, which pymilvus.model passes on
    "credentials": ENTERPRISE,
    "debug_config": "nothing is recorded",
    "enterprise": ENTERPRISE,
    "http_options": "base_url, timeout_s and max_retries are the parameters here",
    "location": ENTERPRISE,
    "project": ENTERPRISE,
    "vertexai": ENTERPRISE,
}
UNSUPPORTED_CONFIG = {  # fields of the SDK's EmbedContentConfig
    "audio_track_extraction": ENTERPRISE,
    "auto_truncate": ENTERPRISE,
    "document_ocr": ENTERPRISE,
    "http_options": UNSUPPORTED["http_options"],
    "mime_type": ENTERPRISE,
}


class GeminiEmbeddingFunction(RemoteEmbeddingFunction):
    """Embeds by the Gemini API's `POST /v1beta/models/MODEL:batchEmbedContents`.

    Parameters
    ----------
    model_name
        The model, with or without "models/".
    api_key
        Sent as `x-goog-api-key`; None takes `GOOGLE_API_KEY`, or else `GEMINI_API_KEY`, as Google's SDK does, for
        Google's own address alone.
    config
        `task_type`, `title` and `output_dimensionality` of the requests: google.genai's EmbedContentConfig, or a dict
        with these keys; None leaves all to the server.
    base_url
        The server's address; None takes `GOOGLE_GEMINI_BASE_URL`, and Google's own without it, as Google's SDK does.
    timeout_s
        Bound of a request with its retries, in seconds.
    max_retries
        Number of retries of a request that failed for a reason that may pass, such as a rate limit.
    batch_size
        Texts per request, at most; None is Google's limit, 100.
    allow_http
        Whether to send unencrypted requests to another machine.
    **kwargs
        `timeout`, another name of `timeout_s`; further keywords of Google's client, accepted where they are None or
        False.

    Raises
    ------
    TypeError
        For an argument of another type, and for any other keyword or field of `config`, by name.
    ValueError
        For an argument out of range, and for a missing key at the provider's own address.

    Notes
    -----
    The protocol is "batchEmbedContents" of the Gemini API reference, in the form of google-genai 3.6. Google returns
    vectors of unit length in the model's full width alone.

    Examples
    --------
    With `refimpl serve` at `url`:

    >>> from refimpl import GeminiEmbeddingFunction
    >>> embed = GeminiEmbeddingFunction("all-MiniLM-L6-v2", config={"output_dimensionality": 384}, base_url=url)
    >>> vectors = embed.encode_documents(["Alan Turing was born in London.", "Mars is red."])
    >>> vectors.shape, vectors.dtype.name
    ((2, 384), 'float32')
    >>> query = embed.encode_queries(["Where was Turing born?"])
    >>> int((query @ vectors.T).argmax())
    0
    """

    def __init__(
        self,
        model_name: str = "gemini-embedding-exp-03-07",
        api_key: str | Secret | None = None,
        config: Any = None,
        *,
        base_url: str | None = None,
        timeout_s: float = TIMEOUT_S,
        max_retries: int = 3,
        batch_size: int | None = None,
        allow_http: bool = False,
        **kwargs: Any,
    ) -> None:
        timeout_s, headers = self._client_options(kwargs, timeout_s, unsupported=UNSUPPORTED)
        self.config = config
        fields = dict(config if isinstance(config, Mapping) else vars(config) if config is not None else {})
        options = {"taskType": fields.pop("task_type", None), "title": fields.pop("title", None)}
        dimensions = fields.pop("output_dimensionality", None)
        refuse_keywords(self, fields, UNSUPPORTED_CONFIG)
        super().__init__(
            "gemini",
            model_name,
            api_key,
            base_url=base_url,
            dimensions=dimensions,
            options=options,
            connection=Connection(timeout_s, max_retries, batch_size, allow_http, headers),
        )
