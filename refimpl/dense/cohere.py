"""Cohere's embedding protocol, versions 1 and 2."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from refimpl.dense.answers import listed_vectors
from refimpl.dense.remote import Array, Kind, RemoteEmbeddingFunction, check_choice, given
from refimpl.http import RETRY_STATUSES, ProtocolError
from refimpl.http.answers import message_in, shown
from refimpl.http.provider import endpoint

INPUT_TYPES: dict[Kind, str] = {"document": "search_document", "query": "search_query"}


class CohereEmbeddingFunction(RemoteEmbeddingFunction):
    """Embeds by Cohere's `POST /v2/embed`, or `/v1/embed` with `api_version="v1"`.

    Documents go as `search_document`, queries as `search_query`, a plain call as `input_type`. `embedding_types` names
    one, "float" or "base64" (the same numbers in a quarter of the bytes); `truncate` is "NONE", "START", "END" or None
    for the server's own. `output_dimension` belongs to version 2 and embed-v4. The protocol has no index: the n-th
    vector is the n-th text's. The key is `api_key`, or `CO_API_KEY` or `COHERE_API_KEY` for Cohere's own address.
    """

    HOME: ClassVar[str | None] = "https://api.cohere.com"
    KEY_VARIABLES: ClassVar[tuple[str, ...]] = ("CO_API_KEY", "COHERE_API_KEY")
    MAX_TEXTS: ClassVar[int] = 96
    RETRY_STATUSES: ClassVar[frozenset[int]] = RETRY_STATUSES | {409}
    TOKEN_PLACES: ClassVar[tuple[tuple[str, ...], ...]] = (("meta", "billed_units", "input_tokens"),)
    DIMS: ClassVar[Mapping[str, int]] = {
        "embed-v4.0": 1536,
        "embed-english-v3.0": 1024,
        "embed-english-light-v3.0": 384,
        "embed-english-v2.0": 4096,
        "embed-english-light-v2.0": 1024,
        "embed-multilingual-v3.0": 1024,
        "embed-multilingual-light-v3.0": 384,
        "embed-multilingual-v2.0": 768,
    }

    def __init__(
        self,
        model_name: str = "embed-english-light-v3.0",
        api_key: str | None = None,
        input_type: str = "search_document",
        embedding_types: Sequence[str] | None = None,
        truncate: str | None = None,
        *,
        output_dimension: int | None = None,
        base_url: str = "https://api.cohere.com",
        api_version: Literal["v1", "v2"] = "v2",
        timeout_s: float = 60.0,
        max_retries: int = 3,
        batch_size: int | None = None,
        allow_http: bool = False,
    ) -> None:
        check_choice("api_version", api_version, ("v1", "v2"))
        kinds = ["float"] if embedding_types is None else list(embedding_types)
        if len(kinds) != 1:
            raise ValueError(f"embedding_types must name one type, got {kinds}: make one function for each")
        check_choice("embedding_types", kinds[0], ("float", "base64"))
        if api_version == "v1" and output_dimension is not None:
            raise ValueError("output_dimension belongs to version 2 of Cohere's API: leave api_version at 'v2'")
        self.input_type = input_type
        self._type = kinds[0]
        self._options = given(embedding_types=kinds, truncate=truncate, output_dimension=output_dimension)
        super().__init__(
            model_name,
            api_key,
            endpoint(base_url, ("embed",), api_version),
            dimensions=output_dimension,
            timeout_s=timeout_s,
            max_retries=max_retries,
            batch_size=batch_size,
            allow_http=allow_http,
        )

    def _body(self, texts: list[str], kind: Kind) -> dict[str, Any]:
        input_type = INPUT_TYPES.get(kind, self.input_type)
        return {"model": self.model_name, "texts": texts, "input_type": input_type, **self._options}

    def _vectors(self, answer: Any, texts: int) -> Array:
        found = answer.get("embeddings") if isinstance(answer, dict) else None
        if isinstance(found, dict):
            found = found.get(self._type)
        if found is None:
            if isinstance(answer, dict) and (said := message_in(answer)):
                raise ProtocolError(f"{self!r} answered 200 with an error: {said}", status=200, server_message=said)
            raise ProtocolError(f"{self!r}: expected vectors under 'embeddings', '{self._type}', got {shown(answer)}")
        return listed_vectors(found, texts, repr(self))
