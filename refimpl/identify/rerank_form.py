"""The form of a reranker's answer: number of results, order, index, ties, top_k, returned texts, refusals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from refimpl.identify.ask import Refusal
from refimpl.identify.describe import Factor
from refimpl.identify.rerank_calls import RerankCalls, Results
from refimpl.identify.sameness import ROUNDING

QUERY = "which house is red"
DOCUMENTS = (
    "the old king went home",
    "the red house is near the river",
    "music in the morning",
    "a house in the city",
    "water is cold",
    "which house is red",
    "the car is red",
)
MANY = 120
LEAST = 4  # results of an answer that show an order of equal ones


@dataclass(frozen=True)
class Form:
    """The factors, whether `index` is a position in the request, and the largest number of results, if there is one."""

    factors: tuple[Factor, ...]
    by_index: bool
    most: int | None = None


def factors(calls: RerankCalls) -> Form:
    """Ask seven documents in two orders, equal ones, several top_k, empty ones and many.

    Where an answer has at most so many results, no later request has more documents. Raises ValueError where plain
    documents are refused or give no results.
    """
    most = _most(calls)
    documents = DOCUMENTS[:most]
    whole = _whole(calls, documents)
    index = _index(whole, _whole(calls, documents[::-1]), len(documents))
    found = [] if most is None else [_at_most(most)]
    found += [_order(whole, documents), index, *_ties(calls, most), _default(calls), _top_k(calls, documents)]
    found += [*_texts(whole, documents), _edge(calls, "empty document", ("", DOCUMENTS[1]))]
    found += [_edge(calls, "no documents", ()), _no_query(calls, documents)]
    return Form(tuple(found), index.value == "position in the request", most)


def _many() -> list[str]:
    return [f"{DOCUMENTS[i % len(DOCUMENTS)]} number {i}" for i in range(MANY)]


def _most(calls: RerankCalls) -> int | None:
    """The number of results of many documents, of as many as that and of one more; None where not all are equal."""
    for documents in (DOCUMENTS, _many()):
        count = _count(calls, documents)
        if LEAST <= count < len(documents):
            same = all(_count(calls, documents[:size]) == count for size in (count, count + 1))
            return count if same else None
    return None


def _count(calls: RerankCalls, documents: Sequence[str]) -> int:
    results = calls(QUERY, documents, len(documents))
    return 0 if isinstance(results, Refusal) else len(results)


def _at_most(most: int) -> Factor:
    evidence = f"{most}, {most + 1} and more documents, top_k as many"
    return Factor("number of results", "known form", f"at most {most} are returned", evidence)


def _whole(calls: RerankCalls, documents: Sequence[str]) -> Results:
    results = calls(QUERY, documents, len(documents))
    if isinstance(results, Refusal):
        raise ValueError(f"{calls.name} refuses plain documents: {results.message}")
    if not results:
        raise ValueError(f"{calls.name} returns no results for {len(documents)} documents")
    return results


def _order(results: Results, documents: Sequence[str]) -> Factor:
    name, evidence = "order of the results", f"{len(results)} results of {len(documents)} documents"
    scores = [result.score for result in results]
    if len(set(scores)) < 3:
        return Factor(name, "undetermined", "fewer than three different scores", evidence)
    if all(a >= b for a, b in pairwise(scores)):
        return Factor(name, "known form", "by score, best first", evidence)
    if all(a <= b for a, b in pairwise(scores)):
        return Factor(name, "known form", "by score ascending: lower is better, or worst first", evidence)
    if [result.index for result in results] == list(range(len(results))):
        return Factor(name, "known form", "that of the request", evidence)
    return Factor(name, "undetermined", "neither by score nor that of the request", evidence)


def _index(whole: Results, reversed_results: Results, documents: int) -> Factor:
    name, evidence = "index", "the same documents in the request's order and reversed"
    some, others = ([result.index for result in results] for results in (whole, reversed_results))
    if None in some:
        return Factor(name, "known form", "none", evidence)
    last = documents - 1
    scores = {result.index: result.score for result in whole}
    in_reverse = {None if r.index is None else last - r.index: r.score for r in reversed_results}
    size = max(abs(score) for score in scores.values()) or 1.0
    if len(set(scores.values())) < 3 or min(len(scores), len(in_reverse)) < documents:
        return Factor(name, "undetermined", "too few results or different scores", evidence)
    if all(i in in_reverse and abs(in_reverse[i] - score) < 1e-3 * size for i, score in scores.items()):
        return Factor(name, "known form", "position in the request", evidence)
    for first, value in ((0, "rank in the answer, from 0"), (1, "rank in the answer, from 1")):
        if some == others == list(range(first, first + len(some))):
            return Factor(name, "known form", value, evidence)
    from_one = {i: in_reverse.get(i - 2) for i in scores if i is not None}
    if all(v is not None and abs(v - scores[i]) < 1e-3 * size for i, v in from_one.items()):
        return Factor(name, "known form", "position in the request, from 1", evidence)
    return Factor(name, "undetermined", "documents have other scores in another order", evidence)


def _ties(calls: RerankCalls, most: int | None) -> list[Factor]:
    count = 4 if most is None else min(4, most - 2)
    name, evidence = "ties", f"{count} equal documents between two others"
    documents = (DOCUMENTS[0], *[DOCUMENTS[1]] * count, DOCUMENTS[2])
    results = calls(QUERY, documents, len(documents))
    if isinstance(results, Refusal):
        return [Factor(name, "undetermined", f"refused: {results.message[:120]}", evidence)]
    ascending = tuple(range(1, count + 1))
    equal = [result for result in results if result.index in ascending]
    if len(equal) == 1 and len(results) == 3:
        return [Factor(name, "known form", "equal documents come once", evidence)]
    if len(equal) < count:
        return [Factor(name, "undetermined", f"{len(results)} of {len(documents)} documents are returned", evidence)]
    scores = [result.score for result in equal]
    every = [result.score for result in results]
    spread = max(every) - min(every)
    if max(scores) - min(scores) > ROUNDING * spread:
        return [Factor(name, "known form", "equal documents have other scores", evidence)]
    indices = tuple(result.index or 0 for result in equal)
    if len(set(scores)) > 1 and scores in (sorted(scores), sorted(scores, reverse=True)):
        return [Factor(name, "known form", "scores of equal documents differ by rounding, which orders them", evidence)]
    orders = {ascending: "by index, ascending", ascending[::-1]: "by index, descending"}
    return [Factor(name, "known form", orders.get(indices, f"in the order {list(indices)}"), evidence)]


def _default(calls: RerankCalls) -> Factor:
    name = "no top_k"
    results = calls(QUERY, _many())
    evidence = f"{MANY} documents, top_k null"
    if isinstance(results, Refusal):
        return Factor(name, "known form", f"{MANY} documents are refused: {results.message[:120]}", evidence)
    value = "all results" if len(results) == MANY else f"{len(results)} results"
    return Factor(name, "known form", value, evidence)


def _top_k(calls: RerankCalls, documents: Sequence[str]) -> Factor:
    name, asks = "top_k", (1, 3, len(documents), 2 * len(documents))
    evidence = f"top_k of {', '.join(map(str, asks))} for {len(documents)} documents"
    if "top_k" in calls.dropped:
        return Factor(name, "known form", "not a parameter", evidence)
    found = [calls(QUERY, documents, k) for k in asks]
    counts = [None if isinstance(results, Refusal) else len(results) for results in found]
    whole = found[2]
    if counts[:3] == [1, 3, len(documents)] and not isinstance(whole, Refusal):
        more = {len(documents): "more gives all", None: "more is refused"}.get(counts[3], f"more gives {counts[3]}")
        firsts = [[r.index for r in some] for some in found[:2] if not isinstance(some, Refusal)]
        every = [r.index for r in whole]
        same = all(indices == every[: len(indices)] for indices in firsts)
        return Factor(name, "known form", f"{'the first' if same else 'other than the first'} of all; {more}", evidence)
    if len(set(counts)) == 1 and counts[0] is not None:
        return Factor(name, "known form", f"ignored: always {counts[0]} results", evidence)
    shown = ", ".join(f"{k}: {'refused' if n is None else n}" for k, n in zip(asks, counts, strict=True))
    return Factor(name, "known form", f"results by top_k: {shown}", evidence)


def _texts(whole: Results, documents: Sequence[str]) -> list[Factor]:
    name, evidence = "returned texts", "the texts of the results, and the documents of their indices"
    given = [result for result in whole if result.text is not None]
    if not given:
        return [Factor(name, "known form", "none", evidence)]
    pairs = [(r.text, documents[r.index]) for r in given if r.index is not None and 0 <= r.index < len(documents)]
    if pairs and all(text == document for text, document in pairs):
        return [Factor(name, "known form", "those of the documents", evidence)]
    if pairs and all(text and document.startswith(text) for text, document in pairs):
        return [Factor(name, "known form", "the beginnings of the documents", evidence)]
    if all(r.text in documents for r in given):
        return [Factor(name, "known form", "those of other documents than the index says", evidence)]
    changes: dict[str, Callable[[str], str]] = {"lower-cased": str.lower, "without outer space": str.strip}
    for value, change in changes.items():
        if pairs and all(text == change(document) for text, document in pairs):
            return [Factor(name, "known form", value, evidence)]
    return [Factor(name, "undetermined", "none of the documents", evidence)]


def _edge(calls: RerankCalls, name: str, documents: Sequence[str]) -> Factor:
    results = calls(QUERY, documents, max(len(documents), 1))
    evidence = f"{len(documents)} documents"
    if isinstance(results, Refusal):
        return Factor(name, "known form", "refused", f"{evidence}: {results.message[:120]}")
    empty = [result for result in results if result.index == 0]
    if not documents:
        return Factor(name, "known form", f"{len(results)} results", evidence)
    return Factor(name, "known form", "scored" if empty and len(results) == 2 else "left out", evidence)


def _no_query(calls: RerankCalls, documents: Sequence[str]) -> Factor:
    name, evidence = "empty query", "a query of no letters"
    results = calls("", documents, len(documents))
    if isinstance(results, Refusal):
        return Factor(name, "known form", "refused", f"{evidence}: {results.message[:120]}")
    return Factor(name, "known form", f"{len(results)} results of {len(documents)}", evidence)
