"""Services of a remote provider: path, limits, request fields and response shape, as one frozen record each.

A record describes both directions. A client writes requests (`body`) and reads responses (`read`); `refimpl serve`
parses requests (by `request_fields`, which are those of the `*_field` names and `fields`) and writes responses
(`write`). For a provider whose JSON has another shape, a subclass of the service overrides `read` and `write`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal
from urllib.parse import quote, urlsplit
from uuid import uuid4

from jaxtyping import Float
from scipy.sparse import csr_array

from refimpl.base import RerankResult
from refimpl.common.types import Array
from refimpl.providers import reading, writing
from refimpl.providers.fields import Field, Served, Values, at_least, choice, flag, only, text, whole
from refimpl.providers.requests import EmbedRequest, RerankRequest, Token

Kind = Literal["document", "query", "text"]
"""What a text is: providers encode queries and documents differently; "text" is a plain call of the function."""

ScoreKind = Literal["probability", "logit", "unknown"]
Options = Mapping[str, Any]
CHECK_TEXTS = 128  # maximum per request of `refimpl check`
ONE_WIDTH = "this model's vectors do not shorten"
MODEL = "{model}"
"""The place of the model in the path of an API that has it there."""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A path that takes POST requests, as a client calls it and `refimpl serve` answers it.

    Attributes
    ----------
    path
        Path below the server's address, its version included, such as "/v1/rerank"; with "{model}" where the API has
        the model in its path.
    extra_paths
        Further paths under which `refimpl serve` offers this service.
    other_names
        Other last path segments that mark an address as complete.
    version_only_without_path
        Insert the version only into an address without a path, as OpenAI's SDK does.
    texts_field, truncate_field
        Names of the request's fields for the texts and for truncation (None: the API has none).
    token_limit_field
        Name of the request's field for the number of tokens after which texts are truncated.
    takes_objects, takes_ids
        Whether a text may be an object with its `text`, and whether token ids may be sent in place of texts.
    fields
        Further fields of requests to `refimpl serve`, and those that replace one of a `*_field` name.
    no_truncation_value, truncates_by_default
        Value of `truncate_field` with which a text that is too long is an error; whether such a text is truncated when
        the field is absent.
    empty_text_status
        HTTP status of the response to an empty text.
    sends_model
        Whether requests name the model.
    max_texts, max_bytes
        Limits of one request: number of texts, and bytes of the texts as JSON (None: no limit is documented).
    options
        Further fields of a client's requests; options of a call replace them.
    check_options
        Further fields of the requests of `refimpl check`, which does not use a service where they are None.
    """

    task: ClassVar[str]
    path: str
    extra_paths: tuple[str, ...] = ()
    other_names: tuple[str, ...] = ()
    version_only_without_path: bool = False
    texts_field: str
    truncate_field: str | None = None
    token_limit_field: str | None = None
    takes_objects: bool = False
    takes_ids: bool = False
    fields: tuple[Field, ...] = ()
    no_truncation_value: bool | str = False
    truncates_by_default: bool = True
    empty_text_status: int = 400
    sends_model: bool = True
    max_texts: int
    max_bytes: int | None = None
    options: Options = field(default_factory=dict)
    check_options: Options | None = field(default_factory=dict)

    @property
    def version(self) -> str | None:
        """API version in the path, such as "v1"; None where it has none."""
        first, *rest = self.path.strip("/").split("/")
        return first if rest else None

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path under which `refimpl serve` offers this service."""
        return self.path, *self.extra_paths

    @property
    def names(self) -> tuple[str, ...]:
        """Last path segments that mark an address as complete."""
        return self.path.rsplit("/", 1)[-1], *self.other_names

    @property
    def check_texts(self) -> int:
        """Maximum number of texts in one request of `refimpl check`."""
        return min(self.max_texts, CHECK_TEXTS)

    def url(self, base_url: str, model: str = MODEL) -> str:
        """`base_url` completed to this service's path for `model`; a complete address is unchanged."""
        return self.for_model(self._completed(base_url), model)

    def for_model(self, path: str, model: str) -> str:
        """`path` with the model in the place that it has in the path, if any."""
        return path if model == MODEL else path.replace(MODEL, quote(model, safe=""))

    def flattened(self, values: Values) -> Values:
        """The `values` of a request's fields with a list of str as its texts, for an API that nests them.

        Raises RequestRefused for what `body` does not write.
        """
        return values

    def _completed(self, base_url: str) -> str:
        if not isinstance(base_url, str):
            raise TypeError(f"base_url must be a str, got {type(base_url).__name__}")
        url = base_url.rstrip("/")
        last = url.rsplit("/", 1)[-1]
        if last in self.names:
            return url
        path_given = self.version_only_without_path and urlsplit(base_url).path not in ("", "/")
        if self.version is None or not (last in ("v1", "v2", self.version) or path_given):
            return url + self.path
        return url + self.path.removeprefix(f"/{self.version}")

    def request_fields(self, served: Served) -> dict[str, Field]:
        """The fields that a request to `refimpl serve` may have, by name."""
        fields = [*self._named_fields(served), *self.fields]
        return {field.name: field for field in fields}

    def _model(self, model: str) -> dict[str, Any]:
        return {"model": model} if self.sends_model else {}

    def _named_fields(self, served: Served) -> list[Field]:
        """The fields of the `*_field` names."""
        fields = [text("model")] if self.sends_model else []
        if self.truncate_field is not None:
            fields.append(flag(self.truncate_field, "truncate"))
        if self.token_limit_field is not None:
            reason = "the model reads no more tokens, and texts are not truncated to fewer"
            fields.append(at_least(self.token_limit_field, served.max_length, reason))
        return [self._texts(served), *fields]

    def _texts(self, served: Served) -> Field:
        one = text_schema(served, 1)
        items = {"anyOf": [one, text_object(one)]} if self.takes_objects else one
        several: list[Any] = [one, {"type": "array", "items": items, "minItems": 1, "maxItems": served.max_texts}]
        if self.takes_ids:
            ids = ids_schema(served)
            several += [ids, {"type": "array", "items": ids, "minItems": 1, "maxItems": served.max_texts}]
        return Field(name=self.texts_field, schema={"anyOf": several}, expected="texts", role="texts", required=True)


def text_schema(served: Served, least: int) -> dict[str, Any]:
    """JSON Schema of a text of at least `least` characters."""
    return {"type": "string", "minLength": least, "maxLength": served.max_chars}


def text_object(one: Mapping[str, Any]) -> dict[str, Any]:
    """JSON Schema of an object whose `text` has the schema `one`."""
    return {"type": "object", "properties": {"text": one}, "required": ["text"]}


def ids_schema(served: Served) -> dict[str, Any]:
    """JSON Schema of the token ids of one text."""
    id_schema = {"type": "integer", "minimum": 0, "maximum": served.vocab - 1}
    return {"type": "array", "items": id_schema, "minItems": 1}


@dataclass(frozen=True, kw_only=True)
class EmbeddingService(Endpoint):
    """Embedding of texts; the response is OpenAI's: entries with an index under `data`.

    `kind_field` is set from `kinds`, or else from the option of that name (None: it is never sent). `widths` contains
    the documented widths of each model, the default first; `shortens` is
    whether any model's vectors shorten. `token_paths` are the key paths under which a response may
    contain its token count. `keyed_by_encoding` is True where a response has its vectors under the name of the
    requested encoding.
    """

    task: ClassVar[str] = "embed"
    texts_field: str = "input"
    kind_field: str | None = None
    kinds: Mapping[Kind, str] = field(default_factory=dict)
    encoding_field: str | None = None
    keyed_by_encoding: bool = False
    width_field: str | None = "dimensions"
    shortens: bool = False
    widths: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    token_paths: tuple[tuple[str, ...], ...] = (("usage", "total_tokens"), ("usage", "prompt_tokens"))

    def body(self, model: str, texts: Sequence[str], kind: Kind, options: Options) -> dict[str, Any]:
        """The request for the vectors of `texts`; options that are None are left to the server."""
        fields = {**self._model(model), self.texts_field: list(texts), **options}
        if self.kind_field is not None and fields.get(self.kind_field, "") is not None:
            fields[self.kind_field] = self.kinds.get(kind, options.get(self.kind_field))
        return {name: value for name, value in fields.items() if value is not None}

    def _named_fields(self, served: Served) -> list[Field]:
        fields = super()._named_fields(served)
        if self.kind_field is not None:
            fields.append(choice(self.kind_field, *self.kinds.values()) if self.kinds else text(self.kind_field))
        if self.encoding_field is not None:
            fields.append(choice(self.encoding_field, "float", "base64", role="encoding"))
        if self.width_field is not None and self.shortens:
            fields.append(whole(self.width_field, "width", most=served.dim))
        elif self.width_field is not None:
            fields.append(only(self.width_field, served.dim, ONE_WIDTH))
        return fields

    def read(self, answer: Any, texts: int, server: str) -> Float[Array, "texts dim"]:
        """One row per text; ProtocolError for any other response."""
        return reading.indexed_vectors(answer, texts, server)

    def write(self, request: EmbedRequest, vectors: Array, tokens: int, model: str) -> Any:
        """The response that `read` parses; `tokens` is the number of tokens encoded.

        Its id, which OpenAI's responses have not, is vLLM's and Mistral's: Mistral's SDK requires one.
        """
        rows = writing.encoded(vectors, request.encodings[0], base64=request.base64)
        data = [{"object": "embedding", "index": i, "embedding": row} for i, row in enumerate(rows)]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return {"id": f"embd-{uuid4().hex}", "object": "list", "data": data, "model": model, "usage": usage}


@dataclass(frozen=True, kw_only=True)
class RerankService(Endpoint):
    """Scoring of documents for a query; the response is Jina's: entries with an index under `results`.

    `score_kind` is the kind of score that a server other than the provider's own returns.
    """

    task: ClassVar[str] = "rerank"
    texts_field: str = "documents"
    takes_objects: bool = True
    top_n_field: str | None = "top_n"
    echo_field: str | None = None
    echoes_by_default: bool = False
    score_kind: ScoreKind = "unknown"

    def _named_fields(self, served: Served) -> list[Field]:
        fields = super()._named_fields(served)
        if self.top_n_field is not None:
            fields.append(whole(self.top_n_field, "top_n"))
        if self.echo_field is not None:
            fields.append(flag(self.echo_field, "echo"))
        schema = {**text_schema(served, 1), "pattern": r"\S"}
        return [Field(name="query", schema=schema, expected="a string", role="query", required=True), *fields]

    def _texts(self, served: Served) -> Field:
        one = text_schema(served, 0)
        items = {"anyOf": [one, text_object(one)]} if self.takes_objects else one
        schema = {"type": "array", "items": items, "minItems": 1, "maxItems": served.max_texts}
        return Field(name=self.texts_field, schema=schema, expected="texts", role="texts", required=True)

    def body(
        self, model: str, query: str, documents: Sequence[str], top_n: int | None, options: Options
    ) -> dict[str, Any]:
        """The request for the best `top_n` of `documents` (None: all)."""
        fields = {**self._model(model), "query": query, self.texts_field: list(documents), **options}
        if self.top_n_field is not None and top_n is not None:
            fields[self.top_n_field] = top_n
        return fields

    def read(self, answer: Any, documents: int, at_least: int, server: str) -> dict[int, float]:
        """Score by document index; ProtocolError for any other response."""
        return reading.read_scores(answer, documents, at_least, server)

    def write(self, request: RerankRequest, results: Sequence[RerankResult], tokens: int, model: str) -> Any:
        """The response that `read` parses."""
        entries = writing.rerank_entries(results, lambda text: {"document": {"text": text}}, echo=request.echo)
        return {**writing.rerank_head(model, tokens), "results": entries}


@dataclass(frozen=True, kw_only=True)
class SparseService(Endpoint):
    """Sparse vectors of texts, in TEI's format: a list of `{index, value}` per text."""

    task: ClassVar[str] = "splade"

    def body(self, texts: Sequence[str]) -> dict[str, Any]:
        """The request for the sparse vectors of `texts`."""
        return {self.texts_field: list(texts), **self.options}

    def write(self, rows: csr_array) -> list[Any]:
        """The response for canonical `csr_array (texts, vocab)`, columns ascending."""
        return writing.sparse_entries(rows)


@dataclass(frozen=True, kw_only=True)
class TokenService(Endpoint):
    """Token ids of texts, the response being llama.cpp's: ids under `tokens`.

    `one_text` is True for an API that accepts a single str per request; `special_field` is the request's field for
    special tokens, which are added by default where `special_by_default`.
    """

    task: ClassVar[str] = "tokens"
    one_text: bool = False
    special_field: str
    special_by_default: bool

    def body(self, texts: Sequence[str]) -> dict[str, Any]:
        """The request for the token ids of `texts`."""
        return {self.texts_field: texts[0] if self.one_text else list(texts), **self.options}

    def write(self, texts: Sequence[Sequence[Token]]) -> Any:
        """The response: the ids of the one text."""
        return {"tokens": [token.id for token in texts[0]]}

    def _named_fields(self, served: Served) -> list[Field]:
        return [*super()._named_fields(served), flag(self.special_field, "special")]

    def _texts(self, served: Served) -> Field:
        if not self.one_text:
            return super()._texts(served)
        schema = text_schema(served, 0)
        return Field(name=self.texts_field, schema=schema, expected="a string", role="texts", required=True)
