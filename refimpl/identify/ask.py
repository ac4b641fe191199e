"""Asks a target: one list of BM25 inputs in, score matrices out; a refused input leaves the others standing."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64

from refimpl.common.types import Array
from refimpl.identify.not_numbers import NotNumbers, without

Scores = Float64[Array, "queries docs"]
KEYWORDS = ("corpus", "queries", "k1", "b", "variant")
UNEXPECTED = re.compile(r"unexpected keyword argument '(\w+)'")


@runtime_checkable
class Target(Protocol):
    """An implementation that answers any input; the targets of `refimpl.check.targets` are such."""

    name: str

    def run(self, task: Any, inputs: Sequence[Any]) -> list[Any]:
        """Return one answer per input, in order."""
        ...


@dataclass(frozen=True)
class Probe:
    """One input of the task bm25."""

    corpus: tuple[str, ...]
    queries: tuple[str, ...]
    k1: float
    b: float

    def to_json(self, keywords: Sequence[str]) -> dict[str, Any]:
        """The input, with the `keywords` that the target accepts."""
        every = {"corpus": list(self.corpus), "queries": list(self.queries), "k1": self.k1, "b": self.b}
        return {name: value for name, value in {**every, "variant": "pymilvus"}.items() if name in keywords}


@dataclass(frozen=True)
class Refusal:
    """An input without usable scores, and why."""

    message: str


Answer = Scores | Refusal


@dataclass(frozen=True)
class Answers:
    """One answer per probe, the keywords that the target accepted, and the queries that it refused, with the reason.

    The scores of a refused query are NaN; `nan` are those that the target has answered so, which are 0 here.
    """

    by_name: Mapping[str, Answer]
    keywords: tuple[str, ...]
    refused: Mapping[str, str] = field(default_factory=dict)
    nan: NotNumbers = NotNumbers()  # noqa: RUF009  frozen

    def scores(self, name: str) -> Scores | None:
        """The scores of the probe `name`; None where it was refused."""
        answer = self.by_name[name]
        return None if isinstance(answer, Refusal) else answer


def ask(target: Target, probes: Mapping[str, Probe]) -> Answers:
    """Run all probes in one call; where that fails, each in a call of its own.

    A keyword that a Python target does not accept (k1, b, variant) is left out.
    """
    keywords: tuple[str, ...] = KEYWORDS
    while True:
        try:
            raw = target.run("bm25", [probe.to_json(keywords) for probe in probes.values()])
            answers = {name: parse(one, probes[name]) for name, one in zip(probes, raw, strict=True)}
            return _with_numbers(answers, probes, keywords)
        except (RuntimeError, ValueError) as error:
            refused = UNEXPECTED.search(str(error))
            if refused is None or refused[1] not in keywords:
                break
            keywords = tuple(name for name in keywords if name != refused[1])
    return _with_numbers({name: _alone(target, probe, keywords) for name, probe in probes.items()}, probes, keywords)


def _with_numbers(answers: Mapping[str, Answer], probes: Mapping[str, Probe], keywords: tuple[str, ...]) -> Answers:
    """The answers, with 0 for NaN."""
    by_name, nan = dict(answers), NotNumbers()
    for name, answer in answers.items():
        if not isinstance(answer, Refusal):
            by_name[name], found = _without(answer, probes[name])
            nan += found
    return Answers(by_name, keywords, nan=nan)


def _without(scores: Scores, probe: Probe) -> tuple[Scores, NotNumbers]:
    """As `without`; NaN of a k1 or b of 0, as of 0 / 0, is nothing that other scores have, and not counted."""
    found, nan = without(scores, probe.corpus, probe.queries)
    return found, nan if probe.k1 and probe.b else NotNumbers()


def without_refused_queries(target: Target, probes: Mapping[str, Probe], answers: Answers) -> Answers:
    """The answers to probes that were refused, run again: the queries of known words together, each other one alone.

    A refusal stays where no query is answered either.
    """
    by_name, refused, nan = dict(answers.by_name), dict(answers.refused), answers.nan
    for name, probe in probes.items():
        if not isinstance(by_name[name], Refusal) or len(probe.queries) == 1:
            continue
        rows = _rows(target, probe, answers.keywords)
        answered = {query: row for query, row in rows.items() if not isinstance(row, Refusal)}
        if answered:
            scores, found = _without(np.array(list(answered.values())), replace(probe, queries=tuple(answered)))
            known = dict(zip(answered, scores, strict=True))
            nothing = np.full(len(probe.corpus), np.nan)
            by_name[name] = np.array([known.get(query, nothing) for query in probe.queries])
            refused |= {query: row.message for query, row in rows.items() if isinstance(row, Refusal)}
            nan += found
    return replace(answers, by_name=by_name, refused=refused, nan=nan)


def _rows(target: Target, probe: Probe, keywords: Sequence[str]) -> dict[str, Float64[Array, " docs"] | Refusal]:
    """Each query's scores, or its refusal."""
    words = {word for text in probe.corpus for word in text.split()}
    known = tuple(query for query in probe.queries if words.issuperset(query.split()))
    together = _alone(target, replace(probe, queries=known), keywords) if known else Refusal("no query")
    rows = {} if isinstance(together, Refusal) else dict(zip(known, together, strict=True))
    for query in probe.queries:
        if query not in rows:
            alone = _alone(target, replace(probe, queries=(query,)), keywords)
            rows[query] = alone if isinstance(alone, Refusal) else alone[0]
    return rows


def _alone(target: Target, probe: Probe, keywords: Sequence[str]) -> Answer:
    try:
        (raw,) = target.run("bm25", [probe.to_json(keywords)])
    except (RuntimeError, ValueError) as error:
        return Refusal(str(error))
    return parse(raw, probe)


def parse(raw: Any, probe: Probe) -> Answer:
    """Scores `(queries, docs)` from rows of numbers, or from `{"hits": [[document, score], ...]}` per query.

    `{"tokens": ..., "scores": rows}` has the rows beside tokens, which are not read.
    """
    shape = (len(probe.queries), len(probe.corpus))
    if raw is None or (isinstance(raw, Mapping) and "error" in raw):
        return Refusal(str(raw["error"]) if isinstance(raw, Mapping) else "null")
    if isinstance(raw, Mapping) and "tokens" in raw:
        if raw.get("scores") is None:
            return Refusal("tokens without scores")
        raw = raw["scores"]
    try:
        rows = [_row(row, shape[1]) for row in raw]
        scores = np.array(rows, np.float64)
    except (TypeError, ValueError, KeyError, IndexError) as error:
        return Refusal(f"expected a list of scores for each query, got {type(raw).__name__} ({error})")
    if scores.shape != shape:
        return Refusal(f"expected scores (queries, documents) of shape {shape}, got {scores.shape}")
    if np.isinf(scores).any() or np.isnan(scores).all():
        return Refusal(f"{int((~np.isfinite(scores)).sum())} of {scores.size} scores are not finite numbers")
    return scores


def _row(row: Any, docs: int) -> Any:
    if not isinstance(row, Mapping):
        return row
    scores = np.zeros(docs)
    for document, score in row["hits"]:
        scores[int(document)] = score
    return scores
