"""Fields of requests: which values `refimpl serve` accepts, and which setting of a request each field gives.

A field is honoured (it has a role), without effect (it has none, and changes no number at the provider either, or none
with a model of one encoding for every text), or refused for all values but those of its schema. The served OpenAPI
description is made of the same schemas.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]
Values = dict[str, Any]
"""The values of a request's fields that are not null, by role."""
BOOLEAN: Schema = {"type": "boolean"}
NO_CALIBRATION = "the ranges by which int8 and uint8 are rounded are the provider's own"


@dataclass(frozen=True)
class Served:
    """What the server's models and limits allow in a request.

    `dim` is the width of the vectors, `max_length` the tokens that the encoder reads, `vocab` its number of token ids;
    `max_texts` and `max_chars` limit the texts of a request and the characters of a text.
    """

    dim: int
    max_length: int
    vocab: int
    max_texts: int
    max_chars: int


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of a request; null is the same as leaving it out.

    Attributes
    ----------
    name
        Its name in the JSON.
    schema
        JSON Schema of the values that are accepted.
    expected
        The same in words, for the error of other values.
    role
        The setting of a request that it gives, such as "truncate"; None: it has no effect.
    required
        Whether a request must have it.
    reason
        Why other values, which the provider documents, are refused.
    fields
        The fields of an object, or of each object of a list where `many`; the value is that of their roles.
    """

    name: str
    schema: Schema
    expected: str
    role: str | None = None
    required: bool = False
    reason: str = ""
    fields: tuple["Field", ...] = ()
    many: bool = False


def flag(name: str, role: str | None = None) -> Field:
    """A field that is true or false."""
    return Field(name=name, schema=BOOLEAN, expected="true or false", role=role)


def whole(name: str, role: str | None = None, least: int = 1, most: int | None = None) -> Field:
    """A whole number of at least `least` and, unless it is None, at most `most`."""
    schema = {"type": "integer", "minimum": least} | ({} if most is None else {"maximum": most})
    end = f"{least} or more" if most is None else f"{least} to {most}"
    return Field(name=name, schema=schema, expected=f"a whole number, {end}", role=role)


def text(name: str) -> Field:
    """A string without effect, such as the name of a model or user."""
    return Field(name=name, schema={"type": "string"}, expected="a string")


def choice(name: str, *values: str, role: str | None = None, reason: str = "") -> Field:
    """One of `values`."""
    return Field(name=name, schema={"enum": list(values)}, expected=_words(values), role=role, reason=reason)


def choices(name: str, *values: str, role: str, most: int | None = None, reason: str = "") -> Field:
    """One of `values`, or a list of at least one and at most `most` of them."""
    listed = {"type": "array", "items": {"enum": list(values)}, "minItems": 1, "maxItems": most or len(values)}
    schema = {"anyOf": [{"enum": list(values)}, listed]}
    return Field(name=name, schema=schema, expected=_words(values), role=role, reason=reason)


def only(name: str, value: Any, reason: str) -> Field:
    """A field of which `value` alone is supported, which changes nothing; None: only null."""
    return Field(name=name, schema={"const": value}, expected=json.dumps(value), reason=reason)


def at_least(name: str, least: int, reason: str) -> Field:
    """A limit that has no effect from `least` on, and is refused below."""
    return Field(name=name, schema={"type": "integer", "minimum": least}, expected=f"{least} or more", reason=reason)


def group(name: str, role: str, *fields: Field) -> Field:
    """An object of further fields."""
    return Field(name=name, schema=object_schema(fields), expected="a JSON object", role=role, fields=fields)


def object_schema(fields: Iterable[Field]) -> dict[str, Any]:
    """JSON Schema of an object with those fields."""
    fields = list(fields)
    return {
        "type": "object",
        "properties": {one.name: dict(one.schema) if one.required else nullable(one.schema) for one in fields},
        "required": [one.name for one in fields if one.required],
    }


def nullable(schema: Schema) -> dict[str, Any]:
    """The schema of the same values and null."""
    return {"anyOf": [dict(schema), {"type": "null"}]}


def _words(values: tuple[str, ...]) -> str:
    *first, last = map(repr, values)
    return f"{', '.join(first)} or {last}" if first else last
