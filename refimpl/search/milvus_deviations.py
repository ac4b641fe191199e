"""Measured differences between Milvus' results and its documented definitions: Lite's BM25, pymilvus' norm_score."""

import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from refimpl.evaluate import evaluate
from refimpl.search.fields import FullTextField
from refimpl.search.plan import LoadedDataset, System
from refimpl.search.records import SearchResults, truncate
from refimpl.search.results import run_of
from refimpl.search.retrieval import retrieve
from refimpl.search.run_result import RunResult
from refimpl.search.scorers import SparseScorer
from refimpl.search.store import MilvusStore
from refimpl.search.truth import truth_of
from refimpl.search.validation import Validation

K1, B = 1.5, 0.75  # of Milvus Lite 3.2.2, whatever the index parameters are
SAMPLE, FLUSHES, QUERIES = 600, 3, 20


def milvus_deviations(result: RunResult, store: MilvusStore) -> list[dict[str, Any]]:
    """The deviations that concern the run's systems, as entries of results.json; those of Lite only on Lite."""
    deviations = []
    for field in result.plan.fields:
        if isinstance(field, FullTextField) and store.lite:
            deviations.append(_whole_collection(result, field.name))
            deviations.append(_segments(result.dataset))
    weighted = [s for s in result.plan.systems if s.ranker and s.ranker.kind == "weighted" and s.rerank is None]
    return deviations + [_norm_score(result, system, store) for system in weighted]


def validate_full_text(results: SearchResults, dataset: LoadedDataset, depth: int) -> Validation:
    """Compare full-text results with BM25 over the whole collection, by Milvus Lite's formula and analyzer."""
    hits = results.hits(dataset.documents.positions(results.distinct()), depth, len(dataset.documents))
    queries, blocks = bm25_vectors(dataset.documents.parts, list(dataset.queries.values()))
    return truth_of(SparseScorer(queries), blocks, hits).compare(hits, "sparse IP")


def _whole_collection(result: RunResult, field: str) -> dict[str, Any]:
    validation = validate_full_text(result.retrieved[field], result.dataset, result.plan.depth)
    return {
        "what": "Milvus Lite's own BM25 against BM25 over the whole collection",
        "why": "Lite takes document frequencies and average length from each segment by itself",
        "figures": {
            "recall": validation.recall,
            "max_relative_score_error": validation.max_error,
            "queries": validation.queries,
        },
    }


def _segments(dataset: LoadedDataset) -> dict[str, Any]:
    """The same documents written in one flush and in three: the scores and orders of Lite's BM25 differ."""
    queries = list(dataset.queries.values())[:QUERIES]
    sample = list(islice(dataset.documents, SAMPLE))
    ids, texts = [document.id for document in sample], [document.text for document in sample]
    with tempfile.TemporaryDirectory() as folder:
        once = _search_full_text(Path(folder) / "once.db", ids, texts, 1, queries)
        thrice = _search_full_text(Path(folder) / "thrice.db", ids, texts, FLUSHES, queries)
    scores = [dict(zip(*pair, strict=True)) for pair in zip(once.ids, once.scores, strict=True)]
    changes = [
        abs(score - scores[row][doc_id]) / scores[row][doc_id]
        for row, (doc_ids, values) in enumerate(zip(thrice.ids, thrice.scores, strict=True))
        for doc_id, score in zip(doc_ids, values, strict=True)
        if doc_id in scores[row]
    ]
    return {
        "what": f"Milvus Lite's own BM25, {len(ids)} documents in one flush and in {FLUSHES}",
        "why": "each flush makes a segment, and each segment has its own idf",
        "figures": {
            "max_relative_score_change": max(changes, default=0.0),
            "queries_whose_top_10_changes": _changed(once, thrice),
            "queries": len(queries),
        },
    }


def _search_full_text(file: Path, ids: list[str], texts: list[str], flushes: int, queries: list[str]) -> SearchResults:
    with MilvusStore("deviation", [FullTextField("text_bm25")], uri=str(file)) as store:
        for part in np.array_split(np.arange(len(ids)), flushes):
            store.ingest([ids[row] for row in part], [texts[row] for row in part], {})  # each call ends in a flush
        return store.search("text_bm25", queries, 100)


def _norm_score(result: RunResult, system: System, store: MilvusStore) -> dict[str, Any]:
    """The same weighted fusion with norm_score on and off."""
    assert system.ranker is not None
    own, other = system.ranker, replace(system.ranker, norm_score=not system.ranker.norm_score)
    results = result.retrieved[system.route]
    switched = retrieve(store, replace(system, ranker=other), result.encoded.queries, result.plan.depth)
    figures: dict[str, Any] = {"queries_whose_top_10_changes": _changed(results, switched), "queries": len(results.ids)}
    ignored = result.plan.ignores_identical_ids(result.dataset)
    for ranker, retrieved in ((own, results), (other, switched)):
        run = run_of(retrieved, result.dataset)
        measured = evaluate(run, result.dataset.qrels, ignore_identical_ids=ignored).mean
        figures[f"nDCG@10 with norm_score={ranker.norm_score}"] = measured["nDCG@10"]
    return {
        "what": f"{system.name}: norm_score",
        "why": "pymilvus' WeightedRanker sends norm_score=True by default; Milvus' own default is False",
        "figures": figures,
    }


def _changed(a: SearchResults, b: SearchResults) -> int:
    return sum(x[:10] != y[:10] for x, y in zip(a.ids, b.ids, strict=True))


def bm25_vectors(
    parts: Callable[[], Iterable[Sequence[str]]], queries: Sequence[str]
) -> tuple[csr_array, Callable[[], Iterator[csr_array]]]:
    r"""Queries, and documents in blocks, whose inner product is Milvus Lite's BM25 with the idf of all texts.

    `parts` returns the texts in lists; it is called once, and again by each call of the second result. Tokens are runs
    of `\w`, lower-cased; Lucene's idf, ln(1 + (N - df + 0.5) / (df + 0.5)); k1 = 1.5, b = 0.75; tf with the factor
    (k1 + 1). What grows with the collection is the vocabulary.
    """
    columns: dict[str, int] = {}
    df: Counter[int] = Counter()
    n_docs = total_len = 0
    for texts in parts():
        counts = _term_counts([truncate(text) for text in texts], columns)
        df.update(counts.indices.tolist())
        n_docs, total_len = n_docs + len(texts), total_len + int(counts.data.sum())
    weighted_queries = _term_counts(queries, columns)
    width = len(columns)
    dfs = np.array([df[column] for column in range(width)])
    idf = np.log1p((n_docs - dfs + 0.5) / (dfs + 0.5))
    weighted_queries.data = weighted_queries.data * idf[weighted_queries.indices]

    def blocks() -> Iterator[csr_array]:
        for texts in parts():
            documents = _term_counts([truncate(text) for text in texts], columns)
            documents.resize((len(texts), width))
            norm = K1 * (1 - B + B * np.asarray(documents.sum(axis=1)).ravel() / (total_len / n_docs))
            tf = documents.data
            documents.data = tf * (K1 + 1) / (tf + np.repeat(norm, np.diff(documents.indptr)))
            yield documents

    return weighted_queries, blocks


def _term_counts(texts: Sequence[str], columns: dict[str, int]) -> csr_array:
    """Term counts, `(texts, terms)`; new terms are appended to `columns`."""
    data: list[int] = []
    indices: list[int] = []
    indptr = [0]
    for text in texts:
        counts = Counter(re.findall(r"\w+", text.lower()))
        indices += [columns.setdefault(token, len(columns)) for token in counts]
        data += counts.values()
        indptr.append(len(indices))
    return csr_array((np.array(data, np.float64), indices, indptr), shape=(len(texts), len(columns)))
