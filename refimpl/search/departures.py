"""Where Milvus Lite answers otherwise than Milvus' definitions say, in figures taken from the run itself."""

import re
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from refimpl.evaluate import evaluate
from refimpl.search.exact import judge_sparse
from refimpl.search.milvus import MilvusStore
from refimpl.search.plan import Loaded, System
from refimpl.search.records import Field, Found, Queries, cut

K1, B = 1.5, 0.75  # what Milvus Lite 3.2.2 always uses, whatever the index was made with
SAMPLE, FLUSHES, ASKED = 600, 3, 20


def of_store(
    store: MilvusStore,
    loaded: Loaded,
    systems: Sequence[System],
    queries: Mapping[str, Queries],
    answers: Mapping[str, Found],
    depth: int,
) -> list[dict[str, Any]]:
    """Every departure that the run's systems touch; a Milvus server is not asked about Lite's own ways."""
    made = []
    for field in store.fields.values():
        if field.kind == "bm25" and store.lite:
            made.append(_against_whole_collection(loaded, answers[field.name], depth))
            made.append(_segments(loaded))
    weighted = [s for s in systems if s.ranker is not None and s.ranker.kind == "weighted" and s.rerank is None]
    return made + [_norm_score(store, loaded, system, queries, answers[system.route], depth) for system in weighted]


def _against_whole_collection(loaded: Loaded, found: Found, depth: int) -> dict[str, Any]:
    vectors = bm25_vectors(loaded.texts, list(loaded.queries.values()))
    verdict = judge_sparse(found.hits(loaded.position, depth), *vectors)
    return {
        "what": "Milvus Lite's own BM25 against BM25 over the whole collection",
        "why": "Lite takes document frequencies and average length from each segment by itself",
        "figures": {
            "recall": verdict.recall,
            "max_relative_score_error": verdict.max_error,
            "queries": verdict.queries,
        },
    }


def _segments(loaded: Loaded) -> dict[str, Any]:
    """The same documents written in one flush and in three: Lite's BM25 scores and orders differ."""
    asked = list(loaded.queries.values())[:ASKED]
    ids, texts = loaded.ids[:SAMPLE], loaded.texts[:SAMPLE]
    with tempfile.TemporaryDirectory() as folder:
        once = _native(Path(folder) / "once.db", ids, texts, 1, asked)
        thrice = _native(Path(folder) / "thrice.db", ids, texts, FLUSHES, asked)
    scores = [dict(zip(*pair, strict=True)) for pair in zip(once.ids, once.scores, strict=True)]
    errors = [
        abs(score - scores[row][doc_id]) / scores[row][doc_id]
        for row, (found, values) in enumerate(zip(thrice.ids, thrice.scores, strict=True))
        for doc_id, score in zip(found, values, strict=True)
        if doc_id in scores[row]
    ]
    return {
        "what": f"Milvus Lite's own BM25, {len(ids)} documents in one flush and in {FLUSHES}",
        "why": "each flush makes a segment, and each segment has its own idf",
        "figures": {
            "max_relative_score_change": max(errors, default=0.0),
            "queries_whose_top_10_changes": _changed(once, thrice),
            "queries": len(asked),
        },
    }


def _native(file: Path, ids: list[str], texts: list[str], flushes: int, asked: list[str]) -> Found:
    with MilvusStore("departure", [Field("native", "bm25", "BM25")], uri=str(file)) as store:
        for part in np.array_split(np.arange(len(ids)), flushes):
            store.ingest([ids[row] for row in part], [texts[row] for row in part], {})  # each call ends in a flush
        return store.search("native", asked, 100)


def _norm_score(
    store: MilvusStore, loaded: Loaded, system: System, queries: Mapping[str, Queries], answer: Found, depth: int
) -> dict[str, Any]:
    assert system.ranker is not None
    other = replace(system.ranker, norm_score=not system.ranker.norm_score)
    asked = {name: queries[name] for name in system.fields}
    switched = store.hybrid(asked, depth, other, depth=depth)
    figures: dict[str, Any] = {"queries_whose_top_10_changes": _changed(answer, switched), "queries": len(answer.ids)}
    for norm_score, found in ((system.ranker.norm_score, answer), (other.norm_score, switched)):
        figures[f"nDCG@10 with norm_score={norm_score}"] = _ndcg(found, loaded)
    return {
        "what": f"{system.name}: norm_score",
        "why": "pymilvus' WeightedRanker sends norm_score=True unless told otherwise; Milvus' own default is False",
        "figures": figures,
    }


def _ndcg(found: Found, loaded: Loaded) -> float:
    run = {
        query_id: dict(zip(ids, scores, strict=True))
        for query_id, ids, scores in zip(loaded.queries, found.ids, found.scores, strict=True)
    }
    return evaluate(run, loaded.qrels).mean["nDCG@10"]


def _changed(a: Found, b: Found) -> int:
    return sum(x[:10] != y[:10] for x, y in zip(a.ids, b.ids, strict=True))


def bm25_vectors(texts: Sequence[str], queries: Sequence[str]) -> tuple[csr_array, csr_array]:
    r"""Queries and documents whose inner product is Milvus Lite's BM25 with the idf of all `texts`.

    Tokens are runs of `\w`, lower-cased; Lucene's idf, ln(1 + (N - df + 0.5) / (df + 0.5)); k1 = 1.5, b = 0.75; tf
    with the factor (k1 + 1).
    """
    columns: dict[str, int] = {}
    documents = _counts([cut(text) for text in texts], columns)
    asked = _counts(queries, columns)
    width = len(columns)
    documents.resize((len(texts), width))
    df = np.bincount(documents.indices, minlength=width)
    lengths = np.asarray(documents.sum(axis=1)).ravel()
    norm = K1 * (1 - B + B * lengths / lengths.mean())
    tf = documents.data
    documents.data = tf * (K1 + 1) / (tf + np.repeat(norm, np.diff(documents.indptr)))
    idf = np.log1p((len(texts) - df + 0.5) / (df + 0.5))
    asked.data = asked.data * idf[asked.indices]
    return asked, documents


def _counts(texts: Sequence[str], columns: dict[str, int]) -> csr_array:
    data: list[int] = []
    indices: list[int] = []
    indptr = [0]
    for text in texts:
        counted = Counter(re.findall(r"\w+", text.lower()))
        indices += [columns.setdefault(token, len(columns)) for token in counted]
        data += counted.values()
        indptr.append(len(indices))
    return csr_array((np.array(data, np.float64), indices, indptr), shape=(len(texts), len(columns)))
