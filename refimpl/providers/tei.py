"""The APIs of Hugging Face's text-embeddings-inference (TEI): its own, and OpenAI's for embeddings."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from jaxtyping import Float

from refimpl.base import RerankResult
from refimpl.common.types import Array
from refimpl.http.responses import refuse_error
from refimpl.providers import reading, writing
from refimpl.providers.fields import Field, Served, choice, flag, group, only
from refimpl.providers.openai import error_type
from refimpl.providers.provider import Provider
from refimpl.providers.requests import EmbedRequest, RerankRequest, Token
from refimpl.providers.services import (
    EmbeddingService,
    Endpoint,
    Options,
    RerankService,
    SparseService,
    TokenService,
    ids_schema,
    text_schema,
)

DIRECTION = choice("truncation_direction", "Right", "Left", "right", "left", role="direction")
RIGHT = choice("truncation_direction", "Right", "right", reason="this route truncates at the end of a text")
NO_PROMPTS = only("prompt_name", None, "the served model has no prompts by name")
MAX_TEXTS = 32  # TEI's default client batch
MAX_BYTES = 1_900_000  # 2 MB less the rest of the request


@dataclass(frozen=True, kw_only=True)
class BareEmbeddingService(EmbeddingService):
    """Embedding whose response is a bare list of vectors."""

    def read(self, answer: Any, texts: int, server: str) -> Float[Array, "texts dim"]:
        """One row per text."""
        refuse_error(answer, server)
        return reading.listed_vectors(answer, texts, server)

    def write(self, request: EmbedRequest, vectors: Array, tokens: int, model: str) -> Any:
        """TEI's response."""
        return writing.encoded(vectors, request.encodings[0], base64=request.base64)


@dataclass(frozen=True, kw_only=True)
class BareRerankService(RerankService):
    """Reranking whose response is a bare list of `{index, score, text?}`."""

    def write(self, request: RerankRequest, results: Sequence[RerankResult], tokens: int, model: str) -> Any:
        """TEI's response."""
        return writing.rerank_entries(results, lambda text: {"text": text}, echo=request.echo, score="score")


@dataclass(frozen=True, kw_only=True)
class TeiTokenService(TokenService):
    """Tokens of each text with their characters, in a list per text."""

    def write(self, texts: Sequence[Sequence[Token]]) -> Any:
        """TEI's response."""
        return [[asdict(token) for token in tokens] for tokens in texts]


@dataclass(frozen=True, kw_only=True)
class SimilarityService(Endpoint):
    """Cosine similarity of a source sentence and others."""

    task: ClassVar[str] = "similarity"
    truncates_by_default: bool = False
    empty_text_status: int = 422
    check_options: Options | None = None

    def _named_fields(self, served: Served) -> list[Field]:
        parameters = group("parameters", "parameters", flag("truncate", "truncate"), DIRECTION, NO_PROMPTS)
        return [self._texts(served), parameters]

    def _texts(self, served: Served) -> Field:
        one = text_schema(served, 1)
        sentences = {"type": "array", "items": one, "minItems": 1, "maxItems": served.max_texts}
        inputs = {"source_sentence": one, "sentences": sentences}
        schema = {"type": "object", "properties": inputs, "required": list(inputs)}
        expected = "an object with source_sentence and sentences"
        return Field(name=self.texts_field, schema=schema, expected=expected, role="texts", required=True)

    def write(self, cosines: Float[Array, "sentences"]) -> Any:
        """TEI's response: one number per sentence."""
        return writing.numbers(cosines)


@dataclass(frozen=True, kw_only=True)
class DecodeService(Endpoint):
    """Texts of token ids."""

    task: ClassVar[str] = "decode"
    check_options: Options | None = None

    def _named_fields(self, served: Served) -> list[Field]:
        return [self._texts(served), flag("skip_special_tokens", "skip_special")]

    def _texts(self, served: Served) -> Field:
        ids = ids_schema(served)
        schema = {"anyOf": [ids, {"type": "array", "items": ids, "minItems": 1, "maxItems": served.max_texts}]}
        return Field(name=self.texts_field, schema=schema, expected="token ids", role="texts", required=True)

    def write(self, texts: Sequence[str]) -> Any:
        """TEI's response: one text per list of ids."""
        return list(texts)


def tei_error(status: int, message: str) -> dict[str, Any]:
    """TEI's error object."""
    return {"error": message, "error_type": error_type(status)}


TEI = Provider(
    name="tei",
    title="TEI",
    error=tei_error,
    embeddings=(
        EmbeddingService(
            path="/v1/embeddings",
            version_only_without_path=True,
            encoding_field="encoding_format",
            takes_ids=True,
            sends_model=False,
            max_texts=MAX_TEXTS,
            max_bytes=MAX_BYTES,
            check_options=None,
        ),
        BareEmbeddingService(
            path="/embed",
            extra_paths=("/",),
            encoding_field="encoding_format",
            shortens=True,
            takes_ids=True,
            fields=(DIRECTION, NO_PROMPTS, flag("normalize", "normalize")),
            texts_field="inputs",
            truncate_field="truncate",
            truncates_by_default=False,
            empty_text_status=422,
            sends_model=False,
            max_texts=MAX_TEXTS,
            max_bytes=MAX_BYTES,
            check_options={"truncate": True, "normalize": True},
        ),
    ),
    rerank=(
        BareRerankService(
            path="/rerank",
            extra_paths=("/",),
            other_names=("reranking",),
            texts_field="texts",
            truncate_field="truncate",
            truncates_by_default=False,
            sends_model=False,
            top_n_field=None,
            echo_field="return_text",
            takes_objects=False,
            fields=(RIGHT, flag("raw_scores", "raw_scores")),
            max_texts=MAX_TEXTS,
            max_bytes=MAX_BYTES,
            options={"raw_scores": False, "return_text": False, "truncate": True},
            score_kind="probability",
        ),
    ),
    sparse=SparseService(
        path="/embed_sparse",
        fields=(RIGHT, NO_PROMPTS),
        texts_field="inputs",
        truncate_field="truncate",
        truncates_by_default=False,
        empty_text_status=422,
        sends_model=False,
        max_texts=MAX_TEXTS,
        options={"truncate": True},
    ),
    tokens=TeiTokenService(
        path="/tokenize",
        texts_field="inputs",
        empty_text_status=422,
        sends_model=False,
        max_texts=MAX_TEXTS,
        special_field="add_special_tokens",
        special_by_default=True,
        fields=(NO_PROMPTS,),
        options={"add_special_tokens": True},
    ),
    others=(
        SimilarityService(path="/similarity", texts_field="inputs", sends_model=False, max_texts=MAX_TEXTS),
        DecodeService(path="/decode", texts_field="ids", sends_model=False, max_texts=MAX_TEXTS),
    ),
)
