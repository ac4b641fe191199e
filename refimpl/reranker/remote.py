"""What all remote rerankers share: the request's batches, and how the answers become results.

A protocol is a subclass in a file of its own that says its address, its limits and the body of a request.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

from refimpl.base import RerankResult
from refimpl.http import Deadline
from refimpl.http.provider import RemoteFunction, endpoint
from refimpl.reranker.answers import read_scores
from refimpl.reranker.ranking import check_request, ranked

ScoreKind = Literal["probability", "logit", "unknown"]


class RemoteRerankFunction(RemoteFunction):
    """A rerank server as a RerankFunction; subclasses state the protocol."""

    def __init__(
        self,
        model_name: str,
        api_key: str | None,
        url: str,
        *,
        timeout_s: float,
        max_retries: int,
        max_documents: int | None,
        allow_http: bool,
    ) -> None:
        super().__init__(
            model_name,
            api_key,
            url,
            timeout_s=timeout_s,
            max_retries=max_retries,
            batch=max_documents,
            batch_name="max_documents",
            allow_http=allow_http,
        )
        self._seen_logits = False

    def __call__(self, query: str, documents: Sequence[str], top_k: int | None = 5) -> list[RerankResult]:
        """The best `top_k` documents by the server's score, best first; the text is the one given, found by index.

        More documents than one request may hold go in several and are merged. Raises ValueError or TypeError for a
        wrong request, a RemoteError when the server cannot be reached or refuses.
        """
        query, texts, wanted = check_request(query, documents, top_k)
        deadline = Deadline.after(self._session.timeout_s)
        kept: list[int] = []
        scores: list[float] = []
        for start, batch in self._batches(texts):
            expected = min(wanted, len(batch))
            read = partial(read_scores, documents=len(batch), at_least=expected, server=repr(self))
            answer = self._session.post("", self._body(query, batch, expected), deadline, read)
            for index, score in sorted(answer.items()):
                kept.append(start + index)
                scores.append(score)
        self._seen_logits = self._seen_logits or not all(0 <= score <= 1 for score in scores)
        best = ranked(scores, [texts[index] for index in kept], wanted)
        return [RerankResult(result.text, result.score, kept[result.index]) for result in best]

    @property
    def score_kind(self) -> ScoreKind:
        """What the scores are: what the protocol promises, until a score outside [0, 1] shows that they are logits."""
        return "logit" if self._seen_logits else self._promised_scores()

    def _promised_scores(self) -> ScoreKind:
        return "probability" if self._is_home(self._session.base_url) else "unknown"

    def _body(self, query: str, documents: list[str], top_n: int) -> dict[str, Any]:
        """The request that asks for the best `top_n` of `documents`."""
        raise NotImplementedError


def rerank_address(base_url: str, version: str | None = None) -> str:
    """`base_url` up to `/rerank`: whole addresses stay; `version` (such as v1) is added where it is not there yet."""
    return endpoint(base_url, ("rerank", "reranking"), version)
