"""What a reranker returns and computes: form, order, scores, ties, top_k, texts, truncation."""

import time
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float64

from refimpl.common.types import Array
from refimpl.identify import batches, rerank_form, rerank_scores, sameness, truncation, writing
from refimpl.identify.ask import Refusal, Target
from refimpl.identify.describe import Factor, Identification
from refimpl.identify.rerank_calls import RerankCalls
from refimpl.identify.rows import Row

QUERIES = ("which house is red", "music in the morning of the city", "who went home by the river")
LEADING = (
    *("number of results", "order of the results", "index", "scores", "other documents of the request", "ties"),
    *("no top_k", "top_k", "returned texts", "text: case", "truncation"),
)


class Scores:
    """A row per document: its scores for `QUERIES`; a document that is not among the results is refused.

    A request has at most `most` documents.
    """

    def __init__(self, reranker: RerankCalls, most: int | None) -> None:
        self.name = reranker.name
        self._calls, self._most = reranker, most

    def __call__(self, texts: Sequence[str]) -> list[Row]:
        """All documents in one request per query; where not all come back, each in one of its own."""
        if self._most is not None and len(texts) > self._most:
            parts = [texts[i : i + self._most] for i in range(0, len(texts), self._most)]
            return [row for part in parts for row in self(part)]
        columns = [self._column(query, texts) for query in QUERIES]
        whole = [column for column in columns if not isinstance(column, Refusal)]
        if len(whole) == len(columns):
            return list(np.stack(whole, axis=1))
        if len(texts) > 1:
            return [self([text])[0] for text in texts]
        return [next(column for column in columns if isinstance(column, Refusal))]

    def _column(self, query: str, texts: Sequence[str]) -> Float64[Array, "texts"] | Refusal:
        results = self._calls(query, texts, len(texts))
        if isinstance(results, Refusal):
            return results
        if sorted(result.index for result in results if result.index is not None) != list(range(len(texts))):
            return Refusal(f"expected each of {len(texts)} documents once, got {len(results)} results")
        column = np.empty(len(texts))
        for result in results:
            column[result.index] = result.score
        return column


def identify(target: Target, progress: Callable[[str], None] = lambda what: None) -> Identification:
    """Measure the reranker of `target`; `refimpl.identify.identify_rerank` describes the arguments."""
    started = time.perf_counter()
    reranker = RerankCalls(target)
    progress("form")
    form = rerank_form.factors(reranker)
    factors = list(form.factors)
    if form.by_index:
        factors += _computed(Scores(reranker, form.most), form.most, progress)
    else:
        why = "indices are not positions in the request"
        factors += [Factor(name, "undetermined", why, "") for name in ("scores", "truncation", "text")]
    open_ = [factor.name for factor in factors if factor.status == "undetermined"]
    by_name = {factor.name: factor for factor in factors if factor.status != "undetermined"}
    known = [f"{name.removeprefix('text: ')}: {by_name[name].value}" for name in LEADING if name in by_name]
    sentence = "; ".join(known) + (f"; not determined: {', '.join(open_)}." if open_ else ".")
    return Identification(target.name, sentence, not open_, "", "", tuple(factors), (), time.perf_counter() - started)


def _computed(rows: Scores, most: int | None, progress: Callable[[str], None]) -> list[Factor]:
    try:
        found = rerank_scores.factors(rows, most)
    except ValueError as error:
        return [Factor("scores", "undetermined", str(error), "")]
    try:
        calls = batches.measure(rows)
        single = calls.for_probes(rows)
        same = sameness.measure(single, calls.repeatable, calls.single)
    except ValueError as error:
        return [*found, *(Factor(name, "undetermined", str(error), "") for name in ("truncation", "text"))]
    left_out = ("order of the answers",) if most is None else ("order of the answers", "many texts in one call")
    renamed = [_renamed(factor) for factor in calls.factors if factor.name not in left_out]
    progress("written forms")
    texts = writing.factors(single, same)
    progress("truncation")
    return [*found, *renamed, *texts, *truncation.measure(single, same).factors]


def _renamed(factor: Factor) -> Factor:
    name = {
        "other texts of the call": "other documents of the request",
        "the same call twice": "the same request twice",
        "many texts in one call": "many documents in one request",
    }
    value = factor.value.replace("text", "document")
    evidence = factor.evidence.replace("texts", "documents").replace("call", "request")
    return Factor(name[factor.name], factor.status, value, evidence, factor.error)
