"""An HTTP endpoint, asked in the protocol that it speaks; answers stay in the server's own order."""

import base64
import binascii
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from refimpl.http import BadRequestError, ProtocolError, RemoteError, Session
from refimpl.oracle.subjects.base import AnswerError, NotAskableError, RefusedError, SubjectError, Task
from refimpl.oracle.subjects.protocols import PROTOCOLS, Protocol


class EndpointSubject:
    """POSTs to the server at `url` in `protocol` (a key of `PROTOCOLS`); more texts than a request holds go in several.

    `model` is sent where the protocol has such a field; `key` as Bearer. Raises ValueError for an address or protocol
    that is none.
    """

    def __init__(
        self,
        url: str,
        protocol: str,
        *,
        model: str = "all-MiniLM-L6-v2",
        key: str | None = None,
        timeout_s: float = 60.0,
        allow_http: bool = False,
    ) -> None:
        if protocol not in PROTOCOLS:
            raise ValueError(f"protocol must be one of {', '.join(PROTOCOLS)}; got {protocol!r}")
        base = url.rstrip("/")
        for version in ("/v1", "/v2"):  # every protocol's own paths begin with it
            base = base.removesuffix(version)
        self.name = f"{url} ({protocol})"
        self._protocol: Protocol = PROTOCOLS[protocol]
        self.traits = frozenset({"again", "cheap", "parallel", *self._protocol.rerank_options})
        self._model = model
        self._session = Session(
            base, key, timeout_s=timeout_s, read_timeout_s=timeout_s, max_retries=1, allow_http=allow_http
        )

    def tasks(self) -> frozenset[str]:
        """What the protocol has an address for."""
        return frozenset(self._protocol.paths)

    def ask(self, task: Task, inputs: Sequence[Any]) -> list[Any]:
        """The server's answers; RefusedError for 4xx, AnswerError for what is not in the protocol."""
        if task not in self._protocol.paths:
            raise NotAskableError(f"the protocol {self._protocol.name} has no address for {task}")
        if task == "rerank":
            return [self._rerank(one) for one in inputs]
        if task == "tokens" and not self._protocol.tokens_at_once:
            return [self._post(task, one, read_tokens)[0] for one in inputs]
        readers: dict[str, Callable[[Any], list[Any]]] = {
            "embed": read_vectors,
            "tokens": read_tokens,
            "splade": read_sparse,
        }
        return [answer for part in self._parts(inputs) for answer in self._batch(task, part, readers[task])]

    def _batch(self, task: Task, part: list[str], read: Callable[[Any], list[Any]]) -> list[Any]:
        answers = self._post(task, part, read)
        if len(answers) != len(part):
            raise AnswerError(f"{self.name} gave {len(answers)} answers for {len(part)} texts")
        return answers

    def _rerank(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        return list(self._post("rerank", asked, read_ranking))

    def _post(self, task: Task, asked: Any, read: Callable[[Any], Any]) -> Any:
        body = self._protocol.body(task, asked, self._model)
        try:
            return self._session.post(self._protocol.paths[task], body, read=read)
        except BadRequestError as error:
            raise RefusedError(str(error)) from error
        except ProtocolError as error:
            raise AnswerError(str(error)) from error
        except RemoteError as error:
            raise SubjectError(str(error)) from error
        except UnicodeEncodeError as error:
            raise SubjectError(f"{self.name}: {error}") from error

    def _parts(self, inputs: Sequence[str]) -> Iterator[list[str]]:
        for start in range(0, len(inputs), self._protocol.most_texts):
            yield list(inputs[start : start + self._protocol.most_texts])


def read_vectors(answer: Any) -> list[Any]:
    """Vectors by input: a bare list (TEI), `data` by index (OpenAI, Jina, Voyage), `embeddings` (Cohere)."""
    if isinstance(answer, list):
        return answer
    found = answer.get("data", answer.get("embeddings")) if isinstance(answer, dict) else None
    if isinstance(found, dict):
        found = found.get("float")
    if not isinstance(found, list):
        raise ProtocolError(f"expected vectors, bare or under data or embeddings, got {_shown(answer)}")
    if not any(isinstance(one, dict) for one in found):
        return found
    by_index: dict[int, Any] = {}
    for place, one in enumerate(found):
        index = one.get("index", place) if isinstance(one, dict) else None
        if isinstance(index, bool) or not isinstance(index, int) or index in by_index or not 0 <= index < len(found):
            raise ProtocolError(f"index {index!r} of entry {place} is doubled, out of range or no number")
        by_index[index] = _decoded(one.get("embedding"))
    return [by_index[index] for index in range(len(found))]


def read_sparse(answer: Any) -> list[Any]:
    """TEI's sparse vectors, `[[{index, value}]]`."""
    if not isinstance(answer, list):
        raise ProtocolError(f"expected a list of sparse vectors, got {_shown(answer)}")
    return answer


def read_tokens(answer: Any) -> list[Any]:
    """Token ids: TEI's `[[{id}]]`, llama.cpp's `{tokens: [id]}`."""
    if isinstance(answer, dict) and isinstance(answer.get("tokens"), list):
        return [answer["tokens"]]
    if isinstance(answer, list) and all(isinstance(one, list) for one in answer):
        return [[token.get("id") if isinstance(token, dict) else token for token in one] for one in answer]
    raise ProtocolError(f"expected token ids, got {_shown(answer)}")


def read_ranking(answer: Any) -> list[dict[str, Any]]:
    """A ranking in the server's own order, each entry `{index, score}` and `text` where the server sent it."""
    entries = answer
    if isinstance(answer, dict):
        entries = next((answer[key] for key in ("results", "data") if answer.get(key) is not None), None)
    if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        raise ProtocolError(f"expected a list of results, bare or under results or data, got {_shown(answer)}")
    ranking = []
    for one in entries:
        echoed = one.get("document", one.get("text"))
        text = echoed.get("text") if isinstance(echoed, dict) else echoed
        entry = {"index": one.get("index"), "score": one.get("relevance_score", one.get("score"))}
        ranking.append(entry if text is None else {**entry, "text": text})
    return ranking


def _decoded(embedding: Any) -> Any:
    if not isinstance(embedding, str):
        return embedding
    try:
        return np.frombuffer(base64.b64decode(embedding, validate=True), dtype="<f4")
    except (binascii.Error, ValueError) as error:
        raise ProtocolError(f"an embedding is text and no base64 of float32: {error}") from error


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "..."
