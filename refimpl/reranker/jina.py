"""Jina's rerank protocol, which vLLM, Infinity, Xinference, LocalAI and llama.cpp speak too."""

from typing import Any, ClassVar

from refimpl.reranker.remote import RemoteRerankFunction, rerank_address


class JinaRerankFunction(RemoteRerankFunction):
    """Reranks by `POST /v1/rerank` of Jina AI, or of any server that speaks its protocol at `base_url`.

    The key is `api_key`, or `JINAAI_API_KEY` for Jina's own address; a server of your own gets one only when you give
    it. `timeout_s` bounds a whole call with its retries, in seconds. `return_documents` asks the server to echo texts;
    results carry your own texts either way. Requests hold at most `max_documents` (Jina's limit is 1024).
    """

    HOME: ClassVar[str | None] = "https://api.jina.ai/v1"
    KEY_VARIABLES: ClassVar[tuple[str, ...]] = ("JINAAI_API_KEY",)
    MAX_TEXTS: ClassVar[int] = 1024

    def __init__(
        self,
        model_name: str = "jina-reranker-v2-base-multilingual",
        api_key: str | None = None,
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
            "top_n": top_n,
            "return_documents": self.return_documents,
        }
