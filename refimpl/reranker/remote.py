"""What all remote rerankers share: where to send, in which batches, and how the answers become results.

A protocol is a subclass in a file of its own that says its address, its limits and the body of a request.
"""

import json
import os
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

from refimpl.base import RerankResult
from refimpl.http import RETRY_STATUSES, Deadline, Session
from refimpl.reranker.answers import read_scores
from refimpl.reranker.ranking import check_request, ranked

ScoreKind = Literal["probability", "logit", "unknown"]


class RemoteRerankFunction:
    """A rerank server as a RerankFunction; subclasses state the protocol."""

    HOME: ClassVar[str | None] = None  # the provider's own address; only there is the key read from the environment
    KEY_VARIABLES: ClassVar[tuple[str, ...]] = ()
    MAX_DOCUMENTS: ClassVar[int] = 1000  # of one request
    MAX_BYTES: ClassVar[int | None] = None  # of one request's documents as JSON; None where the provider names no limit
    RETRY_STATUSES: ClassVar[frozenset[int]] = RETRY_STATUSES

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
        self.model_name = model_name
        self._batch = self.MAX_DOCUMENTS if max_documents is None else max_documents
        if isinstance(self._batch, bool) or not isinstance(self._batch, int) or self._batch < 1:
            raise ValueError(f"max_documents must be a whole number, 1 or more, got {max_documents!r}")
        self._session = Session(
            url,
            self._found_key(api_key, url),
            timeout_s=timeout_s,
            read_timeout_s=timeout_s,
            max_retries=max_retries,
            retry_statuses=self.RETRY_STATUSES,
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

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model_name!r} at {self._session.base_url})"

    @property
    def score_kind(self) -> ScoreKind:
        """What the scores are: what the protocol promises, until a score outside [0, 1] shows that they are logits."""
        return "logit" if self._seen_logits else self._promised_scores()

    def _promised_scores(self) -> ScoreKind:
        return "probability" if self._is_home(self._session.base_url) else "unknown"

    def _body(self, query: str, documents: list[str], top_n: int) -> dict[str, Any]:
        """The request that asks for the best `top_n` of `documents`."""
        raise NotImplementedError

    def _batches(self, texts: list[str]) -> Iterator[tuple[int, list[str]]]:
        """Runs of documents that one request may hold, each with its first index; a too long one travels alone."""
        if self.MAX_BYTES is None:
            for start in range(0, len(texts), self._batch):
                yield start, texts[start : start + self._batch]
            return
        start = size = 0
        for index, text in enumerate(texts):
            length = len(json.dumps(text, ensure_ascii=False).encode()) + 1
            if index > start and (index - start == self._batch or size + length > self.MAX_BYTES):
                yield start, texts[start:index]
                start, size = index, 0
            size += length
        yield start, texts[start:]

    @classmethod
    def _found_key(cls, given: str | None, url: str) -> str | None:
        if given is not None or not cls._is_home(url):
            return given
        for variable in cls.KEY_VARIABLES:
            if key := os.environ.get(variable):
                return key
        names = " or ".join(cls.KEY_VARIABLES)
        raise ValueError(f"{cls.__name__} needs a key: set {names}, pass api_key, or name your own server in base_url")

    @classmethod
    def _is_home(cls, url: str) -> bool:
        return cls.HOME is not None and urlsplit(url).hostname == urlsplit(cls.HOME).hostname


def rerank_address(base_url: str, version: str | None = None) -> str:
    """`base_url` up to `/rerank`: whole addresses stay; `version` (such as v1) is added where it is not there yet."""
    if not isinstance(base_url, str):
        raise TypeError(f"base_url must be a str, got {type(base_url).__name__}")
    url = base_url.rstrip("/")
    last = url.rsplit("/", 1)[-1]
    if last in ("rerank", "reranking"):
        return url
    if version is None or last in ("v1", "v2"):
        return f"{url}/rerank"
    return f"{url}/{version}/rerank"
