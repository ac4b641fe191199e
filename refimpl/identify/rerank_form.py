"""The form of a reranker's answer: order, index, ties, top_k, returned texts, refusals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from refimpl.identify.ask import Refusal
from refimpl.identify.describe import Factor
from refimpl.identify.rerank_calls import RerankCalls, Results

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


@dataclass(frozen=True)
class Form:
    """The factors, and whether `index` is a position in the request."""

    factors: tuple[Factor, ...]
    by_index: bool


def factors(calls: RerankCalls) -> Form:
    """Ask seven documents in two orders, equal ones, several top_k, empty ones and many.

    Raises ValueError where seven plain documents are refused or give no results.
    """
    whole = _whole(calls, DOCUMENTS)
    reversed_results = _whole(calls, DOCUMENTS[::-1])
    index = _index(whole, reversed_results)
    found = [_order(whole), index, *_ties(calls), _default(calls), _top_k(calls), *_texts(calls, whole)]
    found += [_edge(calls, "empty document", ("", DOCUMENTS[1])), _edge(calls, "no documents", ()), _no_query(calls)]
    return Form(tuple(found), index.value == "position in the request")


def _whole(calls: RerankCalls, documents: Sequence[str]) -> Results:
    results = calls(QUERY, documents, len(documents))
    if isinstance(results, Refusal):
        raise ValueError(f"{calls.name} refuses plain documents: {results.message}")
    if not results:
        raise ValueError(f"{calls.name} returns no results for {len(documents)} documents")
    return results


def _order(results: Results) -> Factor:
    name, evidence = "order of the results", f"{len(results)} results of {len(DOCUMENTS)} documents"
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


def _index(whole: Results, reversed_results: Results) -> Factor:
    name, evidence = "index", "the same documents in the request's order and reversed"
    some, others = ([result.index for result in results] for results in (whole, reversed_results))
    if None in some:
        return Factor(name, "known form", "none", evidence)
    last = len(DOCUMENTS) - 1
    scores = {result.index: result.score for result in whole}
    in_reverse = {None if r.index is None else last - r.index: r.score for r in reversed_results}
    size = max(abs(score) for score in scores.values()) or 1.0
    if len(set(scores.values())) < 3 or len(scores) < len(DOCUMENTS) or len(in_reverse) < len(DOCUMENTS):
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


def _ties(calls: RerankCalls) -> list[Factor]:
    name, evidence = "ties", "four equal documents between two others"
    documents = (DOCUMENTS[0], *[DOCUMENTS[1]] * 4, DOCUMENTS[2])
    results = calls(QUERY, documents, len(documents))
    if isinstance(results, Refusal):
        return [Factor(name, "undetermined", f"refused: {results.message[:120]}", evidence)]
    equal = [result for result in results if result.index in (1, 2, 3, 4)]
    indices = [result.index for result in equal]
    if len(equal) < 4:
        return [Factor(name, "known form", f"equal documents come once: {len(equal)} of 4 returned", evidence)]
    if len({result.score for result in equal}) > 1:
        return [Factor(name, "known form", "equal documents have other scores", evidence)]
    orders: dict[tuple[int, ...], str] = {(1, 2, 3, 4): "by index, ascending", (4, 3, 2, 1): "by index, descending"}
    return [Factor(name, "known form", orders.get(tuple(i or 0 for i in indices), f"in the order {indices}"), evidence)]


def _default(calls: RerankCalls) -> Factor:
    name = "no top_k"
    documents = [f"{DOCUMENTS[i % len(DOCUMENTS)]} number {i}" for i in range(MANY)]
    results = calls(QUERY, documents)
    evidence = f"{MANY} documents, top_k null"
    if isinstance(results, Refusal):
        return Factor(name, "known form", f"{MANY} documents are refused: {results.message[:120]}", evidence)
    value = "all results" if len(results) == MANY else f"{len(results)} results"
    return Factor(name, "known form", value, evidence)


def _top_k(calls: RerankCalls) -> Factor:
    name, asks = "top_k", (1, 3, len(DOCUMENTS), 2 * len(DOCUMENTS))
    evidence = f"top_k of {', '.join(map(str, asks))} for {len(DOCUMENTS)} documents"
    if "top_k" in calls.dropped:
        return Factor(name, "known form", "not a parameter", evidence)
    found = [calls(QUERY, DOCUMENTS, k) for k in asks]
    counts = [None if isinstance(results, Refusal) else len(results) for results in found]
    whole = found[2]
    if counts[:3] == [1, 3, len(DOCUMENTS)] and not isinstance(whole, Refusal):
        more = {len(DOCUMENTS): "more gives all", None: "more is refused"}.get(counts[3], f"more gives {counts[3]}")
        firsts = [[r.index for r in some] for some in found[:2] if not isinstance(some, Refusal)]
        every = [r.index for r in whole]
        same = all(indices == every[: len(indices)] for indices in firsts)
        return Factor(name, "known form", f"{'the first' if same else 'other than the first'} of all; {more}", evidence)
    if len(set(counts)) == 1 and counts[0] is not None:
        return Factor(name, "known form", f"ignored: always {counts[0]} results", evidence)
    shown = ", ".join(f"{k}: {'refused' if n is None else n}" for k, n in zip(asks, counts, strict=True))
    return Factor(name, "known form", f"results by top_k: {shown}", evidence)


def _texts(calls: RerankCalls, whole: Results) -> list[Factor]:
    name, evidence = "returned texts", "the texts of the results, and the documents of their indices"
    given = [result for result in whole if result.text is not None]
    if not given:
        return [Factor(name, "known form", "none", evidence)]
    pairs = [(r.text, DOCUMENTS[r.index]) for r in given if r.index is not None and 0 <= r.index < len(DOCUMENTS)]
    if pairs and all(text == document for text, document in pairs):
        return [Factor(name, "known form", "those of the documents", evidence)]
    if pairs and all(text and document.startswith(text) for text, document in pairs):
        return [Factor(name, "known form", "the beginnings of the documents", evidence)]
    if all(r.text in DOCUMENTS for r in given):
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


def _no_query(calls: RerankCalls) -> Factor:
    name, evidence = "empty query", "a query of no letters"
    results = calls("", DOCUMENTS, len(DOCUMENTS))
    if isinstance(results, Refusal):
        return Factor(name, "known form", "refused", f"{evidence}: {results.message[:120]}")
    return Factor(name, "known form", f"{len(results)} results of {len(DOCUMENTS)}", evidence)
