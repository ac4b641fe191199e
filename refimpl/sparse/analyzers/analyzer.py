"""Analyzer: a text to its terms by character filters, one tokenizer and token filters, in this order."""

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

from refimpl.sparse.analyzers.memo import Memo
from refimpl.sparse.analyzers.steps import Step, TokenFilter


@runtime_checkable
class CharFilter(Protocol):
    """Text to text."""

    def apply(self, text: str) -> str:
        """The text for the tokenizer."""
        ...


@runtime_checkable
class Tokenizer(Protocol):
    """Text to tokens."""

    def tokenize(self, text: str) -> list[str]:
        """The tokens in order."""
        ...


@runtime_checkable
class Filter(Protocol):
    """Tokens to tokens."""

    def apply(self, tokens: list[str]) -> list[str]:
        """The filtered tokens."""
        ...


class Analyzer:
    """A callable from a text to its list of terms; picklable. Analyzers of equal `fingerprint` give equal terms.

    Parameters
    ----------
    name
        A label; part of the fingerprint.
    tokenizer, preprocessors, filters
        Objects with the methods of `Tokenizer`, `CharFilter` and `Filter`, of this package or of your own.

    Examples
    --------
    >>> from refimpl.sparse.analyzers.steps import LowercaseFilter, PatternTokenizer
    >>> Analyzer("mine", PatternTokenizer(), filters=[LowercaseFilter()])("The cat")
    ['the', 'cat']
    """

    def __init__(
        self,
        name: str,
        tokenizer: Tokenizer,
        preprocessors: Sequence[CharFilter] | None = None,
        filters: Sequence[Filter] | None = None,
    ) -> None:
        self.name = name
        self.tokenizer = tokenizer
        self.preprocessors = list(preprocessors or [])
        self.filters = list(filters or [])
        self._token_filters = [f for f in self.filters if isinstance(f, TokenFilter)]
        self._memo: Memo[str | None] = Memo(self._filtered)
        per_token = len(self._token_filters) == len(self.filters)
        self.term: Callable[[str], str | None] | None = self._memo.__getitem__ if per_token else None
        """One token through all filters, to None if they drop it; None if a filter needs more than one token."""

    def __call__(self, text: str) -> list[str]:
        """The terms of `text` in order; TypeError for anything but a str."""
        tokens = self.tokens(text)
        if self.term is not None:
            return [term for term in map(self.term, tokens) if term is not None]
        for each in self.filters:
            tokens = each.apply(tokens)
        return tokens

    def tokens(self, text: str) -> list[str]:
        """The tokens of `text` in order, before the filters; TypeError for anything but a str."""
        if not isinstance(text, str):
            raise TypeError(f"an analyzer takes one str, got {type(text).__name__}: {text!r:.60}")
        for preprocessor in self.preprocessors:
            text = preprocessor.apply(text)
        return self.tokenizer.tokenize(text)

    def __repr__(self) -> str:
        return f"Analyzer({self.fingerprint})"

    @cached_property
    def fingerprint(self) -> str:
        """The name, a colon, and 16 hex digits of the sha256 of all steps with their settings."""
        steps = [_description(step) for step in (*self.preprocessors, self.tokenizer, *self.filters)]
        return f"{self.name}:{hashlib.sha256(json.dumps(steps, sort_keys=True).encode()).hexdigest()[:16]}"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name, self.tokenizer, self.preprocessors, self.filters)

    def _filtered(self, token: str) -> str | None:
        filtered: str | None = token
        for each in self._token_filters:
            if filtered is None:
                return None
            filtered = each.token(filtered)
        return filtered


def _description(step: object) -> dict[str, object]:
    """A step's class and settings; for a class of the user's own, its public instance attributes."""
    if isinstance(step, Step):
        return {"step": type(step).__name__, **step.settings}
    attributes = (
        {key: repr(value) for key, value in vars(step).items() if not key.startswith("_")}
        if hasattr(step, "__dict__")
        else {}
    )
    return {"step": f"{type(step).__module__}.{type(step).__qualname__}", **attributes}
