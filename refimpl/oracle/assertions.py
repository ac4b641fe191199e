"""Assertions for tests: compare an implementation's results with the reference.

The reference is refimpl in float64, which `refimpl verify` and the peer tests compare with transformers,
pymilvus.model, rank_bm25 and bm25s. A failure names the stage, the worst text and the index in it, both values, and the
distance in units of the tolerance; then, unless `diagnose=False`, the likely cause.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from refimpl.common.texts import TextsOrTokens, check_texts, check_texts_or_tokens
from refimpl.common.types import Array
from refimpl.compare import (
    Comparison,
    Tolerance,
    compare_ranking,
    compare_scores,
    compare_traces,
    compare_values,
    compare_vector,
    first_mismatch,
)
from refimpl.compare.tolerance import named
from refimpl.oracle.references import expected_bm25, expected_embeddings, minilm_float64
from refimpl.sparse.term_counts import Analyze

TRACE_TEXT = "Artificial intelligence was founded as an academic discipline in 1956."  # the golden text `published-1`


def assert_embeddings_match(
    mine: Any,
    texts: Sequence[str],
    *,
    tolerance: str | Tolerance = "float32",
    diagnose: bool = True,
    model_path: str | None = None,
) -> None:
    """Raise AssertionError unless `mine` are all-MiniLM-L6-v2's unit vectors of `texts`.

    Parameters
    ----------
    mine
        Vectors `(texts, dim)` of any dtype, an array or what numpy converts to one.
    texts
        The texts, in the order of the vectors.
    tolerance
        A name ("float32", "float16", "int8", "quantised-ranking") or a `Tolerance`.
    diagnose
        Whether the message has the likely cause.
    model_path
        A model folder of the same architecture; by default all-MiniLM-L6-v2, see `refimpl.models.path`.

    Raises
    ------
    AssertionError
        For a vector beyond the tolerance and for another shape; it names the worst text and both values.
    TypeError, ValueError
        For `texts` that are no list of texts, and for an unknown tolerance.

    Notes
    -----
    The expected vectors are those of `MiniLMEmbeddingFunction` in float64, which golden vectors of transformers
    confirm.

    Examples
    --------
    Vectors of sentence-transformers, from the golden vectors:

    >>> from refimpl import golden
    >>> from refimpl.oracle import assert_embeddings_match
    >>> texts = list(golden.texts().values())[:2]
    >>> rows = [golden.array(v) for v in golden.vectors() if v.stage == "normalized_sentence_transformers"]
    >>> mine = rows[0][:2]
    >>> assert_embeddings_match(mine, texts)
    >>> assert_embeddings_match(2 * mine, texts, diagnose=False)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    AssertionError: normalized: 2 of 2 texts mismatch; ...
    """
    __tracebackhide__ = True
    texts, limits = check_texts(texts, "texts"), named(tolerance)
    expected = expected_embeddings(texts, model_path)
    vectors = _array(mine, "embeddings", expected.shape)

    def cause() -> Any:
        from refimpl.diagnosis import diagnose_embeddings

        return diagnose_embeddings(vectors, texts, model_path=model_path, tolerance=limits.entry or 1e-6)

    rows = [compare_vector("vector", row, right, limits) for row, right in zip(vectors, expected, strict=True)]
    _assert_all("normalized", rows, texts, limits, cause if diagnose else None)


def assert_bm25_match(
    mine: Any,
    corpus: TextsOrTokens,
    queries: TextsOrTokens,
    *,
    analyzer: Analyze | str = "pymilvus-en",
    variant: str = "pymilvus",
    k1: float = 1.5,
    b: float = 0.75,
    tolerance: str | Tolerance = "float32",
    diagnose: bool = True,
) -> None:
    """Raise AssertionError unless `mine` are the BM25 scores of `variant` with `analyzer`.

    Parameters
    ----------
    mine
        Scores `(queries, docs)`, an array or a scipy sparse matrix.
    corpus, queries
        The texts of both axes, or lists of tokens, which are used as they are: the output of another tokenizer.
    analyzer
        A name for `build_analyzer`, or a function from a text to its tokens.
    variant, k1, b
        As in `BM25EmbeddingFunction`.
    tolerance
        A name ("float32", "float16", "int8", "quantised-ranking") or a `Tolerance`.
    diagnose
        Whether the message has the likely cause.

    Raises
    ------
    AssertionError
        For a score beyond the tolerance and for another shape; it names the worst query and both values.
    TypeError, ValueError
        For texts that are no list of texts or of lists of tokens, and for an unknown analyzer, variant or tolerance.

    Notes
    -----
    The expected scores are float64, by the formulas of `VARIANTS` (Robertson and Zaragoza 2009), which pymilvus.model,
    rank_bm25 and bm25s confirm.

    Examples
    --------
    Lucene's formula by hand: idf = ln(1 + (2 - 1 + 0.5) / (1 + 0.5)) = ln 2, and tf = 1 / (1 + 1.5), since both
    documents have the average length:

    >>> import math
    >>> from refimpl.oracle import assert_bm25_match
    >>> corpus, queries = ["the cat", "a dog"], ["cat"]
    >>> settings = {"analyzer": "simple", "variant": "lucene"}
    >>> assert_bm25_match([[math.log(2) / 2.5, 0.0]], corpus, queries, **settings)
    >>> tokens = [["the", "cat"], ["a", "dog"]]
    >>> assert_bm25_match([[math.log(2) / 2.5, 0.0]], tokens, [["cat"]], variant="lucene")
    >>> assert_bm25_match([[math.log(2), 0.0]], corpus, queries, **settings, diagnose=False)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    AssertionError: BM25 scores: 1 of 1 queries mismatch; ...
    """
    __tracebackhide__ = True
    limits = named(tolerance)
    corpus, queries = check_texts_or_tokens(corpus, "corpus"), check_texts_or_tokens(queries, "queries")
    expected = expected_bm25(corpus, queries, analyzer=analyzer, variant=variant, k1=k1, b=b)
    scores = _array(mine, "BM25 scores", expected.shape)

    def cause() -> Any:
        from refimpl.diagnosis import diagnose_bm25

        settings: dict[str, Any] = {"analyzer": analyzer, "variant": variant, "k1": k1, "b": b}
        return diagnose_bm25(scores, corpus, queries, **settings, tolerance=limits.score or 1e-6)

    rows = [compare_scores("scores", row, right, limits) for row, right in zip(scores, expected, strict=True)]
    _assert_all("BM25 scores", rows, queries, limits, cause if diagnose else None, "queries")


def assert_ranking_match(
    mine: Sequence[Any] | Array,
    scores: Sequence[float] | Array,
    *,
    top_k: int | None = None,
    tolerance: str | Tolerance = "float32",
) -> None:
    """Raise AssertionError unless `mine` is the ranking of documents by `scores`.

    Parameters
    ----------
    mine
        Document indices, best first, or results with `index` (`RerankResult`, or JSON objects).
    scores
        One score per document, higher is better.
    top_k
        Length of the ranking; None, or more than there are documents, for all documents.
    tolerance
        A name ("float32", "float16", "int8", "quantised-ranking") or a `Tolerance`.

    Raises
    ------
    AssertionError
        For a wrong order, a missing or repeated document, and another number of documents.
    TypeError, ValueError
        For entries without an index, and for an unknown tolerance.

    Notes
    -----
    Documents with equal scores come by index ascending; those nearer than the tolerance may be in either order.

    Examples
    --------
    >>> from refimpl.oracle import assert_ranking_match
    >>> assert_ranking_match([2, 0, 1], scores=[0.5, 0.1, 0.9])
    >>> assert_ranking_match([0, 2, 1], scores=[0.5, 0.1, 0.9])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    AssertionError: ranking: first mismatch at rank 1: got document 0 (score 0.5), expected document 2 (score 0.9), ...
    """
    __tracebackhide__ = True
    ranking = [_index(one) for one in mine]
    comparison = compare_ranking(ranking, np.asarray(scores, dtype=np.float64), top_k, named(tolerance))
    if not comparison.matches:
        raise AssertionError(str(comparison))


def assert_trace_match(
    my_intermediates: Mapping[str, Any],
    text: str = TRACE_TEXT,
    *,
    tolerance: str | Tolerance = "float32",
    diagnose: bool = True,
    model_path: str | None = None,
) -> None:
    """Raise AssertionError at the first intermediate that does not match, in the forward pass's order.

    Parameters
    ----------
    my_intermediates
        Arrays by name. Names and shapes are those of `MiniLMEmbeddingFunction.trace`, as `refimpl trace TEXT --save
        FILE` writes them; the leading batch axis of 1 is optional. Other names are ignored.
    text
        The text that they were computed from.
    tolerance
        A name ("float32", "float16", "int8", "quantised-ranking") or a `Tolerance`.
    diagnose
        Whether the message has the likely cause.
    model_path
        A model folder of the same architecture; by default all-MiniLM-L6-v2, see `refimpl.models.path`.

    Raises
    ------
    AssertionError
        For an intermediate beyond the tolerance, with its name and both values.
    ValueError
        If no name is known, and for an unknown tolerance.

    Notes
    -----
    The expected intermediates are those of the textbook forward in float64 (Devlin et al. 2019), which golden vectors
    of transformers confirm.

    Examples
    --------
    The ids of the tokens [CLS], "mars", "is", "red", "." and [SEP] in BERT's vocabulary:

    >>> from refimpl.oracle import assert_trace_match
    >>> assert_trace_match({"input_ids": [101, 7733, 2003, 2417, 1012, 102]}, "Mars is red.")
    >>> cased = {"input_ids": [101, 100, 2003, 2417, 1012, 102]}
    >>> assert_trace_match(cased, "Mars is red.", diagnose=False)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    AssertionError: input_ids: 1 of 1 texts mismatch; ...
    """
    __tracebackhide__ = True
    limits, expected = named(tolerance), minilm_float64(model_path).trace(text)
    arrays = {name: np.asarray(value) for name, value in my_intermediates.items() if name in expected}
    if not arrays:
        raise ValueError(f"expected names of intermediates, got {sorted(my_intermediates)}: use {', '.join(expected)}")
    first = first_mismatch(compare_traces(arrays, expected, partial(compare_values, tolerance=limits.score or 0.5)))

    def cause() -> Any:
        from refimpl.diagnosis import diagnose_trace

        return diagnose_trace(arrays, text, model_path=model_path, tolerance=limits.score or 1e-5)

    if first is not None:
        _assert_all(first.name, [first], [text], limits, cause if diagnose else None)


def _array(mine: Any, what: str, shape: tuple[int, ...]) -> Array:
    __tracebackhide__ = True
    array = np.asarray(mine.toarray() if hasattr(mine, "toarray") else mine, dtype=np.float64)
    if array.shape != shape:
        raise AssertionError(f"{what}: got shape {array.shape}, expected {shape}")
    return array


def _assert_all(
    stage: str,
    comparisons: Sequence[Comparison],
    texts: TextsOrTokens,
    tolerance: Tolerance,
    cause: Callable[[], Any] | None,
    what: str = "texts",
) -> None:
    """Raise AssertionError with the worst of the texts and the cause unless every comparison matches."""
    __tracebackhide__ = True
    mismatched = [i for i, comparison in enumerate(comparisons) if not comparison.matches]
    if not mismatched:
        return
    worst = max(mismatched, key=lambda i: comparisons[i].distance)
    lines = [
        f"{stage}: {len(mismatched)} of {len(comparisons)} {what} mismatch; worst is [{worst}] {texts[worst]!r:.80}",
        f"  {comparisons[worst].message}",
        f"  tolerance {tolerance.name}: {tolerance.reason}",
    ]
    if cause is not None:
        lines.append(f"diagnosis: {cause()}")
    raise AssertionError("\n".join(lines))


def _index(one: Any) -> int:
    value: Any = one.get("index") if isinstance(one, Mapping) else getattr(one, "index", one)
    if callable(value) or isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"a ranking must have indices, or results with an index, got {one!r:.60}")
    return int(value)
