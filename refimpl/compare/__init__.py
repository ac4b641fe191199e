"""Tolerance classes, and the comparisons of arrays, vectors, rankings and traces: the only place that compares."""

from refimpl.compare.arrays import compare_arrays, compare_ids, compare_mappings, compare_scores, compare_values
from refimpl.compare.comparison import Comparison, from_condition, worst_of
from refimpl.compare.rankings import compare_order, compare_ranking
from refimpl.compare.tolerance import Tolerance
from refimpl.compare.traces import compare_traces, first_mismatch
from refimpl.compare.vectors import compare_neighbours, compare_vector

__all__ = [
    "Comparison",
    "Tolerance",
    "compare_arrays",
    "compare_ids",
    "compare_mappings",
    "compare_neighbours",
    "compare_order",
    "compare_ranking",
    "compare_scores",
    "compare_traces",
    "compare_values",
    "compare_vector",
    "first_mismatch",
    "from_condition",
    "worst_of",
]
