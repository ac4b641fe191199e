"""BM25Index: an inverted index of documents, searched for exact top k; saved as one memory-mapped file."""

import os
import warnings
from collections.abc import Sequence
from copy import deepcopy
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array, issparse

from refimpl.common.hits import check_hits
from refimpl.common.texts import check_texts
from refimpl.pickling import MappedFile, check_hash
from refimpl.sparse.analyzers import build_analyzer
from refimpl.sparse.analyzers.build import READY_MADE
from refimpl.sparse.bm25.checks import check_count
from refimpl.sparse.bm25.formulas import Idf
from refimpl.sparse.bm25.weighting import Weighting
from refimpl.sparse.index.postings import Postings, build_postings
from refimpl.sparse.index.queries import QueryTerms
from refimpl.sparse.index.search import Ids, Scores, Searcher
from refimpl.sparse.index.settings import IndexSettings
from refimpl.sparse.index.storage import REBUILD, ArrayFile, IndexFileError, write_arrays
from refimpl.sparse.index.structure import check_shapes, check_values
from refimpl.sparse.index.vocabulary import ColumnVocabulary, PackedVocabulary, Vocabulary
from refimpl.sparse.term_counts import Analyze, TermIds, check_tokens, count_matrix, term_ids, token_list, tokenize

FORMAT = "refimpl-bm25-index-3"

TokenLists = Sequence[Sequence[str]]


class BM25Index:
    """Exact BM25 search over an inverted index.

    Create one with `build` (texts), `from_tokens` (lists of tokens), `from_counts` (a matrix of term counts) or `load`,
    which compute the parameters below.

    Parameters
    ----------
    vocabulary
        Terms to term ids.
    postings
        Documents, and their weights, of each term.
    idf
        One idf per term id, float64.
    settings
        The weighting, N and the average length.
    analyzer
        A function from a text to its tokens; None if queries are lists of tokens or counts.

    Raises
    ------
    TypeError, ValueError
        From these constructors, for parameters out of range, as `BM25EmbeddingFunction` does.

    Notes
    -----
    Source of the formulas: Robertson and Zaragoza 2009, and those that `formulas.py` names per function.

    Scores are float64: the sum, over the query's terms from the one in most documents to the one in fewest (ties by
    first occurrence), of count in the query times idf times tf, by the functions of `VARIANTS[variant]`. A document is
    a hit if it contains a term of the query.

    A built index is pickled as its arrays; a loaded one as its file's path and sha256, so that processes map the same
    file. Copies share the arrays, which are never written to. `load` says when a file's checksums are compared.

    Examples
    --------
    >>> from refimpl import BM25Index
    >>> index = BM25Index.build(["the cat sat", "a dog"], analyzer="simple")
    >>> ids, scores = index.search(["cat"], k=2)
    >>> ids.tolist()
    [[0, -1]]
    """

    def __init__(
        self,
        vocabulary: Vocabulary | PackedVocabulary | ColumnVocabulary,
        postings: Postings,
        idf: Idf,
        settings: IndexSettings,
        analyzer: Analyze | None,
    ) -> None:
        self._vocabulary = vocabulary
        self._postings = postings
        self._idf = idf
        self._settings = settings
        self._analyzer = analyzer
        self._searcher = Searcher(postings, idf, settings.n_docs)
        self._file: MappedFile | None = None
        self._stored: ArrayFile | None = None  # until its arrays are verified

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
        """Index texts.

        Parameters
        ----------
        texts
            The documents; the id of a document is its position. An empty list, and texts without a token, give an
            index in which no query has a hit.
        analyzer
            A function from a text to an iterable of its tokens, a name for `build_analyzer`, or None for `pymilvus-en`.
        variant, k1, b, epsilon, delta, num_workers
            As in `BM25EmbeddingFunction`.

        Raises
        ------
        TypeError, ValueError
            for parameters out of range, as `BM25EmbeddingFunction` does.
        """
        weighting = Weighting.checked(variant, k1, b, epsilon, delta)
        if analyzer is None or isinstance(analyzer, str):
            analyzer = build_analyzer(analyzer or "pymilvus-en")
        docs = tokenize(check_texts(texts, "texts"), analyzer, check_count(num_workers, "num_workers"))
        return cls._from_term_ids(docs, weighting, analyzer)

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
        """Index documents that are lists of tokens; queries must then be lists of tokens too."""
        if isinstance(token_lists, str):
            raise TypeError("token_lists must be a list of lists of str, got one str: build(texts) takes texts")
        weighting = Weighting.checked(variant, k1, b, epsilon, delta)
        return cls._from_term_ids(term_ids(token_lists), weighting, None)

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
        """Index a matrix of term counts `(docs, terms)`; queries must then be counts `(queries, terms)` too."""
        weighting = Weighting.checked(variant, k1, b, epsilon, delta)
        return cls._from_count_matrix(_checked_counts(counts, "counts"), None, weighting, None)

    def search(self, queries: Sequence[str] | TokenLists | csr_array, k: int = 10) -> tuple[Ids, Scores]:
        """Return the best `k` documents of each query.

        Parameters
        ----------
        queries
            Texts, lists of tokens, or a matrix of counts as in `from_counts`.
        k
            Number of documents per query, at least 1.

        Returns
        -------
        ids, scores
            int64 and float64, each `(queries, k)`, best first, ties by ascending id; -1 and -inf where a query has
            fewer hits.

        Raises
        ------
        TypeError, ValueError
            for queries of another form than the index, and for k < 1 or above both 16,384 and the number of documents.
        IndexFileError
            in the first search of a loaded index, for a damaged file.
        """
        self.verify()
        return self._searcher.search(self._query_terms(queries), check_hits(check_count(k, "k"), self.n_docs))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the index as one file, atomically: an interrupted save leaves an existing file at `path` intact.

        Raises IndexFileError where the index was loaded from a file that is damaged.
        """
        self.verify()
        postings = self._postings
        arrays = {name: getattr(postings, name) for name in Postings.__dataclass_fields__} | {"idf": self._idf}
        arrays |= self._vocabulary.packed()
        fingerprint = getattr(self._analyzer, "fingerprint", "") or ""
        metadata = {"format": FORMAT, "analyzer": str(fingerprint), **self._settings.to_metadata()}
        write_arrays(path, arrays, metadata)

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], analyzer: Analyze | str | None = None, *, verify: bool = False
    ) -> "BM25Index":
        """Open a saved index, memory-mapped: the time does not depend on its size.

        The file has a checksum (sha256) of its header and of each array. The header's, counts, offsets and shapes are
        checked here; those of the arrays, and every value's range, once, at the first search or `save`, or here with
        `verify`: this reads the whole file.

        Parameters
        ----------
        path
            A file that `save` wrote.
        analyzer
            As in `build`; None builds the ready-made analyzer named in the file, if it is one. An analyzer with another
            fingerprint than the file's gives a UserWarning.
        verify
            Compare the arrays with their checksums now, rather than at the first search.

        Raises
        ------
        FileNotFoundError
        IndexFileError
            for a file that is damaged, of another format or of another version.
        """
        stored = ArrayFile(path)
        arrays, metadata = stored.arrays, stored.metadata
        if metadata.get("format") != FORMAT:
            raise IndexFileError(
                f"{path} has format {metadata.get('format')!r}, expected {FORMAT!r}: build the index again"
            )
        stored.check_header()
        try:
            settings = IndexSettings.from_metadata(metadata)
            check_shapes(arrays, settings.n_docs, settings.avgdl)
            postings = Postings(**{name: arrays[name] for name in Postings.__dataclass_fields__})
            packed = {name: arrays[name] for name in arrays if name.startswith("term_")}
            idf = arrays["idf"]
            vocabulary = PackedVocabulary(**packed) if packed else ColumnVocabulary(arrays["column_term"])
        except (KeyError, ValueError) as error:
            raise IndexFileError(f"{path}: missing or damaged: {error}: {REBUILD}") from error
        index = cls(vocabulary, postings, idf, settings, _analyzer_for(path, metadata.get("analyzer", ""), analyzer))
        index._file, index._stored = MappedFile.of(Path(path)), stored
        if verify:
            index.verify()
        return index

    def verify(self) -> None:
        """Compare a loaded index with its file's checksums, once; IndexFileError if the file is damaged."""
        stored = self._stored  # another thread may be here too
        if stored is None:
            return
        stored.verify()
        try:
            check_values(stored.arrays, self.n_docs)
        except ValueError as error:
            raise IndexFileError(f"{stored.path}: damaged: {error}: {REBUILD}") from error
        self._stored = None

    @property
    def n_docs(self) -> int:
        """Number of documents, empty ones included."""
        return self._settings.n_docs

    @property
    def n_terms(self) -> int:
        """Number of distinct terms."""
        return len(self._idf)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays, without the vocabulary."""
        return self._idf.nbytes + sum(getattr(self._postings, name).nbytes for name in Postings.__dataclass_fields__)

    def __len__(self) -> int:
        return self.n_docs

    def __reduce__(self) -> tuple[Any, ...]:
        if self._file is not None:
            return _load_unchanged, (type(self), *self._file.pickled(), self._analyzer)
        return type(self), self._parts()

    def __copy__(self) -> "BM25Index":
        copied = type(self)(*self._parts())
        copied._file, copied._stored = self._file, self._stored
        return copied

    def __deepcopy__(self, memo: dict[int, Any]) -> "BM25Index":
        copied = self.__copy__()
        copied._analyzer = deepcopy(self._analyzer, memo)
        return copied

    def _parts(self) -> tuple[Any, ...]:
        return self._vocabulary, self._postings, self._idf, self._settings, self._analyzer

    def __repr__(self) -> str:
        variant = self._settings.weighting.variant.name
        return f"BM25Index({self.n_docs} documents, {self.n_terms} terms, variant={variant!r})"

    @classmethod
    def _from_term_ids(cls, docs: TermIds, weighting: Weighting, analyzer: Analyze | None) -> "BM25Index":
        counts = count_matrix(docs.ids, docs.lengths, len(docs.terms))
        return cls._from_count_matrix(counts, docs.terms, weighting, analyzer)

    @classmethod
    def _from_count_matrix(
        cls, counts: csr_array, terms: list[str] | None, weighting: Weighting, analyzer: Analyze | None
    ) -> "BM25Index":
        doc_len = np.asarray(counts.sum(axis=1), np.int64).reshape(-1)
        n_counted = len(doc_len) if weighting.variant.counts_empty else int((doc_len > 0).sum())
        avgdl = float(doc_len.sum() / n_counted) if n_counted else 0.0
        df = np.bincount(counts.indices, minlength=counts.shape[1])
        idf = np.zeros(len(df))
        idf[df > 0] = weighting.idf(df[df > 0], n_counted)
        order = np.argsort(-df, kind="stable")
        columns = ColumnVocabulary.from_order(order)
        by_df = csr_array((counts.data, columns.term[counts.indices], counts.indptr), shape=counts.shape)
        postings = build_postings(by_df, idf[order], doc_len, avgdl, weighting)
        vocabulary = columns if terms is None else Vocabulary([terms[i] for i in order.tolist()])
        return cls(vocabulary, postings, idf[order], IndexSettings(weighting, len(doc_len), avgdl), analyzer)

    def _query_terms(self, queries: Any) -> QueryTerms:
        if issparse(queries):
            if not isinstance(self._vocabulary, ColumnVocabulary):
                raise TypeError("this index was built from words: give queries as texts or as lists of tokens")
            counts = _checked_counts(queries, "queries")
            if counts.shape[1] != self.n_terms:
                raise ValueError(f"queries have {counts.shape[1]} columns, the index has {self.n_terms} terms")
            return QueryTerms.from_counts(counts, self._vocabulary.term)
        if isinstance(self._vocabulary, ColumnVocabulary):
            raise TypeError("this index was built from counts: give queries as a sparse matrix of counts")
        if isinstance(queries, Sequence) and queries and all(isinstance(query, list | tuple) for query in queries):
            token_lists = queries
        else:
            texts = check_texts(queries, "queries")
            analyze = self._analyzer
            if analyze is None and texts:
                raise TypeError("this index has no analyzer: give queries as lists of tokens, or load it with one")
            token_lists = [] if analyze is None else [token_list(analyze(text), i) for i, text in enumerate(texts)]
        check_tokens(chain.from_iterable(token_lists))
        return QueryTerms.from_term_ids(map(self._vocabulary.term_ids, token_lists))


def _load_unchanged(cls: type[BM25Index], path: str, sha256: str, analyzer: Analyze | None) -> BM25Index:
    """Unpickle a loaded index: map its file again."""
    check_hash(Path(path), sha256)
    return cls.load(path, analyzer)


def _checked_counts(counts: Any, name: str) -> csr_array:
    """`counts` as a canonical int32 csr_array; ValueError unless its values are integers of 0 or more."""
    if not issparse(counts):
        raise TypeError(f"{name} must be a scipy sparse matrix of counts, got {type(counts).__name__}")
    canonical = csr_array(counts, copy=True)
    canonical.sum_duplicates()
    values = canonical.data
    if not np.isfinite(values).all() or (values < 0).any() or (values != np.floor(values)).any():
        raise ValueError(f"{name} must be whole numbers of 0 or more: counts, not weights")
    canonical.eliminate_zeros()
    return canonical.astype(np.int32)


def _analyzer_for(path: Any, fingerprint: str, analyzer: Analyze | str | None) -> Analyze | None:
    """The caller's `analyzer`, or the ready-made one that the file's `fingerprint` names; None if there is neither."""
    if analyzer is None:
        name = fingerprint.partition(":")[0]
        if name not in READY_MADE:
            return None
        analyzer = name
    if isinstance(analyzer, str):
        analyzer = build_analyzer(analyzer)
    actual = getattr(analyzer, "fingerprint", None)
    if fingerprint and actual != fingerprint:
        warnings.warn(
            f"{path} was built with analyzer {fingerprint}, this one is {actual}; terms may not match. "
            "Load it with that analyzer, or build it again",
            stacklevel=3,
        )
    return analyzer
