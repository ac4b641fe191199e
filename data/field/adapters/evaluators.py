"""Libraries of retrieval measures, each with the measures that it has."""

import tempfile
import warnings
from pathlib import Path

NAMES = {"nDCG@10": "ndcg_cut_10", "recall@100": "recall_100", "MRR@10": "recip_rank", "MAP": "map"}


def _mean(values):
    return sum(values) / len(values) if values else 0.0


def pytrec_eval(qrels, run):
    """trec_eval's own code; it has no cut-off for the reciprocal rank."""
    import pytrec_eval

    names = {name: theirs for name, theirs in NAMES.items() if name != "MRR@10"}
    rows = pytrec_eval.RelevanceEvaluator(qrels, set(names.values())).evaluate(run)
    return {
        name: _mean([rows[query][theirs] if query in rows else 0.0 for query in qrels])
        for name, theirs in names.items()
    }


def ir_measures(qrels, run):
    """ir_measures with its default provider for each measure."""
    import ir_measures

    names = {"nDCG@10": "nDCG@10", "recall@100": "R@100", "MRR@10": "RR@10", "MAP": "AP"}
    measures = {name: ir_measures.parse_measure(theirs) for name, theirs in names.items()}
    values = ir_measures.calc_aggregate(list(measures.values()), qrels, run)
    return {name: values[measure] for name, measure in measures.items()}


def ranx(qrels, run):
    """ranx; a query without hits is added, because it compares the queries of both."""
    from ranx import Qrels, Run, evaluate

    names = {"nDCG@10": "ndcg@10", "recall@100": "recall@100", "MRR@10": "mrr@10", "MAP": "map"}
    values = evaluate(Qrels(qrels), Run(run), list(names.values()), make_comparable=True)
    return {name: float(values[theirs]) for name, theirs in names.items()}


def sklearn(qrels, run):
    """scikit-learn's ndcg_score over the judged and the returned documents of each query."""
    from sklearn.metrics import ndcg_score

    values = []
    for query, judged in qrels.items():
        found = run.get(query, {})
        documents = sorted({*judged, *found})
        gains, scores = [judged.get(doc, 0) for doc in documents], [found.get(doc, -1e9) for doc in documents]
        values.append(ndcg_score([gains], [scores], k=10) if found else 0.0)
    return {"nDCG@10": _mean(values)}


def torchmetrics(qrels, run):
    """Torchmetrics' retrieval measures over the documents of each query: the returned ones, then other judged ones."""
    import torch
    from torchmetrics.functional import retrieval

    functions = {
        "nDCG@10": lambda scores, gains: retrieval.retrieval_normalized_dcg(scores, gains, top_k=10),
        "recall@100": lambda scores, gains: retrieval.retrieval_recall(scores, gains > 0, top_k=100),
        "MRR@10": lambda scores, gains: retrieval.retrieval_reciprocal_rank(scores, gains > 0, top_k=10),
        "MAP": lambda scores, gains: retrieval.retrieval_average_precision(scores, gains > 0),
    }
    pairs = []
    for query, judged in qrels.items():
        found = run.get(query, {})
        documents = list(dict.fromkeys([*found, *judged]))
        scores = torch.tensor([float(found.get(doc, -1e9)) for doc in documents])
        pairs.append((scores, torch.tensor([judged.get(doc, 0) for doc in documents])))
    return {name: _mean([float(function(*pair)) for pair in pairs]) for name, function in functions.items()}


def trectools(qrels, run):
    """trectools, from files in trec_eval's formats."""
    from trectools import TrecEval, TrecQrel, TrecRun

    with tempfile.TemporaryDirectory() as place, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        judged, found = Path(place) / "qrels", Path(place) / "run"
        judged.write_text("".join(f"{q} 0 {d} {g}\n" for q, docs in qrels.items() for d, g in docs.items()))
        found.write_text("".join(_lines(query, docs) for query, docs in run.items()))
        evaluation = TrecEval(TrecRun(str(found)), TrecQrel(str(judged)))
        values = {
            "nDCG@10": evaluation.get_ndcg(10),
            "recall@100": evaluation.get_recall(100),
            "MRR@10": evaluation.get_reciprocal_rank(10),
            "MAP": evaluation.get_map(10000),
        }
        return {name: float(value) for name, value in values.items()}


def _lines(query, docs):
    ranked = sorted(docs.items(), key=lambda hit: -hit[1])
    return "".join(f"{query} Q0 {doc} {rank} {score!r} t\n" for rank, (doc, score) in enumerate(ranked, 1))


def llama_index(qrels, run):
    """llama-index's evaluators of a retriever, which see relevant documents without grades."""
    from llama_index.core.evaluation.retrieval.metrics import MRR, AveragePrecision, Recall

    values = {"recall@100": [], "MRR@10": [], "MAP": []}
    for query, judged in qrels.items():
        expected = [doc for doc, grade in judged.items() if grade > 0]
        ranked = sorted(run.get(query, {}), key=lambda doc: -run[query][doc])
        for name, metric, cut in (
            ("recall@100", Recall(), 100),
            ("MRR@10", MRR(), 10),
            ("MAP", AveragePrecision(), None),
        ):
            usable = expected and ranked
            values[name].append(metric.compute("", expected, ranked[:cut]).score if usable else 0.0)
    return {name: _mean(found) for name, found in values.items()}


def sentence_transformers(qrels, run):
    """sentence-transformers' InformationRetrievalEvaluator, which sees relevant documents without grades."""
    from sentence_transformers.evaluation import InformationRetrievalEvaluator

    relevant = {query: {doc for doc, grade in judged.items() if grade > 0} for query, judged in qrels.items()}
    documents = {doc: doc for part in (*qrels.values(), *run.values()) for doc in part}
    cuts = {"ndcg_at_k": [10], "mrr_at_k": [10], "map_at_k": [10000], "precision_recall_at_k": [100]}
    evaluator = InformationRetrievalEvaluator({query: query for query in qrels}, documents, relevant, **cuts)
    ranked = [
        [{"corpus_id": doc, "score": score} for doc, score in run.get(q, {}).items()] for q in evaluator.queries_ids
    ]
    found = evaluator.compute_metrics(ranked)
    parts = {"nDCG@10": found["ndcg@k"][10], "recall@100": found["recall@k"][100], "MRR@10": found["mrr@k"][10]}
    return {**parts, "MAP": found["map@k"][10000]}
