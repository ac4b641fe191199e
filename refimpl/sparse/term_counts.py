"""Texts to term ids and to a matrix of term counts: the first steps of fitting, encoding and indexing."""

import pickle
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import current_process

import numpy as np
from jaxtyping import Int32, Int64
from scipy.sparse import csr_array

from refimpl.sparse.analyzers.analyzer import Analyzer

Analyze = Callable[[str], Iterable[str]]

TEXTS_PER_TASK = 2000


@dataclass(frozen=True)
class TermIds:
    """Tokenised texts as term ids, all texts in one packed array.

    `terms` are the distinct terms by first occurrence, `ids (tokens,)` index them, `lengths (texts,)` are the numbers
    of tokens per text.
    """

    terms: list[str]
    ids: Int32[np.ndarray, " tokens"]
    lengths: Int64[np.ndarray, " texts"]

    def renumbered(self, vocabulary: Mapping[str, int]) -> Int32[np.ndarray, " tokens"]:
        """The tokens' ids in `vocabulary`, -1 for a term that it does not contain."""
        if not self.terms:
            return self.ids
        return np.array([vocabulary.get(term, -1) for term in self.terms], np.int32)[self.ids]


def term_ids(token_lists: Iterable[Iterable[str]], term: Callable[[str], str | None] = str) -> TermIds:
    """Number the terms of each text by first occurrence; TypeError for a token list that is not a list of str.

    `term` maps a token to its term, or to None to drop it; it is called once per distinct token.
    """
    id_of_token, ids, lengths = _TermIdOfToken(term), array("i"), array("q")
    for i, iterable in enumerate(token_lists):
        tokens = token_list(iterable, i)
        ids.extend(map(id_of_token.__getitem__, tokens))
        lengths.append(len(tokens))
    all_ids, ends = np.frombuffer(ids, np.int32), np.cumsum(np.frombuffer(lengths, np.int64))
    kept = all_ids >= 0
    n_kept_before = np.concatenate([[0], np.cumsum(kept)])
    return TermIds(list(id_of_token.terms), all_ids[kept], np.diff(n_kept_before[ends], prepend=0))


def token_list(tokens: Iterable[str], number: int) -> Sequence[str]:
    """`tokens`, of any iterable, as a list or tuple; the type of each token is not checked (see `check_tokens`).

    Raises TypeError, with the text's `number`, for one str or bytes, and for what is no iterable.
    """
    if isinstance(tokens, list | tuple):
        return tokens
    if isinstance(tokens, str | bytes) or not isinstance(tokens, Iterable):
        raise TypeError(f"token list {number} must be a list of str, got one {type(tokens).__name__}: {tokens!r:.60}")
    return list(tokens)


class _TermIdOfToken(dict[str, int]):
    """The id of each token's term, an index into `terms`; -1 for a dropped token."""

    def __init__(self, term: Callable[[str], str | None]) -> None:
        super().__init__()
        self._term = term
        self.terms: dict[str, int] = {}

    def __missing__(self, token: str) -> int:
        if type(token) is not str:
            check_tokens([token])
        term = self._term(token)
        term_id = self[token] = -1 if term is None else self.terms.setdefault(term, len(self.terms))
        return term_id


def check_tokens(tokens: Iterable[str]) -> None:
    """Raise TypeError if a token is not a str."""
    for kind in set(map(type, tokens)):
        if not issubclass(kind, str):
            raise TypeError(f"a token must be a str, got {kind.__name__}: an analyzer must return a list of str")


def tokenize(texts: Sequence[str], analyzer: Analyze, num_workers: int = 1) -> TermIds:
    """Apply `analyzer` to each text, in `num_workers` processes if there are more than `TEXTS_PER_TASK` texts.

    A daemonic process, such as a worker of a pool or of Dask, must not start others, and does all by itself.

    Raises TypeError for an analyzer that returns something else than tokens, or that cannot be sent to other processes.
    """
    if num_workers == 1 or len(texts) <= TEXTS_PER_TASK or current_process().daemon:
        return _tokenize_slice(texts, analyzer)
    slices = [texts[at : at + TEXTS_PER_TASK] for at in range(0, len(texts), TEXTS_PER_TASK)]
    pickled = _pickled(analyzer)
    with ProcessPoolExecutor(num_workers) as pool:
        return _concatenated(pool.map(_tokenize_in_worker, slices, [pickled] * len(slices)))


def _pickled(analyzer: Analyze) -> bytes:
    """`analyzer` by cloudpickle, which pickles lambdas and functions in functions too."""
    import cloudpickle

    try:
        return bytes(cloudpickle.dumps(analyzer))
    except (TypeError, AttributeError, pickle.PicklingError) as error:
        raise TypeError(
            f"with num_workers above 1 the analyzer must be picklable, got {analyzer!r:.60} ({error}): "
            "pass num_workers=1, or a function that creates its tokenizer when it is first called"
        ) from error


@lru_cache(maxsize=1)
def _unpickled(pickled: bytes) -> Analyze:
    analyzer: Analyze = pickle.loads(pickled)
    return analyzer


def _tokenize_in_worker(texts: Sequence[str], pickled: bytes) -> TermIds:
    return _tokenize_slice(texts, _unpickled(pickled))


def count_matrix(ids: Int32[np.ndarray, " tokens"], lengths: Int64[np.ndarray, " texts"], n_terms: int) -> csr_array:
    """Term counts, canonical `int32 (texts, n_terms)`; ids of -1 are dropped."""
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    if (ids < 0).any():
        known = ids >= 0
        indptr = np.concatenate([[0], np.cumsum(known)])[indptr]
        ids = ids[known]
    index_dtype = np.int32 if len(ids) < 1 << 31 else np.int64
    counts = csr_array(
        (np.ones(len(ids), np.int32), ids.copy(), indptr.astype(index_dtype)), shape=(len(lengths), n_terms)
    )
    counts.sum_duplicates()
    return counts


def _tokenize_slice(texts: Sequence[str], analyzer: Analyze) -> TermIds:
    if isinstance(analyzer, Analyzer) and analyzer.term is not None:
        return term_ids(map(analyzer.tokens, texts), analyzer.term)
    return term_ids(map(analyzer, texts))


def _concatenated(parts: Iterable[TermIds]) -> TermIds:
    """The parts as one, with the term ids of tokenising all texts together."""
    vocabulary: dict[str, int] = {}
    ids, lengths = [np.empty(0, np.int32)], [np.empty(0, np.int64)]
    for part in parts:
        for term in part.terms:
            vocabulary.setdefault(term, len(vocabulary))
        ids.append(part.renumbered(vocabulary))
        lengths.append(part.lengths)
    return TermIds(list(vocabulary), np.concatenate(ids), np.concatenate(lengths))
