"""What every embedding function and reranker looks like from outside, and how each checks its texts."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class EmbeddingFunction(Protocol):
    """Texts to vectors, with pymilvus.model's method names.

    Dense functions return `float32 (texts, dim)`; sparse ones a canonical `scipy.sparse.csr_array (texts, dim)`.
    """

    @property
    def dim(self) -> int:
        """Number of columns of every vector."""
        ...

    def encode_documents(self, documents: Sequence[str]) -> Any:
        """One row a document, in input order."""
        ...

    def encode_queries(self, queries: Sequence[str]) -> Any:
        """One row a query, in input order."""
        ...


@dataclass(frozen=True)
class RerankResult:
    """One document as a reranker placed it: its text, its score (higher is better) and its index in the input."""

    text: str
    score: float
    index: int

    def to_dict(self) -> dict[str, Any]:
        """The three fields as a plain dict."""
        return {"text": self.text, "score": self.score, "index": self.index}


@runtime_checkable
class RerankFunction(Protocol):
    """A query and its candidate documents to the best `top_k`, best first."""

    def __call__(self, query: str, documents: Sequence[str], top_k: int | None = 5) -> list[RerankResult]:
        """Results by score descending, then index ascending; `top_k=None` returns all."""
        ...


def check_texts(texts: object, name: str) -> list[str]:
    """`texts` as a list of str, or a TypeError that names the argument and what to do."""
    if isinstance(texts, str):
        raise TypeError(f"{name} must be a list of str, got one str: wrap it in a list, [{_shown(texts)}]")
    if isinstance(texts, bytes | bytearray) or not isinstance(texts, Iterable):
        raise TypeError(f"{name} must be a list of str, got {type(texts).__name__}: {_remedy(texts)}")
    if isinstance(texts, Mapping | set | frozenset):  # keys for texts, or texts in an order that nobody chose
        raise TypeError(f"{name} must be a list of str, got {type(texts).__name__}: {_remedy(texts)}")
    checked = list(texts)
    if wrong := [i for i, text in enumerate(checked) if not isinstance(text, str)]:
        first = checked[wrong[0]]
        raise TypeError(f"{name}[{wrong[0]}] must be a str, got {type(first).__name__}: {_remedy(first)}")
    return checked


def check_text(text: object, name: str) -> None:
    """Raise TypeError unless `text`, which may be empty, is a str."""
    if not isinstance(text, str):
        raise TypeError(f"{name} must be a str, '' for none, got {type(text).__name__}")


def check_encodable(texts: list[str], name_of: Callable[[int], str]) -> None:
    """Raise ValueError for a lone surrogate, which UTF-8 cannot carry; which text holds it is asked only then."""
    try:
        "\n".join(texts).encode()
    except UnicodeEncodeError:
        index, place = next((i, p) for i, text in enumerate(texts) if (p := _surrogate(text)) is not None)
        raise ValueError(
            f"{name_of(index)} holds a lone surrogate at position {place}, which UTF-8 cannot carry: "
            "mend it with .encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')"
        ) from None


def _surrogate(text: str) -> int | None:
    return next((i for i, letter in enumerate(text) if "\ud800" <= letter <= "\udfff"), None)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")


def _remedy(value: object) -> str:
    if isinstance(value, bytes | bytearray):
        return "decode it first, for example with .decode('utf-8')"
    if value is None:
        return "leave missing texts out, or give '' for an empty one"
    if isinstance(value, Mapping):
        return "choose its keys with list(d) or its values with list(d.values())"
    if isinstance(value, set | frozenset):
        return "its order is nobody's choice: make a list of it, for example with sorted()"
    return "convert it with str() if that is its text"
