"""What MaxSim is worth: nDCG@10 before and after it reranks a first stage's best documents, on a BEIR folder.

    python bench/rerank_quality.py FOLDER [FOLDER ...]

First stages: MiniLM's cosine, and bm25s with Lucene's formula at k1 = 0.9, b = 0.4 (Snowball stemming, stop words). The
p-value is of a paired t-test over queries. Nothing here was tuned on the collection but `cosine_weight`, on Cranfield.
"""

import argparse
import json
from pathlib import Path

import bm25s
import ir_measures
import numpy as np
import Stemmer
from scipy.stats import ttest_rel

from refimpl import MaxSimRerankFunction
from refimpl.bert.heads import l2_normalize

MEASURE = ir_measures.nDCG @ 10
Run = dict[str, dict[str, float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--workers", type=int)
    options = parser.parse_args()
    print(f"{'collection':12} {'first stage':12} {'nDCG@10':>8} {'MaxSim':>8} {'change':>8} {'p':>8}")
    for folder in options.folders:
        report(folder, options.candidates, options.workers)


def report(folder: Path, candidates: int, workers: int | None) -> None:
    corpus = {entry["_id"]: _text(entry) for entry in _lines(folder / "corpus.jsonl")}
    qrels = _qrels(folder / "qrels" / "test.tsv")
    queries = {entry["_id"]: entry["text"] for entry in _lines(folder / "queries.jsonl") if entry["_id"] in qrels}
    rf = MaxSimRerankFunction(num_workers=workers)
    documents = [vectors.astype(np.float16) for vectors in rf.encode(list(corpus.values()))]
    query_vectors = rf.encode(list(queries.values()))
    means = l2_normalize(np.stack([vectors.mean(axis=0, dtype=np.float32) for vectors in documents]))
    cosines = l2_normalize(np.stack([vectors.mean(axis=0) for vectors in query_vectors])) @ means.T
    stages = {"MiniLM": cosines, "BM25": bm25_scores(list(corpus.values()), list(queries.values()))}
    names = list(corpus)
    for stage, scores in stages.items():
        before: Run = {}
        after: Run = {}
        for query_id, query, row in zip(queries, query_vectors, scores, strict=True):
            top = np.argsort(-row, kind="stable")[:candidates]
            before[query_id] = {names[i]: float(row[i]) for i in top}
            after[query_id] = {names[i]: rf.similarity(query, documents[i].astype(np.float32)) for i in top}
        first, second = (_by_query(qrels, run) for run in (before, after))
        p = ttest_rel(second, first).pvalue
        print(
            f"{folder.name:12} {stage:12} {first.mean():8.4f} {second.mean():8.4f} "
            f"{second.mean() - first.mean():+8.4f} {p:8.1e}",
            flush=True,
        )


def bm25_scores(documents: list[str], queries: list[str]) -> np.ndarray:
    stemmer = Stemmer.Stemmer("english")
    retriever = bm25s.BM25(k1=0.9, b=0.4)
    settings = {"stemmer": stemmer, "stopwords": "en", "show_progress": False}
    retriever.index(bm25s.tokenize(documents, **settings), show_progress=False)
    tokens = bm25s.tokenize(queries, return_ids=False, **settings)
    return np.stack([retriever.get_scores(terms) for terms in tokens])


def _by_query(qrels: dict[str, dict[str, int]], run: Run) -> np.ndarray:
    values = {metric.query_id: metric.value for metric in ir_measures.iter_calc([MEASURE], qrels, run)}
    return np.array([values[query_id] for query_id in sorted(values)])


def _text(entry: dict[str, str]) -> str:
    return f"{entry.get('title', '')} {entry['text']}".strip()


def _lines(file: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def _qrels(file: Path) -> dict[str, dict[str, int]]:
    qrels: dict[str, dict[str, int]] = {}
    for line in file.read_text(encoding="utf-8").splitlines()[1:]:
        query_id, doc_id, relevance = line.split("\t")
        qrels.setdefault(query_id, {})[doc_id] = int(relevance)
    return qrels


if __name__ == "__main__":
    main()
