"""Evaluation of runs: measures with qrels, significance of differences, TREC run files."""

from refimpl.evaluate.measures import MEASURES, Evaluation, Qrels, check_measures, evaluate, trec_eval_ranking
from refimpl.evaluate.significance import Significance, bootstrap_interval, holm, randomisation_test
from refimpl.evaluate.trec_run import Run, check_trec_id, read_run, write_run

__all__ = [
    "MEASURES",
    "Evaluation",
    "Qrels",
    "Run",
    "Significance",
    "bootstrap_interval",
    "check_measures",
    "check_trec_id",
    "evaluate",
    "holm",
    "randomisation_test",
    "read_run",
    "trec_eval_ranking",
    "write_run",
]
