"""Texts to term counts: what fitting, encoding and indexing have in common."""

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32, Int64
from scipy.sparse import csr_array

from refimpl.sparse.analyzers.analyzer import Analyzer

Analyze = Callable[[str], Sequence[str]]

TEXTS_A_TASK = 2000


@dataclass(frozen=True)
class TermIds:
    """Tokenised texts: each token as a number into `terms`, all texts in one packed array.

    `terms` are the distinct tokens by first occurrence, `ids (tokens,)` index them, `lengths (texts,)` count each
    text's tokens.
    """

    terms: list[str]
    ids: Int32[np.ndarray, " tokens"]
    lengths: Int64[np.ndarray, " texts"]

    def renumbered(self, vocabulary: Mapping[str, int]) -> Int32[np.ndarray, " tokens"]:
        """`ids` as `vocabulary` numbers them, -1 for a token that it does not hold."""
        if not self.terms:
            return self.ids
        return np.array([vocabulary.get(term, -1) for term in self.terms], np.int32)[self.ids]


def term_ids(token_lists: Iterable[Sequence[str]], term: Callable[[str], str | None] = str) -> TermIds:
    """Number the terms of each text by first occurrence; TypeError where a token list is not one of str.

    `term` gives what a token counts as, None for one to leave out; it is asked once for each different token.
    """
    numbers, ids, lengths = _Numbers(term), array("i"), array("q")
    for i, tokens in enumerate(token_lists):
        if isinstance(tokens, str | bytes):
            raise TypeError(f"token list {i} must be a list of str, got one {type(tokens).__name__}: {tokens!r:.60}")
        ids.extend(map(numbers.__getitem__, tokens))
        lengths.append(len(tokens))
    found, ends = np.frombuffer(ids, np.int32), np.cumsum(np.frombuffer(lengths, np.int64))
    kept = found >= 0
    upto = np.concatenate([[0], np.cumsum(kept)])
    return TermIds(list(numbers.terms), found[kept], np.diff(upto[ends], prepend=0))


class _Numbers(dict[str, int]):
    """Each token's term as a number into `terms`, -1 for one to leave out."""

    def __init__(self, term: Callable[[str], str | None]) -> None:
        super().__init__()
        self._term = term
        self.terms: dict[str, int] = {}

    def __missing__(self, token: str) -> int:
        if type(token) is not str:
            check_tokens([token])
        term = self._term(token)
        number = self[token] = -1 if term is None else self.terms.setdefault(term, len(self.terms))
        return number


def check_tokens(tokens: Iterable[str]) -> None:
    """TypeError where a token is not a str."""
    for kind in set(map(type, tokens)):
        if not issubclass(kind, str):
            raise TypeError(f"a token must be a str, got {kind.__name__}: an analyzer gives a list of str")


def tokenize(texts: Sequence[str], analyzer: Analyze, num_workers: int = 1) -> TermIds:
    """Run `analyzer` on each text; in `num_workers` processes if there are more than one (it must then pickle)."""
    if num_workers == 1 or len(texts) <= TEXTS_A_TASK:
        return _tokenize_slice(texts, analyzer)
    slices = [texts[at : at + TEXTS_A_TASK] for at in range(0, len(texts), TEXTS_A_TASK)]
    with ProcessPoolExecutor(num_workers) as pool:
        return _joined(pool.map(_tokenize_slice, slices, [analyzer] * len(slices)))


def count_matrix(ids: Int32[np.ndarray, " tokens"], lengths: Int64[np.ndarray, " texts"], n_terms: int) -> csr_array:
    """Term counts, canonical `int32 (texts, n_terms)`; tokens numbered -1 are left out."""
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    if (ids < 0).any():
        known = ids >= 0
        indptr = np.concatenate([[0], np.cumsum(known)])[indptr]
        ids = ids[known]
    narrow = np.int32 if len(ids) < 1 << 31 else np.int64
    counts = csr_array((np.ones(len(ids), np.int32), ids.copy(), indptr.astype(narrow)), shape=(len(lengths), n_terms))
    counts.sum_duplicates()
    return counts


def _tokenize_slice(texts: Sequence[str], analyzer: Analyze) -> TermIds:
    if isinstance(analyzer, Analyzer) and analyzer.term is not None:
        return term_ids(map(analyzer.tokens, texts), analyzer.term)
    return term_ids(map(analyzer, texts))


def _joined(parts: Iterable[TermIds]) -> TermIds:
    """The parts as one, numbered as if they had been tokenised together."""
    vocabulary: dict[str, int] = {}
    ids, lengths = [np.empty(0, np.int32)], [np.empty(0, np.int64)]
    for part in parts:
        for term in part.terms:
            vocabulary.setdefault(term, len(vocabulary))
        ids.append(part.renumbered(vocabulary))
        lengths.append(part.lengths)
    return TermIds(list(vocabulary), np.concatenate(ids), np.concatenate(lengths))
