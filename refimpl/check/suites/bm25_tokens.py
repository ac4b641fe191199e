"""A BM25's own tokens in an answer: parsing, the texts and expected scores that they give, how they differ."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from jaxtyping import Float

from refimpl.check.targets.base import AnswerError, UnsupportedError
from refimpl.common.types import Array

TokenLists = tuple[tuple[str, ...], ...]
FORM = '{"corpus": [["a", "token"], ...], "queries": [...]}'
SHOWN = 12  # tokens in a message


@dataclass(frozen=True)
class TokenAnswer:
    """The tokens of each document and query, and the scores `(queries, docs)`; None where they alone were answered."""

    corpus: TokenLists
    queries: TokenLists
    scores: Float[Array, "queries docs"] | None


Answer = Float[Array, "queries docs"] | TokenAnswer


def scores_of(answer: Answer) -> Float[Array, "queries docs"]:
    """The scores of an answer; UnsupportedError where it has tokens alone."""
    scores = answer.scores if isinstance(answer, TokenAnswer) else answer
    if scores is None:
        raise UnsupportedError("the target answers tokens without scores")
    return scores


def parse_tokens(value: Mapping[str, Any], tokens: Any, where: str) -> tuple[TokenLists, TokenLists]:
    """The tokens of documents and queries of the input `value`; AnswerError for another form or number."""
    if not isinstance(tokens, Mapping):
        raise AnswerError(f"{where}: expected tokens {FORM}, got {type(tokens).__name__}")
    return _lists(value, tokens, "corpus", where), _lists(value, tokens, "queries", where)


def _lists(value: Mapping[str, Any], tokens: Mapping[str, Any], name: str, where: str) -> TokenLists:
    lists = tokens.get(name)
    if not isinstance(lists, list | tuple) or len(lists) != len(value[name]):
        got = len(lists) if isinstance(lists, list | tuple) else type(lists).__name__
        raise AnswerError(f"{where}: expected {len(value[name])} lists of tokens in {name}, got {got}: one per text")
    return tuple(_tokens(one, name, where) for one in lists)


def _tokens(tokens: Any, name: str, where: str) -> tuple[str, ...]:
    if not isinstance(tokens, list | tuple):
        raise AnswerError(f"{where}: expected a list of tokens for each text of {name}, got {type(tokens).__name__}")
    for token in tokens:
        if isinstance(token, bool) or not isinstance(token, str | Integral):
            raise AnswerError(f"{where}: expected strings or integers as tokens in {name}, got {type(token).__name__}")
    return tuple(map(str, tokens))


def joined(tokens: TokenLists) -> tuple[str, ...]:
    """Texts that whitespace separates into these tokens: an empty token is U+2400, whitespace within one U+2423."""
    return tuple(" ".join("".join("␣" if c.isspace() else c for c in token) or "␀" for token in one) for one in tokens)


def split_otherwise(value: Mapping[str, Any], answer: TokenAnswer) -> list[str]:
    """Each text of the input `value` whose tokens are not those at whitespace: where, what was expected and given."""
    found = []
    for name, lists, what in (("queries", answer.queries, "query"), ("corpus", answer.corpus, "document")):
        for number, (text, tokens) in enumerate(zip(value[name], lists, strict=True)):
            expected = text.split()
            if list(tokens) != expected:
                found.append(f"{what} {number}: {_difference(expected, list(tokens))}")
    return found


def _difference(expected: Sequence[str], got: Sequence[str]) -> str:
    """Both lists from their first difference on."""
    pairs = zip(expected, got, strict=False)
    start = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(expected), len(got)))
    place = f" from token {start} on" if start else ""
    return f"expected {_shown(expected[start:])}{place}, got {_shown(got[start:])}"


def _shown(tokens: Sequence[str]) -> str:
    more = f" and {len(tokens) - SHOWN} more" if len(tokens) > SHOWN else ""
    return f"{list(tokens[:SHOWN])}{more}"


def differences(inputs: Mapping[str, Any], answers: Mapping[str, Any]) -> str | None:
    """How the answered tokens differ from those at whitespace, in a sentence; None where none differs.

    An analyzer of refimpl is named that splits every text as the target does.
    """
    given = {name: one for name, one in answers.items() if isinstance(one, TokenAnswer)}
    found = {name: split_otherwise(inputs[name], one) for name, one in given.items()}
    if not any(found.values()):
        return None
    texts = sum(len(one.corpus) + len(one.queries) for one in given.values())
    name, first = next((name, lines[0]) for name, lines in found.items() if lines)
    same = list(_analyzers_of(inputs, given))
    words = f"{sum(map(len, found.values()))} of {texts} texts are split otherwise than at whitespace; "
    return words + f"case {name}, {first}" + (f"; all as {' or '.join(same)} splits them" if same else "")


def _analyzers_of(inputs: Mapping[str, Any], given: Mapping[str, TokenAnswer]) -> Iterator[str]:
    from refimpl.diagnosis.bm25_hypotheses import ANALYSIS

    for hypothesis in ANALYSIS:
        analyze = hypothesis.apply.values["analyzer"]()
        if all(list(analyze(text)) == list(tokens) for text, tokens in _pairs(inputs, given)):
            yield hypothesis.name


def _pairs(inputs: Mapping[str, Any], given: Mapping[str, TokenAnswer]) -> Iterable[tuple[str, tuple[str, ...]]]:
    for name, one in given.items():
        yield from zip(inputs[name]["corpus"], one.corpus, strict=True)
        yield from zip(inputs[name]["queries"], one.queries, strict=True)


def finite(answer: Answer) -> bool:
    """Whether it has scores, and all are finite numbers."""
    scores = answer.scores if isinstance(answer, TokenAnswer) else answer
    return scores is not None and bool(scores.size) and bool(np.isfinite(scores).all())
