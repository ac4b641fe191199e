"""Documents of one score: the order in which an evaluator ranks them."""

import math
from collections.abc import Callable, Sequence
from functools import partial

from refimpl.identify.questions import Found, Question, number_of

COUNT, CUT = 40, 10  # documents; few would not show an unstable sort, which keeps the order of some 16
FEW = "mzkabtycx"
FIRST = ((1, 2, 3, 4), (3, 1, 4, 2))
"""Of each query the first rank of a relevant document: by the run's order, descending ids, ascending ids, reversed."""


def tie_questions(found: Found) -> list[Question]:
    """Two queries of 40 documents of one score; a measure that counts beyond its cut-off is computed so."""
    names = [f"d{number:02}" for number in range(COUNT)]
    run = [names[(7 * place + COUNT // 2) % COUNT] for place in range(COUNT)]
    orders = _orders(run)
    relevant = {
        f"q{number}": {order[rank - 1] for order, rank in zip(orders.values(), ranks, strict=True)}
        for number, ranks in enumerate(FIRST)
    }
    given = {
        "qrels": {query: dict.fromkeys(sorted(docs), 1) for query, docs in relevant.items()},
        "run": {query: dict.fromkeys(run, 1.0) for query in relevant},
    }
    questions = []
    for measure, (value, mean) in MEASURES.items():
        counted = _counts_on(found, measure)
        cut = COUNT if counted else CUT
        options = {
            name: sum(value([doc in docs for doc in order], cut) for docs in relevant.values()) / len(relevant)
            for name, order in orders.items()
        }
        options["mean over the orders of the tied"] = mean(len(orders), cut)
        questions.append(Question(f"{measure}, ties", given, partial(number_of, measure), options))
    return questions


def few_ties(found: Found) -> list[Question]:
    """Nine documents of one score, where the order of many is not known: a sort may keep that of few alone.

    The relevant document is m in four queries, z in two and a in one, so that a number shows the ranks of all three.
    """
    times = {"m": 4, "z": 2, "a": 1}
    relevant = [doc for doc, count in times.items() for _ in range(count)]
    given = {
        "qrels": {f"q{number}": {doc: 1} for number, doc in enumerate(relevant)},
        "run": {f"q{number}": dict.fromkeys(FEW, 1.0) for number in range(len(relevant))},
    }
    values: dict[str, Callable[[int], float]] = {"nDCG@10": _discount, "MRR@10": lambda rank: 1 / rank}
    questions = []
    for measure, value in values.items():
        factor = found.get(f"{measure}, ties")
        if factor is not None and factor.value.startswith("none of the known options"):
            options = {
                name: sum(value(order.index(doc) + 1) for doc in relevant) / len(relevant)
                for name, order in _orders(list(FEW)).items()
            }
            name = f"{measure}, ties of nine documents"
            questions.append(Question(name, given, partial(number_of, measure), options))
    return questions


def _orders(run: list[str]) -> dict[str, list[str]]:
    return {
        "the run's order": run,
        "document id, descending": sorted(run, reverse=True),
        "document id, ascending": sorted(run),
        "the run's order, reversed": run[::-1],
    }


def _counts_on(found: Found, measure: str) -> bool:
    """Whether documents beyond the cut-off were found to count."""
    factor = found.get(f"{measure}, beyond rank {CUT}")
    return factor is not None and factor.value == "counted"


def _discount(rank: int) -> float:
    return 1 / math.log2(rank + 1)


def _discounts(ranks: int) -> float:
    return sum(_discount(rank) for rank in range(1, ranks + 1))


def _ndcg(hits: Sequence[bool], cut: int) -> float:
    return sum(_discount(rank) for rank, hit in enumerate(hits[:cut], 1) if hit) / _discounts(sum(hits))


def _reciprocal_rank(hits: Sequence[bool], cut: int) -> float:
    return next((1 / rank for rank, hit in enumerate(hits[:cut], 1) if hit), 0.0)


def _mean_ndcg(relevant: int, cut: int) -> float:
    """Each rank has a relevant document with the share of these."""
    return relevant / COUNT * _discounts(cut) / _discounts(relevant)


def _mean_reciprocal_rank(relevant: int, cut: int) -> float:
    """The first relevant document is at `rank` where the others are among the ranks after it."""
    orders = math.comb(COUNT, relevant)
    return sum(math.comb(COUNT - rank, relevant - 1) / orders / rank for rank in range(1, cut + 1))


MEASURES: dict[str, tuple[Callable[[Sequence[bool], int], float], Callable[[int, int], float]]] = {
    "nDCG@10": (_ndcg, _mean_ndcg),
    "MRR@10": (_reciprocal_rank, _mean_reciprocal_rank),
}
"""The value of an order's hits up to a cut-off, and its mean over all orders of so many relevant documents."""
