"""Check target: an HTTP endpoint with a provider's API; responses are returned as they are, in the server's order."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from refimpl.check.targets.base import AnswerError, TargetError, Task, UnsupportedError
from refimpl.check.targets.posting import post
from refimpl.http import ProtocolError, Secret, Session
from refimpl.http.responses import entries_in, shown
from refimpl.http.safety import hides
from refimpl.providers import PROVIDERS, EmbeddingService, RerankService, SparseService, TokenService
from refimpl.providers.jev import entries_of
from refimpl.providers.reading import RESULTS, decoded, score_in
from refimpl.providers.services import Endpoint

SERVER = "the server"


class EndpointTarget:
    """POSTs to the server at `url` in the API of a provider; inputs beyond the limit of a request are sent in several.

    Parameters
    ----------
    url
        The server's address, with or without /v1 or /v2.
    protocol
        A name in `refimpl.providers.PROVIDERS`.
    model
        The model that requests name, where the API has such a field.
    key
        Sent as Bearer.

    Raises
    ------
    ValueError
        For an unknown protocol and for an address that is none.
    """

    @hides(key=Secret)
    def __init__(
        self,
        url: str,
        protocol: str,
        *,
        model: str = "all-MiniLM-L6-v2",
        key: str | Secret | None = None,
        timeout_s: float = 60.0,
        allow_http: bool = False,
    ) -> None:
        if protocol not in PROVIDERS:
            raise ValueError(f"protocol must be one of {', '.join(PROVIDERS)}; got {protocol!r}")
        base = url.rstrip("/")
        for version in ("/v1", "/v2", "/v1beta"):  # the services' own paths begin with it
            base = base.removesuffix(version)
        self.name = f"{url} ({protocol})"
        self._provider = PROVIDERS[protocol]
        self._services = self._provider.checked()
        self.traits = frozenset({"any_input", "many_calls", "parallel", *self._rerank_traits()})
        self._model = model
        self._session = Session(
            base,
            key,
            timeout_s=timeout_s,
            read_timeout_s=timeout_s,
            max_retries=1,
            allow_http=allow_http,
            key_header=self._provider.key_header,
        )

    def tasks(self) -> frozenset[str]:
        """Tasks for which the provider has a service."""
        return frozenset(self._services)

    def run(self, task: Task, inputs: Sequence[Any]) -> list[Any]:
        """The server's responses; RefusedError for 4xx, AnswerError for a violation of the protocol."""
        service = self._services.get(task)
        if isinstance(service, RerankService):
            return [self._post(service, self._rerank_body(service, one), read_ranking) for one in inputs]
        results: list[Any] = []
        for part in self._parts(inputs, 1 if service is None else service.check_texts):
            if isinstance(service, EmbeddingService):
                options = {**service.options, **(service.check_options or {})}
                results += self._batch(service, service.body(self._model, part, "text", options), read_vectors, part)
            elif isinstance(service, TokenService):
                results += self._batch(service, service.body(part), read_tokens, part)
            elif isinstance(service, SparseService):
                results += self._batch(service, service.body(part), read_sparse, part)
            else:
                raise UnsupportedError(f"{self._provider.title} has no service for {task}")
        return results

    def _rerank_traits(self) -> list[str]:
        service = self._services.get("rerank")
        if not isinstance(service, RerankService):
            return []
        traits = {"top_k": service.top_n_field, "echo": service.echo_field}
        return [trait for trait, name in traits.items() if name is not None]

    def _rerank_body(self, service: RerankService, one: dict[str, Any]) -> dict[str, Any]:
        options = {**service.options, **(service.check_options or {})}
        if service.echo_field is not None:
            options[service.echo_field] = one.get("echo", False)
        if "raw_scores" in options:
            options["raw_scores"] = one.get("raw", False)
        return service.body(self._model, one["query"], one["documents"], one.get("top_k"), options)

    def _batch(
        self, service: Endpoint, body: dict[str, Any], read: Callable[[Any], list[Any]], part: list[str]
    ) -> list[Any]:
        results: list[Any] = self._post(service, body, read)
        if len(results) != len(part):
            raise AnswerError(f"expected {len(part)} results from {self.name}, got {len(results)}: return one per text")
        return results

    def _post(self, service: Endpoint, body: dict[str, Any], read: Callable[[Any], Any]) -> Any:
        try:
            return post(self._session, service.for_model(service.path, self._model), body, read)
        except UnicodeEncodeError as error:
            raise TargetError(f"{self.name}: {error}") from error

    @staticmethod
    def _parts(inputs: Sequence[str], size: int) -> Iterator[list[str]]:
        for start in range(0, len(inputs), size):
            yield list(inputs[start : start + size])


def read_vectors(answer: Any) -> list[Any]:
    """Vectors by input, unchecked: a bare list (TEI), `data` by index (OpenAI), `embeddings` (Cohere, Gemini)."""
    if isinstance(answer, dict) and isinstance(answer.get("embeddings"), dict):
        answer = answer["embeddings"].get("float")
    entries = entries_in(answer, ("data", "embeddings"), "vectors", SERVER)
    if not any(isinstance(one, dict) for one in entries):
        return entries
    by_index: dict[int, Any] = {}
    for position, one in enumerate(entries):
        index = one.get("index", position) if isinstance(one, dict) else None
        if isinstance(index, bool) or not isinstance(index, int) or index in by_index or not 0 <= index < len(entries):
            raise ProtocolError(f"index {shown(index)} of entry {position} is doubled, out of range or no number")
        embedding = one.get("embedding", one.get("values"))
        by_index[index] = decoded(embedding, index, SERVER) if isinstance(embedding, str) else embedding
    return [by_index[index] for index in range(len(entries))]


def read_sparse(answer: Any) -> list[Any]:
    """TEI's sparse vectors, `[[{index, value}]]`."""
    if not isinstance(answer, list):
        raise ProtocolError(f"expected a list of sparse vectors, got {shown(answer)}")
    return answer


def read_tokens(answer: Any) -> list[Any]:
    """Token ids: TEI's `[[{id}]]`, llama.cpp's `{tokens: [id]}`."""
    if isinstance(answer, dict) and isinstance(answer.get("tokens"), list):
        return [answer["tokens"]]
    if isinstance(answer, list) and all(isinstance(one, list) for one in answer):
        return [[token.get("id") if isinstance(token, dict) else token for token in one] for one in answer]
    raise ProtocolError(f"expected token ids, got {shown(answer)}")


def read_ranking(answer: Any) -> list[dict[str, Any]]:
    """A ranking in the server's own order, each entry `{index, score}` and `text` where the server sent it.

    Jev's answers have no order: they are ranked by their scores, equal ones by index.
    """
    if isinstance(answer, dict) and isinstance(answer.get("answers"), dict):
        unranked = entries_of(answer["answers"])
        return sorted(unranked, key=lambda one: -one["score"] if type(one["score"]) in (int, float) else 0)
    ranking = []
    for one in entries_in(answer, RESULTS, "results", SERVER):
        if not isinstance(one, dict):
            raise ProtocolError(f"expected an object per result, got {shown(one)}")
        echoed = one.get("document", one.get("text"))
        text = echoed.get("text") if isinstance(echoed, dict) else echoed
        entry = {"index": one.get("index"), "score": score_in(one)}
        ranking.append(entry if text is None else {**entry, "text": text})
    return ranking
