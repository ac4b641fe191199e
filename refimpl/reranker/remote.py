"""Client of any provider's rerank service; the public classes beside it have pymilvus.model's signatures."""

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

from refimpl.base import BaseRerankFunction, RerankResult
from refimpl.http import Deadline, Secret
from refimpl.providers import RerankService, provider_named
from refimpl.providers.client import SERVED_MODEL, Connection, RemoteFunction
from refimpl.providers.services import Options, ScoreKind
from refimpl.reranker.ranking import check_request, ranked


class RemoteRerankFunction(RemoteFunction, BaseRerankFunction):
    """Reranks by a provider's service; parameters as in `RemoteEmbeddingFunction`.

    `connection.timeout_s` bounds a whole call, all its requests and retries included.
    """

    LIMIT: ClassVar[str] = "max_documents"
    KEPT: ClassVar[tuple[str, ...]] = ("_seen_logits",)
    _service: RerankService

    def __init__(
        self,
        provider: str,
        model_name: str = SERVED_MODEL,
        api_key: str | Secret | None = None,
        *,
        base_url: str | None = None,
        version: str | None = None,
        options: Options | None = None,
        connection: Connection = Connection(),  # noqa: B008 - frozen
    ) -> None:
        record = provider_named(provider)
        base_url = record.address(base_url)
        service = record.rerank_service(base_url, version)
        super().__init__(record, service, model_name, api_key, base_url, options or {}, connection)
        self._seen_logits = False

    def __call__(self, query: str, documents: Sequence[str], top_k: int | None = 5) -> list[RerankResult]:
        """The best `top_k` documents by the server's score, best first, with the texts of `documents` by index.

        Documents beyond the limit of one request are sent in several, and the results merged. Raises ValueError or
        TypeError for a wrong request, a RemoteError when the server cannot be reached or refuses the request.
        """
        query, texts, count = check_request(query, documents, top_k)
        deadline = Deadline.after(self._session.timeout_s)
        indices: list[int] = []
        scores: list[float] = []
        for start, batch in self._batches(texts):
            expected = min(count, len(batch))
            read = partial(self._service.read, documents=len(batch), at_least=expected, server=repr(self))
            answer = self._session.post("", self._body(query, batch, expected), deadline, read)
            for index, score in sorted(answer.items()):
                indices.append(start + index)
                scores.append(score)
        self._seen_logits = self._seen_logits or not all(0 <= score <= 1 for score in scores)
        best = ranked(scores, [texts[index] for index in indices], count)
        return [RerankResult(result.text, result.score, indices[result.index]) for result in best]

    @property
    def score_kind(self) -> ScoreKind:
        """What the scores are as documented, until a score outside [0, 1] shows that they are logits."""
        if self._seen_logits or self._current_options().get("raw_scores"):
            return "logit"
        return "probability" if self._at_home(self._session.base_url) else self._service.score_kind

    def _body(self, query: str, documents: list[str], top_n: int) -> dict[str, Any]:
        return self._service.body(self.model_name, query, documents, top_n, self._current_options())
