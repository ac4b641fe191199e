"""Cohere's rerank protocol, versions 1 and 2."""

from typing import Any, ClassVar, Literal

from refimpl.http import RETRY_STATUSES
from refimpl.reranker.remote import RemoteRerankFunction, rerank_address


class CohereRerankFunction(RemoteRerankFunction):
    """Reranks by Cohere's `POST /v2/rerank`, or `/v1/rerank` with `api_version="v1"`.

    The key is `api_key`, or `CO_API_KEY` or `COHERE_API_KEY` for Cohere's own address. `return_documents` is sent in
    version 1 only, version 2 having none; results carry your own texts either way. Further keywords
    (`max_tokens_per_doc` in version 2, `max_chunks_per_doc` in version 1) go into the request as they are.
    """

    HOME: ClassVar[str | None] = "https://api.cohere.com"
    KEY_VARIABLES: ClassVar[tuple[str, ...]] = ("CO_API_KEY", "COHERE_API_KEY")
    MAX_TEXTS: ClassVar[int] = 10_000
    RETRY_STATUSES: ClassVar[frozenset[int]] = RETRY_STATUSES | {409}

    def __init__(
        self,
        model_name: str = "rerank-english-v3.0",
        api_key: str | None = None,
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
        if api_version not in ("v1", "v2"):
            raise ValueError(f"api_version must be 'v1' or 'v2', got {api_version!r}")
        self._extra = {"return_documents": return_documents, **request} if api_version == "v1" else request
        super().__init__(
            model_name,
            api_key,
            rerank_address(base_url, api_version),
            timeout_s=timeout_s,
            max_retries=max_retries,
            max_documents=max_documents,
            allow_http=allow_http,
        )

    def _body(self, query: str, documents: list[str], top_n: int) -> dict[str, Any]:
        return {"model": self.model_name, "query": query, "documents": documents, "top_n": top_n, **self._extra}
