"""Voyage AI's rerank protocol."""

from typing import Any, ClassVar

from refimpl.reranker.remote import RemoteRerankFunction, rerank_address


class VoyageRerankFunction(RemoteRerankFunction):
    """Reranks by Voyage AI's `POST /v1/rerank`, whose `top_k` is others' `top_n` and whose `data` others' `results`.

    The key is `api_key`, or `VOYAGE_API_KEY` for Voyage's own address. `truncation=False` makes the server refuse what
    is too long instead of cutting it.
    """

    HOME: ClassVar[str | None] = "https://api.voyageai.com/v1"
    KEY_VARIABLES: ClassVar[tuple[str, ...]] = ("VOYAGE_API_KEY",)
    MAX_TEXTS: ClassVar[int] = 1000

    def __init__(
        self,
        model_name: str = "rerank-2",
        api_key: str | None = None,
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
            model_name,
            api_key,
            rerank_address(base_url, "v1"),
            timeout_s=timeout_s,
            max_retries=max_retries,
            max_documents=max_documents,
            allow_http=allow_http,
        )

    def _body(self, query: str, documents: list[str], top_n: int) -> dict[str, Any]:
        return {
            "model": self.model_name,
            "query": query,
            "documents": documents,
            "top_k": top_n,
            "truncation": self.truncation,
        }
