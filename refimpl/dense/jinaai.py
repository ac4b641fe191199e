"""Jina's embedding protocol: OpenAI's with a task."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from refimpl.dense.remote import Kind, RemoteEmbeddingFunction, check_choice, embeddings_address, given

TASKS: dict[Kind, str] = {"document": "retrieval.passage", "query": "retrieval.query"}


class JinaEmbeddingFunction(RemoteEmbeddingFunction):
    """Embeds by `POST /v1/embeddings` of Jina AI, or of a server that speaks its protocol at `base_url`.

    Documents go with the task `retrieval.passage`, queries with `retrieval.query`, a plain call with `task`;
    `task=None` sends none ever, for models without tasks such as jina-embeddings-v2. `late_chunking` reads all texts of
    a request as one document, so a call may then hold no more texts than one request. `normalized` and `truncate` go
    to the server where given (v3 gives unit vectors only if asked). The key is `api_key`, or `JINAAI_API_KEY` for
    Jina's own address.
    """

    HOME: ClassVar[str | None] = "https://api.jina.ai/v1"
    KEY_VARIABLES: ClassVar[tuple[str, ...]] = ("JINAAI_API_KEY",)
    MAX_TEXTS: ClassVar[int] = 512
    DIMS: ClassVar[Mapping[str, int]] = {
        "jina-embeddings-v4": 2048,
        "jina-embeddings-v3": 1024,
        "jina-embeddings-v2-base-en": 768,
        "jina-embeddings-v2-base-de": 768,
        "jina-embeddings-v2-base-es": 768,
        "jina-embeddings-v2-base-zh": 768,
        "jina-embeddings-v2-base-code": 768,
        "jina-embeddings-v2-small-en": 512,
    }

    def __init__(
        self,
        model_name: str = "jina-embeddings-v3",
        api_key: str | None = None,
        task: str | None = "retrieval.passage",
        dimensions: int | None = None,
        late_chunking: bool | None = False,
        *,
        base_url: str = "https://api.jina.ai/v1",
        embedding_type: Literal["float", "base64"] = "float",
        normalized: bool | None = None,
        truncate: bool | None = None,
        timeout_s: float = 60.0,
        max_retries: int = 3,
        batch_size: int | None = None,
        allow_http: bool = False,
    ) -> None:
        check_choice("embedding_type", embedding_type, ("float", "base64"))
        self.task = task
        self.late_chunking = bool(late_chunking)
        self._options = given(
            embedding_type=embedding_type,
            dimensions=dimensions,
            late_chunking=late_chunking or None,
            normalized=normalized,
            truncate=truncate,
        )
        super().__init__(
            model_name,
            api_key,
            embeddings_address(base_url),
            dimensions=dimensions,
            timeout_s=timeout_s,
            max_retries=max_retries,
            batch_size=batch_size,
            allow_http=allow_http,
        )

    def _batches(self, texts: list[str]) -> Iterator[tuple[int, list[str]]]:
        if self.late_chunking and len(texts) > self._batch:
            raise ValueError(
                f"late_chunking reads the texts of one request as one document, and {len(texts)} texts take more than "
                f"one of {self._batch}: call once for each document"
            )
        return super()._batches(texts)

    def _body(self, texts: list[str], kind: Kind) -> dict[str, Any]:
        task = self.task and TASKS.get(kind, self.task)
        return {"model": self.model_name, "input": texts, **given(task=task), **self._options}
