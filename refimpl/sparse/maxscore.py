"""BM25Index: documents to an inverted index, queries to their exact top k; kept in one memory-mapped file."""

import os
import warnings
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from scipy.sparse import csr_array, issparse

from refimpl.base import check_texts
from refimpl.sparse.analyzers import build_analyzer
from refimpl.sparse.analyzers.build import READY_MADE
from refimpl.sparse.asked import Asked
from refimpl.sparse.bm25.checks import check_count, check_number, check_variant
from refimpl.sparse.bm25.formulas import Idf, Variant
from refimpl.sparse.corpus import Analyze, TermIds, check_tokens, count_matrix, term_ids, tokenize
from refimpl.sparse.index_file import IndexFileError, read_arrays, write_arrays
from refimpl.sparse.postings import Postings, build_postings
from refimpl.sparse.topk import Ids, Scores, Searcher
from refimpl.sparse.vocabulary import Columns, PackedVocabulary, Vocabulary

FORMAT = "refimpl-bm25-index-2"

TokenLists = Sequence[Sequence[str]]


class BM25Index:
    """Exact BM25 search. Make one with `build`, `from_tokens`, `from_counts` or `load`.

    Scores are float64: the sum over the query's terms, from the one in most documents to the one in fewest (equal ones
    by first occurrence), of count in the query times idf times tf, by the functions of `VARIANTS[variant]`. A document
    is a hit when it holds a term of the query.
    """

    def __init__(
        self,
        vocabulary: Vocabulary | PackedVocabulary | Columns,
        postings: Postings,
        idf: Idf,
        settings: dict[str, Any],
        analyzer: Analyze | None,
    ) -> None:
        self._vocabulary = vocabulary
        self._postings = postings
        self._idf = idf
        self._settings = settings
        self._analyzer = analyzer
        self._searcher = Searcher(postings, idf, settings["n_docs"])

    @classmethod
    def build(
        cls,
        texts: Sequence[str],
        *,
        analyzer: Analyze | str | None = None,
        variant: str = "lucene",
        k1: float = 1.5,
        b: float = 0.75,
        epsilon: float = 0.25,
        delta: float | None = None,
        num_workers: int = 1,
    ) -> "BM25Index":
        """Index `texts`, numbered from 0.

        `analyzer` is a callable, a name for `build_analyzer`, or None for `pymilvus-en`.
        The other parameters are those of BM25EmbeddingFunction. Raises TypeError and ValueError as that does; an empty
        list, and texts without a token, make an index that finds nothing.
        """
        checked = _settings(variant, k1, b, epsilon, delta)
        if analyzer is None or isinstance(analyzer, str):
            analyzer = build_analyzer(analyzer or "pymilvus-en")
        docs = tokenize(check_texts(texts, "texts"), analyzer, check_count(num_workers, "num_workers"))
        return cls._of_tokens(docs, checked, analyzer)

    @classmethod
    def from_tokens(
        cls,
        token_lists: TokenLists,
        *,
        variant: str = "lucene",
        k1: float = 1.5,
        b: float = 0.75,
        epsilon: float = 0.25,
        delta: float | None = None,
    ) -> "BM25Index":
        """Index documents that are lists of tokens already; queries must then be lists of tokens too."""
        if isinstance(token_lists, str):
            raise TypeError("token_lists must be a list of lists of str, got one str: build(texts) takes texts")
        return cls._of_tokens(term_ids(token_lists), _settings(variant, k1, b, epsilon, delta), None)

    @classmethod
    def from_counts(
        cls,
        counts: csr_array,
        *,
        variant: str = "lucene",
        k1: float = 1.5,
        b: float = 0.75,
        epsilon: float = 0.25,
        delta: float | None = None,
    ) -> "BM25Index":
        """Index `counts (docs, terms)`, how often each document holds each term; queries must then be counts too."""
        checked = _settings(variant, k1, b, epsilon, delta)
        return cls._of_counts(_whole_counts(counts, "counts"), None, checked, None)

    def search(self, queries: Sequence[str] | TokenLists | csr_array, k: int = 10) -> tuple[Ids, Scores]:
        """The best `k` documents of each query: ids and scores, each `(queries, k)`, best first, ties by ascending id.

        `queries` are texts, lists of tokens, or counts as in `from_counts`. Where a query has fewer hits, ids are -1
        and scores -inf. Raises TypeError and ValueError for queries that do not suit the index and for k < 1.
        """
        return self._searcher.search(self._asked(queries), check_count(k, "k"))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the index as one file; killed at any instant, an old file at `path` is whole."""
        postings = self._postings
        arrays = {name: getattr(postings, name) for name in Postings.__dataclass_fields__} | {"idf": self._idf}
        arrays |= self._vocabulary.packed()
        fingerprint = getattr(self._analyzer, "fingerprint", "") or ""
        metadata = {
            key: repr(value) if isinstance(value, float) else str(value) for key, value in self._settings.items()
        }
        write_arrays(path, arrays, {"format": FORMAT, "analyzer": str(fingerprint), **metadata})

    @classmethod
    def load(cls, path: str | os.PathLike[str], analyzer: Analyze | str | None = None) -> "BM25Index":
        """Open what `save` wrote, memory-mapped: at once, whatever its size.

        Without `analyzer` a ready-made one is built by the name in the file; one with another fingerprint is warned of.
        Raises FileNotFoundError, and IndexFileError for a file that is cut short, foreign or of another version.
        """
        arrays, metadata = read_arrays(path)
        if metadata.get("format") != FORMAT:
            raise IndexFileError(
                f"{path} has format {metadata.get('format')!r}, expected {FORMAT!r}: build the index again"
            )
        try:
            postings = Postings(**{name: arrays[name] for name in Postings.__dataclass_fields__})
            packed = {name: arrays[name] for name in arrays if name.startswith("term_")}
            settings = _read_settings(metadata)
            idf = arrays["idf"]
            vocabulary = PackedVocabulary(**packed) if packed else Columns(arrays["column_term"])
        except (KeyError, ValueError) as error:
            raise IndexFileError(f"{path} lacks or garbles {error}: build the index and save it again") from error
        return cls(vocabulary, postings, idf, settings, _analyzer_for(path, metadata.get("analyzer", ""), analyzer))

    @property
    def n_docs(self) -> int:
        """Number of documents, empty ones included."""
        return int(self._settings["n_docs"])

    @property
    def n_terms(self) -> int:
        """Number of different terms."""
        return len(self._idf)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays, without the vocabulary."""
        return self._idf.nbytes + sum(getattr(self._postings, name).nbytes for name in Postings.__dataclass_fields__)

    def __len__(self) -> int:
        return self.n_docs

    def __repr__(self) -> str:
        return f"BM25Index({self.n_docs} documents, {self.n_terms} terms, variant={self._settings['variant']!r})"

    @classmethod
    def _of_tokens(cls, docs: TermIds, settings: dict[str, Any], analyzer: Analyze | None) -> "BM25Index":
        counts = count_matrix(docs.ids, docs.lengths, len(docs.terms))
        return cls._of_counts(counts, docs.terms, settings, analyzer)

    @classmethod
    def _of_counts(
        cls, counts: csr_array, terms: list[str] | None, settings: dict[str, Any], analyzer: Analyze | None
    ) -> "BM25Index":
        variant: Variant = check_variant(settings["variant"])
        doc_len = np.asarray(counts.sum(axis=1), np.int64).reshape(-1)
        n_docs = len(doc_len) if variant.counts_empty else int((doc_len > 0).sum())
        avgdl = float(doc_len.sum() / n_docs) if n_docs else 0.0
        df = np.bincount(counts.indices, minlength=counts.shape[1])
        idf = np.zeros(len(df))
        idf[df > 0] = variant.idf(df[df > 0], n_docs, settings["epsilon"])
        order = np.argsort(-df, kind="stable")
        columns = Columns.in_order(order)
        by_df = csr_array((counts.data, columns.term[counts.indices], counts.indptr), shape=counts.shape)
        tf = (settings["k1"], settings["b"], settings["delta"])
        postings = build_postings(by_df, idf[order], doc_len, avgdl, variant, *tf)
        vocabulary = columns if terms is None else Vocabulary([terms[i] for i in order.tolist()])
        return cls(vocabulary, postings, idf[order], {**settings, "n_docs": len(doc_len), "avgdl": avgdl}, analyzer)

    def _asked(self, queries: Any) -> Asked:
        if issparse(queries):
            if not isinstance(self._vocabulary, Columns):
                raise TypeError("this index was built from words: give queries as texts or as lists of tokens")
            counts = _whole_counts(queries, "queries")
            if counts.shape[1] != self.n_terms:
                raise ValueError(f"queries have {counts.shape[1]} columns, the index has {self.n_terms} terms")
            return Asked.of_counts(counts, self._vocabulary.term)
        if isinstance(self._vocabulary, Columns):
            raise TypeError("this index was built from counts: give queries as a sparse matrix of counts")
        if isinstance(queries, Sequence) and queries and all(isinstance(query, list | tuple) for query in queries):
            token_lists = queries
        else:
            texts = check_texts(queries, "queries")
            if self._analyzer is None and texts:
                raise TypeError("this index has no analyzer: give queries as lists of tokens, or load it with one")
            token_lists = [] if self._analyzer is None else [self._analyzer(text) for text in texts]
        check_tokens(chain.from_iterable(token_lists))
        return Asked.of_numbers(map(self._vocabulary.numbers, token_lists))


def _settings(variant: str, k1: float, b: float, epsilon: float, delta: float | None) -> dict[str, Any]:
    known = check_variant(variant)
    return {
        "variant": known.name,
        "k1": check_number(k1, "k1"),
        "b": check_number(b, "b", most=1.0),
        "epsilon": check_number(epsilon, "epsilon"),
        "delta": known.delta if delta is None else check_number(delta, "delta"),
    }


def _read_settings(metadata: dict[str, str]) -> dict[str, Any]:
    numbers = {key: float(metadata[key]) for key in ("k1", "b", "epsilon", "delta", "avgdl")}
    return {"variant": check_variant(metadata["variant"]).name, "n_docs": int(metadata["n_docs"]), **numbers}


def _whole_counts(counts: Any, name: str) -> csr_array:
    """`counts` as a canonical int32 csr_array; ValueError unless it holds whole numbers, none below 0."""
    if not issparse(counts):
        raise TypeError(f"{name} must be a scipy sparse matrix of counts, got {type(counts).__name__}")
    whole = csr_array(counts, copy=True)
    whole.sum_duplicates()
    if not np.isfinite(whole.data).all() or (whole.data < 0).any() or (whole.data != np.floor(whole.data)).any():
        raise ValueError(f"{name} must be whole numbers of 0 or more: counts, not weights")
    whole.eliminate_zeros()
    return whole.astype(np.int32)


def _analyzer_for(path: Any, fingerprint: str, given: Analyze | str | None) -> Analyze | None:
    name = fingerprint.partition(":")[0]
    if given is None:
        if name not in READY_MADE:
            return None
        given = name
    analyzer = build_analyzer(given) if isinstance(given, str) else given
    ours = getattr(analyzer, "fingerprint", None)
    if fingerprint and ours != fingerprint:
        warnings.warn(
            f"{path} was built with analyzer {fingerprint}, this one is {ours}; terms may not match. "
            "Load it with that analyzer, or build it again",
            stacklevel=3,
        )
    return analyzer
