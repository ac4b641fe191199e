"""Requests as `refimpl serve` parses them: from the fields of any provider, strictly."""

from dataclasses import dataclass, field


class RequestRefused(Exception):
    """A request that is not answered: an HTTP status, a message and headers for the client."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


@dataclass(frozen=True)
class EmbedRequest:
    """An embedding request as `refimpl serve` parsed it.

    Attributes
    ----------
    texts, ids
        The texts or, instead of them, the token ids of each text; the other one is empty.
    truncate, direction
        Whether texts that are too long are truncated, and at which end: "right" or "left".
    width, normalize
        Numbers that are kept of each vector (None: all), and whether it is then divided by its length.
    encodings, base64
        Types of the numbers, of which only an API that keys vectors by type has several; whether they are encoded as
        base64.
    by_type
        Whether vectors are keyed by type.
    """

    texts: list[str]
    ids: list[tuple[int, ...]] = field(default_factory=list)
    truncate: bool = True
    direction: str = "right"
    width: int | None = None
    normalize: bool = True
    encodings: tuple[str, ...] = ("float",)
    base64: bool = False
    by_type: bool = False


@dataclass(frozen=True)
class RerankRequest:
    """A rerank request as `refimpl serve` parsed it; `top_n` None means all."""

    query: str
    documents: list[str]
    top_n: int | None
    echo: bool
    raw_scores: bool
    truncate: bool


@dataclass(frozen=True)
class SimilarityRequest:
    """A request for the cosine of `source` and each of `sentences`."""

    source: str
    sentences: list[str]
    truncate: bool
    direction: str


@dataclass(frozen=True)
class TokenizeRequest:
    """A request for the tokens of `texts`, with special tokens or without."""

    texts: list[str]
    special: bool


@dataclass(frozen=True)
class DecodeRequest:
    """A request for the texts of token ids, with special tokens or without."""

    ids: list[tuple[int, ...]]
    special: bool


@dataclass(frozen=True)
class Token:
    """A token of a text: its id, spelling and, except for a special token, its characters `start` to `stop`."""

    id: int
    text: str
    special: bool
    start: int | None
    stop: int | None
