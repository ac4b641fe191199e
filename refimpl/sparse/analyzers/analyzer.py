"""A text to its terms: character filters, one tokenizer, token filters, in this order."""

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
        """The text as the tokenizer is to see it."""
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
        """The tokens that remain, as they remain."""
        ...


class Analyzer:
    """Call it with a text to get its list of terms; it pickles, and two with equal `fingerprint` give equal terms.

    Steps of your own need the methods of `CharFilter`, `Tokenizer` or `Filter`.
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
        self._one_by_one = [f for f in self.filters if isinstance(f, TokenFilter)]
        self._memo: Memo[str | None] = Memo(self._filtered)
        whole = len(self._one_by_one) < len(self.filters)
        self.term: Callable[[str], str | None] | None = None if whole else self._memo.__getitem__
        """What the filters make of one token, None where they drop it; None where a filter looks at more than one."""

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
        steps = [_described(step) for step in (*self.preprocessors, self.tokenizer, *self.filters)]
        return f"{self.name}:{hashlib.sha256(json.dumps(steps, sort_keys=True).encode()).hexdigest()[:16]}"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name, self.tokenizer, self.preprocessors, self.filters)

    def _filtered(self, token: str) -> str | None:
        kept: str | None = token
        for each in self._one_by_one:
            if kept is None:
                return None
            kept = each.token(kept)
        return kept


def _described(step: object) -> dict[str, object]:
    """A step by its class and settings; one of the user's own by its class and public plain attributes."""
    if isinstance(step, Step):
        return {"step": type(step).__name__, **step.settings}
    plain = (
        {key: repr(value) for key, value in vars(step).items() if not key.startswith("_")}
        if hasattr(step, "__dict__")
        else {}
    )
    return {"step": f"{type(step).__module__}.{type(step).__qualname__}", **plain}
