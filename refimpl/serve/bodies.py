"""Request bodies of the protocols, read strictly; what is wrong with one is said in a Refused."""

import math
from dataclasses import dataclass
from typing import Any


class Refused(Exception):
    """The request will not be answered: an HTTP status and a message for the client."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


@dataclass(frozen=True)
class RerankRequest:
    """What all rerank protocols ask for; `top_n` None means all."""

    query: str
    documents: list[str]
    top_n: int | None
    echo: bool
    raw_scores: bool
    truncate: bool


@dataclass(frozen=True)
class EmbedRequest:
    """What all embedding protocols ask for."""

    texts: list[str]
    normalize: bool
    truncate: bool
    base64: bool
    by_type: bool = False


def rerank_request(body: Any, *, most: int, echo: bool) -> RerankRequest:
    """Jina's, Cohere's, Voyage's or TEI's rerank body; `echo` is whether texts are sent back when it does not say.

    TEI's has `texts`, the others `documents`, as str or `{"text": str}`; `top_k` is Voyage's name of `top_n`.
    """
    fields = _object(body)
    tei = "texts" in fields
    name = "texts" if tei else "documents"
    query = _text(fields.get("query"), "query")
    if not query.strip():
        raise Refused(422, "query must not be empty")
    documents = _texts(fields.get(name), name, most)
    top_n = fields.get("top_k") if "top_k" in fields else fields.get("top_n")
    if top_n is not None and (isinstance(top_n, bool) or not isinstance(top_n, int) or top_n < 1):
        raise Refused(422, f"top_n must be a whole number, 1 or more, got {top_n!r}")
    return RerankRequest(
        query,
        documents,
        None if tei else top_n,
        _flag(fields, "return_text" if tei else "return_documents", echo and not tei),
        _flag(fields, "raw_scores", False),
        # TEI refuses what is too long unless told to cut it; the others cut unless told not to
        _flag(fields, "truncate" if tei else "truncation", not tei),
    )


def embed_request(body: Any, *, most: int, dim: int | None = None) -> EmbedRequest:
    """OpenAI's body (`input`), TEI's (`inputs`) or Cohere's (`texts`); one str stands for a list of it.

    `dim` is the one width that may be asked for; None for vectors that are as wide as the vocabulary, where no
    protocol has a field for it.
    """
    fields = _object(body)
    tei = "inputs" in fields
    name = "inputs" if tei else "texts" if "texts" in fields else "input"
    given = fields.get(name)
    texts = _texts([given] if isinstance(given, str) else given, name, most)
    if any(not text for text in texts):
        raise Refused(400 if not tei else 422, f"{name} must not hold an empty string")
    for width in ("dimensions", "output_dimension"):
        if dim is not None and fields.get(width) not in (None, dim):
            raise Refused(400, f"{width} must be {dim}: this model's vectors do not shorten, got {fields[width]!r}")
    return EmbedRequest(
        texts,
        _flag(fields, "normalize", True),
        _cuts(fields, name),
        base64=_encoding(fields) == "base64",
        by_type=fields.get("embedding_types") is not None,
    )


def _cuts(fields: dict[str, Any], name: str) -> bool:
    """Whether too long texts may be cut: TEI's and Jina's `truncate`, Voyage's `truncation`, Cohere's end to cut at."""
    if name == "texts":
        return fields.get("truncate") != "NONE"
    return _flag(fields, "truncation" if "truncation" in fields else "truncate", name == "input")


def _encoding(fields: dict[str, Any]) -> str:
    """Float or base64: under the name that OpenAI and Voyage have for it, Jina's, or Cohere's for a list of one."""
    name = next((n for n in ("embedding_types", "embedding_type", "encoding_format") if fields.get(n)), None)
    encoding = fields[name] if name else "float"
    if isinstance(encoding, list) and len(encoding) == 1:
        encoding = encoding[0]
    if encoding not in ("float", "base64"):
        raise Refused(400, f"{name} must be 'float' or 'base64', got {encoding!r}")
    return str(encoding)


def finite(value: Any) -> float:
    """A number for JSON, which has no NaN: a broken score is a server error, never an answer."""
    number = float(value)
    if not math.isfinite(number):
        raise Refused(500, "the model gave a number that is not finite")
    return number


def _object(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise Refused(422, f"the body must be a JSON object, got {type(body).__name__}")
    return body


def _texts(value: Any, name: str, most: int) -> list[str]:
    if not isinstance(value, list):
        raise Refused(422, f"{name} must be a list of strings, got {type(value).__name__}")
    if not value:
        raise Refused(400, f"{name} must not be empty")
    if len(value) > most:
        raise Refused(422, f"{name} may hold {most} texts, got {len(value)}: send them in several requests")
    return [_text(item, f"{name}[{index}]") for index, item in enumerate(value)]


def _text(value: Any, name: str) -> str:
    if isinstance(value, dict):
        value = value.get("text")
    if not isinstance(value, str):
        raise Refused(422, f"{name} must be a string, got {type(value).__name__}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Refused(422, f"{name} holds a lone surrogate, which is no Unicode text") from None
    return value


def _flag(fields: dict[str, Any], name: str, default: bool) -> bool:
    value = fields.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise Refused(422, f"{name} must be true or false, got {value!r}")
    return value
