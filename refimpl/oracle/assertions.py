"""Assertions for tests: an implementation's answers held against the reference, and why they differ when they do.

The reference is refimpl in float64, which `refimpl verify` and the peer tests hold against transformers,
pymilvus.model, rank_bm25 and bm25s. Every failure tells the stage, the worst text and where in it, both values, and the
distance in units of what is allowed; then, unless `diagnose=False`, the likely cause.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Float

from refimpl.base import check_texts
from refimpl.dense.minilm import MiniLMEmbeddingFunction
from refimpl.oracle.compare import Array
from refimpl.oracle.judge import judge_numbers, judge_scores, judge_vector
from refimpl.oracle.outcome import Finding
from refimpl.oracle.suites.intermediates import without_batch
from refimpl.oracle.tolerance import Tolerance, named
from refimpl.sparse.corpus import Analyze
from refimpl.sparse.maxscore import BM25Index
from refimpl.tokens import TruncationWarning

TRACE_TEXT = "Artificial intelligence was founded as an academic discipline in 1956."  # the golden text `published-1`


@cache
def minilm_float64(model_path: str | None = None) -> MiniLMEmbeddingFunction:
    """The oracle of the dense assertions, loaded once a process."""
    return MiniLMEmbeddingFunction(model_path, dtype="float64")


def expected_embeddings(texts: Sequence[str], model_path: str | None = None) -> Float[Array, "texts dim"]:
    """Unit vectors in float64."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TruncationWarning)  # being cut at 256 is what is expected
        vectors: Array = minilm_float64(model_path)(texts)
    return vectors


def assert_embeddings_match(
    mine: Any,
    texts: Sequence[str],
    *,
    tolerance: str | Tolerance = "float32",
    diagnose: bool = True,
    model_path: str | None = None,
) -> None:
    """Raise AssertionError unless `mine (texts, dim)` are all-MiniLM-L6-v2's unit vectors of `texts`."""
    __tracebackhide__ = True
    checked, allowed = check_texts(texts, "texts"), named(tolerance)
    expected = expected_embeddings(checked, model_path)
    given = _array(mine, "embeddings", expected.shape)
    findings = [judge_vector(a, b, allowed) for a, b in zip(given, expected, strict=True)]
    if all(finding.ok for finding in findings):
        return

    def cause() -> Any:
        from refimpl.oracle.diagnosis import diagnose_embeddings

        return diagnose_embeddings(given, checked, model_path=model_path, tolerance=allowed.entry or 1e-6)

    _fail("normalized", findings, checked, allowed, cause if diagnose else None)


def expected_bm25(
    corpus: Sequence[str],
    queries: Sequence[str],
    *,
    analyzer: Analyze | str = "pymilvus-en",
    variant: str = "pymilvus",
    k1: float = 1.5,
    b: float = 0.75,
) -> Float[Array, "queries docs"]:
    """Every document's float64 score for every query; 0 where it holds no term of the query."""
    index = BM25Index.build(corpus, analyzer=analyzer, variant=variant, k1=k1, b=b)
    dense = np.zeros((len(queries), len(corpus)))
    if dense.size:
        ids, scores = index.search(queries, k=len(corpus))
        for row, (found, values) in enumerate(zip(ids, scores, strict=True)):
            dense[row, found[found >= 0]] = values[found >= 0]
    return dense


def assert_bm25_match(
    mine: Any,
    corpus: Sequence[str],
    queries: Sequence[str],
    *,
    analyzer: Analyze | str = "pymilvus-en",
    variant: str = "pymilvus",
    k1: float = 1.5,
    b: float = 0.75,
    tolerance: str | Tolerance = "float32",
    diagnose: bool = True,
) -> None:
    """Raise AssertionError unless `mine (queries, docs)` are BM25's scores by `variant` and `analyzer`.

    A diagnosis needs an analyzer by name.
    """
    __tracebackhide__ = True
    docs, asked, allowed = check_texts(corpus, "corpus"), check_texts(queries, "queries"), named(tolerance)
    expected = expected_bm25(docs, asked, analyzer=analyzer, variant=variant, k1=k1, b=b)
    given = _array(mine, "BM25 scores", expected.shape)
    pairs = zip(given, expected, strict=True)
    findings = [judge_scores("document", row, right, allowed) for row, right in pairs]
    if all(finding.ok for finding in findings):
        return

    def cause() -> Any:
        from refimpl.oracle.diagnosis import diagnose_bm25

        named_analyzer = analyzer if isinstance(analyzer, str) else "simple"
        limit = allowed.score or 1e-6
        return diagnose_bm25(given, docs, asked, analyzer=named_analyzer, variant=variant, k1=k1, b=b, tolerance=limit)

    possible = diagnose and isinstance(analyzer, str)
    _fail("BM25 scores", findings, asked, allowed, cause if possible else None, what="query")


def assert_ranking_match(
    mine: Sequence[Any] | Array,
    scores: Sequence[float] | Array,
    *,
    top_k: int | None = None,
    tolerance: str | Tolerance = "float32",
) -> None:
    """Raise AssertionError unless `mine` is the ranking that `scores` (one a document, higher is better) give.

    `mine` holds document indices best first, or results with `index` (RerankResult, or objects of JSON). Documents
    whose scores are equal come by index ascending; those nearer than the tolerance may swap.
    """
    __tracebackhide__ = True
    allowed = named(tolerance)
    given = [_index(one) for one in mine]
    truth = np.asarray(scores, dtype=np.float64)
    order = np.lexsort((np.arange(len(truth)), -truth))[: len(truth) if top_k is None else top_k].tolist()
    if given == order:
        return
    if sorted(given) != sorted(set(given)) or any(not 0 <= index < len(truth) for index in given):
        raise AssertionError(f"ranking: {given} are not indices of {len(truth)} documents, each at most once")
    if len(given) != len(order):
        raise AssertionError(f"ranking: got {len(given)} documents, expected {len(order)}: {order}")
    gaps = np.abs(truth[given] - truth[order]) / np.maximum(1.0, np.abs(truth[order]))
    slack = allowed.score or 0.05
    ties = [rank for rank, (a, b) in enumerate(zip(given, order, strict=True)) if a != b and truth[a] == truth[b]]
    rank = ties[0] if ties and gaps.max() <= slack else int(np.argmax(gaps > slack))
    if gaps.max() <= slack and not ties:
        return
    got, right = given[rank], order[rank]
    raise AssertionError(
        f"ranking departs at rank {rank + 1}: got document {got} (score {truth[got]:.9g}), expected document {right} "
        f"(score {truth[right]:.9g}), {gaps[rank] / slack:.3g} times the {slack:g} allowed\n"
        f"  got      {given}\n  expected {order}\n{_ranking_cause(given, order, truth)}"
    )


def assert_trace_match(
    my_intermediates: Mapping[str, Any],
    text: str = TRACE_TEXT,
    *,
    tolerance: str | Tolerance = "float32",
    diagnose: bool = True,
    model_path: str | None = None,
) -> None:
    """Raise AssertionError at the first of the named intermediates that departs, in the order of the walk.

    Names and shapes are those of `MiniLMEmbeddingFunction.trace`, as `refimpl trace TEXT --save FILE` writes them, the
    leading batch axis of 1 optional. Raises ValueError when no name is known.
    """
    __tracebackhide__ = True
    allowed = named(tolerance)
    walk = minilm_float64(model_path).trace(text)
    names = [name for name in walk if name in my_intermediates]
    if not names:
        raise ValueError(f"none of {sorted(my_intermediates)} is an intermediate; they are {', '.join(walk)}")
    for name in names:
        expected = without_batch(walk[name], walk[name].ndim - 1)
        given = without_batch(np.asarray(my_intermediates[name]), expected.ndim)
        finding = judge_numbers("at", given, expected, allowed.score or 0.5)
        if finding.ok:
            continue

        def cause() -> Any:
            from refimpl.oracle.diagnosis import diagnose_trace

            arrays = {key: np.asarray(value) for key, value in my_intermediates.items()}
            return diagnose_trace(arrays, text, model_path=model_path, tolerance=allowed.score or 1e-5)

        _fail(name, [finding], [text], allowed, cause if diagnose else None)


def _array(mine: Any, what: str, shape: tuple[int, ...]) -> Array:
    __tracebackhide__ = True
    if hasattr(mine, "toarray"):
        mine = mine.toarray()
    given = np.asarray(mine, dtype=np.float64)
    if given.shape != shape:
        raise AssertionError(f"{what}: got shape {given.shape}, expected {shape}")
    return given


def _fail(
    stage: str,
    findings: Sequence[Finding],
    texts: Sequence[str],
    allowed: Tolerance,
    cause: Callable[[], Any] | None,
    what: str = "text",
) -> None:
    __tracebackhide__ = True
    out = [i for i, finding in enumerate(findings) if not finding.ok]
    at = max(out, key=lambda i: np.nan_to_num(findings[i].distance, nan=np.inf))
    many = "queries" if what == "query" else f"{what}s"
    lines = [
        f"{stage}: {len(out)} of {len(findings)} {many} are out; worst is {what} {at}, {texts[at]!r:.80}",
        f"  {findings[at].message}",
        f"  tolerance {allowed.name}: {allowed.reason}",
    ]
    if cause is not None:
        lines.append(f"diagnosis: {cause()}")
    raise AssertionError("\n".join(lines))


def _index(one: Any) -> int:
    found: Any = one.get("index") if isinstance(one, Mapping) else getattr(one, "index", one)
    if callable(found) or isinstance(found, bool) or not hasattr(found, "__index__"):
        raise TypeError(f"a ranking holds indices, or results with an index; got {one!r:.60}")
    return int(found)


def _ranking_cause(given: list[int], order: list[int], truth: Array) -> str:
    """The few causes that a ranking has, where one of them gives exactly this one."""
    n = len(given)
    candidates = {
        "the order is reversed: worst first": np.lexsort((np.arange(len(truth)), truth))[:n],
        "ties are broken by descending index, as TEI does": np.lexsort((-np.arange(len(truth)), -truth))[:n],
        "the ranking is that of the absolute scores": np.lexsort((np.arange(len(truth)), -np.abs(truth)))[:n],
        "the documents are in the order of the request: not ranked": np.arange(len(truth))[:n],
        "these are ranks of documents, not documents by rank": np.argsort(np.lexsort((np.arange(len(truth)), -truth)))[
            :n
        ],
    }
    found = [cause for cause, ranking in candidates.items() if ranking.tolist() == given]
    return f"diagnosis: {found[0] if found else 'none of the known causes'}"
