"""The rerank protocol of Hugging Face's text-embeddings-inference (TEI), which llama.cpp speaks too."""

from typing import Any, ClassVar

from refimpl.reranker.remote import RemoteRerankFunction, ScoreKind, rerank_address


class TEIRerankFunction(RemoteRerankFunction):
    """Reranks by a TEI server's `POST /rerank`.

    The protocol has no top_n: all scores come back and `top_k` is applied here. Requests hold at most `max_documents`
    texts (TEI's default client batch is 32) and 2 MB less what the rest needs. `raw_scores=True` asks for logits in
    place of sigmoids (llama.cpp sends logits always); `truncate=False` makes the server refuse what is too long.
    """

    MAX_TEXTS: ClassVar[int] = 32
    MAX_BYTES: ClassVar[int | None] = 1_900_000

    def __init__(
        self,
        api_url: str,
        *,
        api_key: str | None = None,
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
            "the served model",
            api_key,
            rerank_address(api_url),
            timeout_s=timeout_s,
            max_retries=max_retries,
            max_documents=max_documents,
            allow_http=allow_http,
        )

    def _promised_scores(self) -> ScoreKind:
        return "logit" if self.raw_scores else "probability"

    def _body(self, query: str, documents: list[str], top_n: int) -> dict[str, Any]:
        return {
            "query": query,
            "texts": documents,
            "raw_scores": self.raw_scores,
            "return_text": False,
            "truncate": self.truncate,
        }
