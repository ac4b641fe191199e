"""Parsers of requests, for `refimpl serve`: strict about each field, by the schemas of the service's record.

What is wrong with a request raises RequestRefused with the status and message for the client.
"""

import reprlib
from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator

from refimpl.providers.fields import Field, Served, Values
from refimpl.providers.provider import Provider
from refimpl.providers.requests import (
    DecodeRequest,
    EmbedRequest,
    RequestRefused,
    RerankRequest,
    SimilarityRequest,
    TokenizeRequest,
)
from refimpl.providers.services import EmbeddingService, Endpoint, RerankService, SparseService, TokenService

NAME_CHARS = 100  # of an unknown field's name in an error
ID = Draft202012Validator({"type": "integer", "minimum": 0, "maximum": (1 << 32) - 1})
BINARY = ("binary", "ubinary")


def field_values(body: Mapping[str, Any], fields: Mapping[str, Field], provider: Provider) -> Values:
    """The value of each field that has a role, and is not null.

    Raises RequestRefused for a value that is not allowed, and, where the provider does not ignore them, for unknown
    fields. Values of a required field that is no object are not checked.
    """
    unknown = next((name for name in body if name not in fields), None)
    if unknown is not None and provider.unknown_field is not None:
        status, message = provider.unknown_field
        raise RequestRefused(status, message.format(name=unknown[:NAME_CHARS]))
    values: Values = {}
    for field in fields.values():
        value = body.get(field.name)
        if value is None and not field.required:
            continue
        value = _checked(value, field, provider)
        if field.role is not None:
            values[field.role] = value
    return values


def _checked(value: Any, field: Field, provider: Provider) -> Any:
    """`value`, or the values of its fields by role; RequestRefused for a value that is not allowed."""
    listed = isinstance(value, list)
    objects = value if listed else [value]
    if field.fields and field.many == listed and all(isinstance(one, dict) for one in objects):
        fields = {one.name: one for one in field.fields}
        nested = [field_values(one, fields, provider) for one in objects]
        return nested if listed else nested[0]
    if (field.fields or not field.required) and not Draft202012Validator(field.schema).is_valid(value):
        reason = f": {field.reason}" if field.reason else ""
        got = reprlib.repr(value)
        raise RequestRefused(provider.invalid_status, f"{field.name} must be {field.expected}{reason}, got {got}")
    return value


def embed_request(service: EmbeddingService | SparseService, values: Values, served: Served) -> EmbedRequest:
    """An embedding request for `service` with the `values` of its fields; one text is a list of it."""
    name, given = service.texts_field, values["texts"]
    ids = token_ids(given, name, served) if service.takes_ids and is_ids(given) else []
    texts = [] if ids else text_list([given] if isinstance(given, str) else given, service, served.max_texts)
    if any(not text for text in texts):
        raise RequestRefused(service.empty_text_status, f"{name} must not hold an empty string")
    truncate, direction = _truncation(service, values)
    encodings, base64 = _encodings(values, by_type=isinstance(service, EmbeddingService) and service.keyed_by_encoding)
    width = values.get("width")
    return EmbedRequest(
        texts,
        ids,
        truncate,
        direction,
        None if width is None else int(width),
        values.get("normalize", True),
        encodings,
        base64,
        by_type="encoding" in values,
    )


def rerank_request(service: RerankService, values: Values, served: Served, *, echo: bool) -> RerankRequest:
    """A rerank request for `service` with the `values` of its fields.

    `echo` is whether texts are sent back where the request does not state it.
    """
    query = text_of(values["query"], "query")
    if not query.strip():
        raise RequestRefused(422, "query must not be empty")
    top_n = values.get("top_n")
    return RerankRequest(
        query,
        text_list(values["texts"], service, served.max_texts),
        None if top_n is None else int(top_n),
        values.get("echo", echo),
        values.get("raw_scores", False),
        _truncation(service, values)[0],
    )


def similarity_request(service: Endpoint, values: Values, served: Served) -> SimilarityRequest:
    """A request for similarities."""
    name = service.texts_field
    inputs = json_object(values["texts"], name)
    source = text_of(inputs.get("source_sentence"), f"{name}.source_sentence")
    sentences: Any = inputs.get("sentences")
    check_list(sentences, f"{name}.sentences", "strings", served.max_texts)
    texts = [text_of(one, f"{name}.sentences[{index}]") for index, one in enumerate(sentences)]
    if not all([source, *texts]):
        raise RequestRefused(service.empty_text_status, f"{name} must not hold an empty string")
    return SimilarityRequest(source, texts, *_truncation(service, values.get("parameters", {})))


def tokenize_request(service: TokenService, values: Values, served: Served) -> TokenizeRequest:
    """A request for the tokens of texts; one text is a list of it."""
    given = values["texts"]
    texts = text_list([given] if isinstance(given, str) else given, service, served.max_texts)
    if not service.one_text and not all(texts):
        raise RequestRefused(service.empty_text_status, f"{service.texts_field} must not hold an empty string")
    return TokenizeRequest(texts, values.get("special", service.special_by_default))


def decode_request(service: Endpoint, values: Values, served: Served) -> DecodeRequest:
    """A request for the texts of token ids, which are one list or several."""
    ids = token_ids(values["texts"], service.texts_field, served)
    most = max(map(max, ids))
    if most >= served.vocab:
        raise RequestRefused(422, f"{service.texts_field} must be below {served.vocab}, got {most}")
    return DecodeRequest(ids, not values.get("skip_special", True))


def json_object(body: Any, name: str = "the body") -> dict[str, Any]:
    """`body`, which must be a JSON object."""
    if not isinstance(body, dict):
        raise RequestRefused(422, f"{name} must be a JSON object, got {type(body).__name__}")
    return body


def text_list(value: Any, service: Endpoint, max_texts: int) -> list[str]:
    """`value`, which must be a list of 1 to `max_texts` texts, or where the service has them objects with a `text`."""
    name = service.texts_field
    check_list(value, name, "strings", max_texts)
    objects = service.takes_objects
    return [
        text_of(item.get("text") if objects and isinstance(item, dict) else item, f"{name}[{index}]")
        for index, item in enumerate(value)
    ]


def check_list(value: Any, name: str, items: str, most: int) -> None:
    """Raise RequestRefused unless `value` is a list of 1 to `most` items."""
    if not isinstance(value, list):
        raise RequestRefused(422, f"{name} must be a list of {items}, got {type(value).__name__}")
    if not value:
        raise RequestRefused(400, f"{name} must not be empty")
    if len(value) > most:
        raise RequestRefused(422, f"{name} may hold {most} texts, got {len(value)}: send them in several requests")


def text_of(value: Any, name: str) -> str:
    """`value`, which must be Unicode text."""
    if not isinstance(value, str):
        raise RequestRefused(422, f"{name} must be a string, got {type(value).__name__}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise RequestRefused(422, f"{name} holds a lone surrogate, which is no Unicode text") from None
    return value


def is_ids(value: Any) -> bool:
    """Whether `value` begins as the token ids of one text or of several."""
    first = value[0] if isinstance(value, list) and value else None
    return isinstance(first, list) or (isinstance(first, int | float) and not isinstance(first, bool))


def token_ids(value: Any, name: str, served: Served) -> list[tuple[int, ...]]:
    """The token ids of each text in `value`, which is one list of ids or a list of such lists."""
    check_list(value, name, "token ids", served.max_texts if isinstance(value, list) and _nested(value) else 1 << 20)
    texts = value if _nested(value) else [value]
    for text in texts:
        if not isinstance(text, list) or not text:
            raise RequestRefused(422, f"{name} must hold lists of token ids, got {reprlib.repr(text)}")
        wrong = [one for one in text if not ID.is_valid(one)]
        if wrong:
            raise RequestRefused(422, f"{name} must hold token ids, got {reprlib.repr(wrong[0])}")
    return [tuple(map(int, text)) for text in texts]


def _nested(value: list[Any]) -> bool:
    return bool(value) and isinstance(value[0], list)


def _truncation(service: Endpoint, values: Values) -> tuple[bool, str]:
    """Whether texts that are too long are truncated, and at which end."""
    given = values.get("truncate", service.truncates_by_default)
    if isinstance(given, str):  # Cohere's field gives both
        return given != service.no_truncation_value, "left" if given == "START" else "right"
    return given, values.get("direction", "right").lower()


def _encodings(values: Values, *, by_type: bool) -> tuple[tuple[str, ...], bool]:
    """The types of the numbers, and whether they are encoded as base64."""
    given = values.get("encoding", "float")
    names = tuple(dict.fromkeys(given)) if isinstance(given, list) else (given,)
    if by_type:
        return names, False
    kind = names[0] if names[0] in BINARY else values.get("type", "float")
    return (kind,), names[0] == "base64"
