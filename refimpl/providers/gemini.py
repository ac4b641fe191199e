"""The Gemini API of embeddings: one nested request per text, the model in the path, a header of its own for the key."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from jaxtyping import Float

from refimpl.common.types import Array
from refimpl.http import ProtocolError
from refimpl.http.responses import refuse_error, shown
from refimpl.providers import reading, writing
from refimpl.providers.fields import Field, Served, Values, choice, object_schema, only, text
from refimpl.providers.provider import Provider
from refimpl.providers.requests import EmbedRequest, RequestRefused
from refimpl.providers.services import ONE_WIDTH, EmbeddingService, Kind, Options, text_schema

PREFIX = "models/"
TASKS = (
    "TASK_TYPE_UNSPECIFIED",
    "RETRIEVAL_QUERY",
    "RETRIEVAL_DOCUMENT",
    "SEMANTIC_SIMILARITY",
    "CLASSIFICATION",
    "CLUSTERING",
    "QUESTION_ANSWERING",
    "FACT_VERIFICATION",
    "CODE_RETRIEVAL_QUERY",
)
WIDTH = "outputDimensionality"


@dataclass(frozen=True, kw_only=True)
class GeminiEmbeddingService(EmbeddingService):
    """Embedding by `batchEmbedContents`, in which each text has a request of its own with all options."""

    def for_model(self, path: str, model: str) -> str:
        """`path` with the model, which may be given as "models/NAME", too."""
        return super().for_model(path, model.removeprefix(PREFIX))

    def body(self, model: str, texts: Sequence[str], kind: Kind, options: Options) -> dict[str, Any]:
        """The request for the vectors of `texts`; options that are None are left to the server."""
        shared = {name: value for name, value in options.items() if value is not None}
        head = {"model": PREFIX + model.removeprefix(PREFIX)}
        return {self.texts_field: [{**head, "content": {"parts": [{"text": text}]}, **shared} for text in texts]}

    def flattened(self, values: Values) -> Values:
        """The one text of each request."""
        texts = []
        for index, request in enumerate(values["texts"]):
            parts = request["content"]["parts"]
            if len(parts) != 1:
                name = f"{self.texts_field}[{index}].content.parts"
                raise RequestRefused(400, f"{name} must be one part with a text, got {len(parts)}")
            texts.append(parts[0]["text"])
        return {"texts": texts}

    def _named_fields(self, served: Served) -> list[Field]:
        text_field = Field(name="text", schema=text_schema(served, 1), expected="a string", role="text", required=True)
        parts = listed(closed("parts", text_field, role="parts"), 1)
        request = closed(
            self.texts_field,
            closed("content", parts, text("role"), role="content"),
            text("model"),
            choice("taskType", *TASKS),
            text("title"),
            only(WIDTH, served.dim, ONE_WIDTH),
            role="texts",
        )
        return [listed(request, served.max_texts)]

    def read(self, answer: Any, texts: int, server: str) -> Float[Array, "texts dim"]:
        """One row per text."""
        entries = answer.get("embeddings") if isinstance(answer, dict) else None
        if not isinstance(entries, list):
            refuse_error(answer, server)
            raise ProtocolError(f"{server}: expected a list under 'embeddings', got {shown(answer)}")
        vectors = [one.get("values") if isinstance(one, dict) else one for one in entries]
        return reading.listed_vectors(vectors, texts, server)

    def write(self, request: EmbedRequest, vectors: Array, tokens: int, model: str) -> Any:
        """Gemini's response."""
        return {
            "embeddings": [{"values": writing.numbers(row)} for row in vectors],
            "usageMetadata": {"promptTokenCount": tokens},
        }


def closed(name: str, *fields: Field, role: str) -> Field:
    """A required object, which has no other fields."""
    schema = object_schema(fields) | {"additionalProperties": False}
    return Field(name=name, schema=schema, expected="a JSON object", role=role, fields=fields, required=True)


def listed(one: Field, most: int) -> Field:
    """A list of at most `most` such objects."""
    schema = {"type": "array", "items": dict(one.schema), "minItems": 1, "maxItems": most}
    return replace(one, schema=schema, expected="a list of JSON objects", many=True)


def error_with_status(status: int, message: str) -> dict[str, Any]:
    """Google's error object."""
    names = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED"}
    name = names.get(status, "INTERNAL" if status >= 500 else "FAILED_PRECONDITION")
    return {"error": {"code": status, "message": message, "status": name}}


GEMINI = Provider(
    name="gemini",
    title="Gemini",
    home="https://generativelanguage.googleapis.com",
    key_header="x-goog-api-key",
    key_variables=("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    url_variable="GOOGLE_GEMINI_BASE_URL",
    error=error_with_status,
    invalid_status=400,
    unknown_field=(400, 'Invalid JSON payload received. Unknown name "{name}": Cannot find field.'),
    embeddings=(
        GeminiEmbeddingService(
            path="/v1beta/models/{model}:batchEmbedContents",
            extra_paths=("/v1/models/{model}:batchEmbedContents",),
            texts_field="requests",
            width_field=WIDTH,
            max_texts=100,
            token_paths=(("usageMetadata", "promptTokenCount"),),
            widths={
                "gemini-embedding-001": (3072,),
                "gemini-embedding-exp-03-07": (3072,),
                "models/embedding-001": (768,),
                "models/text-embedding-004": (768,),
            },
        ),
    ),
)
