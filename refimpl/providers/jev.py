"""TypeSafe's API of structured decisions, as pymilvus.model 0.3.4 reranks by it: one question per document."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from refimpl.base import RerankResult
from refimpl.http import ProtocolError
from refimpl.http.responses import refuse_error, shown
from refimpl.providers import reading, writing
from refimpl.providers.fields import Field, Served, Values, text
from refimpl.providers.provider import Provider
from refimpl.providers.requests import RequestRefused, RerankRequest
from refimpl.providers.services import Options, RerankService

STATE = "Scientific claim: "
BEFORE = "Document: "
AFTER = " — Does this document provide evidence relevant to the claim?"
KEY = re.compile(r"d(0|[1-9][0-9]{0,8})")
KIND = "noul"
"""Kind of a question, and name of its answer: the probability of yes."""


@dataclass(frozen=True, kw_only=True)
class JevRerankService(RerankService):
    """Reranking by one yes-or-no question per document, d0, d1, ...; the answers are in no order."""

    def body(
        self, model: str, query: str, documents: Sequence[str], top_n: int | None, options: Options
    ) -> dict[str, Any]:
        """The request for the probability of each document; the API has no `top_n`."""
        questions = {
            f"d{index}": {"type": KIND, "instructions": BEFORE + text + AFTER} for index, text in enumerate(documents)
        }
        return {"state": STATE + query, **self._model(model), self.texts_field: questions, **options}

    def flattened(self, values: Values) -> Values:
        """The query and the documents of the state and the questions."""
        questions, documents = values["texts"], []
        if not isinstance(questions, dict):
            raise RequestRefused(422, f"{self.texts_field} must be a JSON object, got {shown(questions)}")
        for index in range(len(questions)):
            name = f"{self.texts_field}.d{index}"
            question = questions.get(f"d{index}")
            if not isinstance(question, dict) or question.get("type") != KIND:
                names = "questions must be named d0, d1, ..."
                raise RequestRefused(422, f"{names}: {name}.type must be {KIND!r}, got {shown(question)}")
            documents.append(_inner(question.get("instructions"), f"{name}.instructions", BEFORE, AFTER))
        return {"query": _inner(values["query"], "state", STATE, ""), "texts": documents}

    def _named_fields(self, served: Served) -> list[Field]:
        question = {
            "type": "object",
            "properties": {"type": {"const": KIND}, "instructions": around(BEFORE, "[^]*", AFTER, served.max_chars)},
            "required": ["type", "instructions"],
        }
        questions = {
            "type": "object",
            "propertyNames": {"pattern": f"^{KEY.pattern}$"},
            "additionalProperties": question,
            "required": ["d0"],
            "maxProperties": served.max_texts,
        }
        state = around(STATE, r"[^]*\S[^]*", "", served.max_chars)
        return [
            Field(name="state", schema=state, expected="a string", role="query", required=True),
            Field(name=self.texts_field, schema=questions, expected="a JSON object", role="texts", required=True),
            text("model"),
        ]

    def read(self, answer: Any, documents: int, at_least: int, server: str) -> dict[int, float]:
        """Score by document index; ProtocolError unless every document has one."""
        answers = answer.get("answers") if isinstance(answer, dict) else None
        if not isinstance(answers, dict):
            refuse_error(answer, server)
            raise ProtocolError(f"{server}: expected an object under 'answers', got {shown(answer)}")
        return reading.read_scores(entries_of(answers), documents, documents, server)

    def write(self, request: RerankRequest, results: Sequence[RerankResult], tokens: int, model: str) -> Any:
        """The response that `read` parses."""
        by_index = sorted(results, key=lambda result: result.index)
        answers = {f"d{result.index}": {KIND: writing.finite(result.score)} for result in by_index}
        return {"model": model, "answers": answers}


def entries_of(answers: dict[str, Any]) -> list[dict[str, Any]]:
    """Jev's answers as the entries of other rerankers; a key that is no question's stays as the index."""
    entries = []
    for key, answer in answers.items():
        match = KEY.fullmatch(key)
        score = answer.get(KIND) if isinstance(answer, dict) else answer
        entries.append({"index": int(match[1]) if match else key, "score": score})
    return entries


def around(before: str, pattern: str, after: str, most: int) -> dict[str, Any]:
    """JSON Schema of a text of at most `most` characters between `before` and `after`."""
    whole = f"^{before}{pattern}{after}$".replace("?", r"\?").replace("[^]", r"[\s\S]")
    return {"type": "string", "pattern": whole, "maxLength": len(before) + most + len(after)}


def _inner(value: Any, name: str, before: str, after: str) -> str:
    """The text between what the client writes around it."""
    if not isinstance(value, str) or not (value.startswith(before) and value.endswith(after)):
        raise RequestRefused(422, f"{name} must be {before + '...' + after!r}, got {shown(value)}")
    return value[len(before) : len(value) - len(after)]


JEV = Provider(
    name="jev",
    title="Jev",
    home="https://api.typesafe.ai",
    key_variables=("TYPESAFE_API_KEY",),
    rerank=(
        JevRerankService(
            path="/v1/systemone",
            texts_field="questions",
            truncate_field=None,
            top_n_field=None,
            max_texts=1000,  # no limit is documented
            score_kind="probability",
        ),
    ),
)
