"""The rerank suite: properties of every ranking, whatever the model; no expected values."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np

from refimpl.check.suites.base import Session, Suite, behaviour
from refimpl.check.suites.ranking import FORM, Ranking, read_ranking
from refimpl.check.targets.base import AnswerError, RefusedError
from refimpl.compare import Comparison, compare_values, from_condition

QUERY = "Which planet is known as the Red Planet?"
DOCUMENTS = [
    "Venus is often called Earth's twin because of its similar size.",
    "Mars is called the Red Planet because its soil holds iron oxide.",
    "Jupiter, the largest planet, has a prominent red spot.",
    "Saturn, famous for its rings, is sometimes mistaken for it.",
    "Bread is baked.",
]


def _rank(session: Session, documents: Sequence[str], **more: Any) -> Ranking:
    """The target's ranking of `documents`; AnswerError for an index out of range."""
    query = {"query": QUERY, "documents": list(documents), "top_k": None, **more}
    ranking: Ranking = session.run([query])[0]
    outside = [index for index in ranking.indices if not 0 <= index < len(documents)]
    if outside:
        raise AnswerError(f"expected indices of {len(documents)} documents, got {outside[0]}, which is out of range")
    return ranking


def _same(session: Session, name: str, got: Any, expected: Any) -> Comparison:
    return compare_values(name, np.asarray(got), np.asarray(expected), session.tolerance.score or 0.5)


@behaviour("best-first", "results come by score, best first, and every score is a number")
def _best_first(session: Session) -> Comparison:
    scores = _rank(session, DOCUMENTS).scores
    falling = all(a >= b for a, b in pairwise(scores)) and bool(np.isfinite(scores).all())
    return from_condition(falling, "scores in the order of the answer", f"{[round(s, 6) for s in scores]}")


@behaviour("indices", "each document once, by its position in the request", "servers that number the sorted list")
def _every_index_once(session: Session) -> Comparison:
    indices = _rank(session, DOCUMENTS).indices
    return from_condition(sorted(indices) == list(range(5)), "indices", f"got {list(indices)} for 5 documents")


@behaviour(
    "index-of-input", "a document keeps its score at any position of the request", "servers that number the sorted list"
)
def _index_of_input(session: Session) -> Comparison:
    in_reverse = _rank(session, DOCUMENTS[::-1]).by_document()[::-1]
    return _same(session, "scores in order and reversed", in_reverse, _rank(session, DOCUMENTS).by_document())


@behaviour("ties", "equal texts have equal scores, and both are there", "clients that look texts up by their text")
def _ties(session: Session) -> Comparison:
    scores = _rank(session, [DOCUMENTS[1], DOCUMENTS[0], DOCUMENTS[1], DOCUMENTS[0]]).by_document()
    return _same(session, "scores of the same text, twice", scores[2:], scores[:2])


@behaviour("tie-order", "ties come by index ascending", "TEI, which breaks ties by descending index")
def _tie_order(session: Session) -> Comparison:
    ranking = _rank(session, [DOCUMENTS[1]] * 4)
    if len(set(ranking.scores)) > 1:  # they differ by rounding, so there is no tie to break
        return _same(session, "scores of four equal documents", ranking.scores[1:], ranking.scores[:1] * 3)
    indices = list(ranking.indices)
    return from_condition(
        indices == sorted(indices), "four equal documents", f"got {indices}, expected ascending indices"
    )


@behaviour(
    "top_k",
    "the top k are the first k of all",
    "pymilvus.model's TEI reranker: always five results",
    ("any_input", "top_k"),
)
def _top_k(session: Session) -> Comparison:
    everything = _rank(session, DOCUMENTS)
    top = {k: _rank(session, DOCUMENTS, top_k=k).indices for k in (1, 3, len(DOCUMENTS))}
    message = f"all: {list(everything.indices)}; " + "; ".join(f"top {k}: {list(i)}" for k, i in top.items())
    return from_condition(all(indices == everything.indices[:k] for k, indices in top.items()), "indices", message)


@behaviour("top_k-large", "more than there are gives all", "bm25s, where k > N raises", ("any_input", "top_k"))
def _large_top_k(session: Session) -> Comparison:
    indices = _rank(session, DOCUMENTS[:2], top_k=10).indices
    return from_condition(sorted(indices) == [0, 1], "top 10 of two documents", f"got {list(indices)}")


@behaviour(
    "echo",
    "a returned text is that of its index",
    "pymilvus.model's Jina reranker: KeyError without return_documents",
    ("any_input", "echo"),
)
def _echo(session: Session) -> Comparison:
    with_texts, without = _rank(session, DOCUMENTS, echo=True), _rank(session, DOCUMENTS)
    texts = dict(zip(with_texts.indices, with_texts.texts, strict=True))
    wrong = [i for i, text in texts.items() if text is not None and text != DOCUMENTS[i]]
    if wrong:
        return from_condition(False, "returned texts", f"the text of document {wrong[0]} is another document's")
    if None in with_texts.texts:
        return from_condition(False, "returned texts", "expected the documents, got none")
    same = with_texts.indices == without.indices
    message = f"ranking with texts {list(with_texts.indices)}, without {list(without.indices)}"
    return from_condition(same, "returned texts", message)


@behaviour("batch-invariance", "a document alone and among others has one score", "dynamic quantisation")
def _alone(session: Session) -> Comparison:
    together = _rank(session, DOCUMENTS).by_document()
    alone = [_rank(session, [document]).scores[0] for document in DOCUMENTS[:3]]
    return _same(session, "scores alone and together", alone, together[:3])


@behaviour("padding-invariance", "a short document beside a long one has the same score", "padding attended to")
def _beside_a_long_document(session: Session) -> Comparison:
    together = _rank(session, [DOCUMENTS[1], " ".join(DOCUMENTS * 12)]).by_document()
    alone = _rank(session, DOCUMENTS[1:2]).scores
    return _same(session, "score alone and beside a long document", together[:1], alone)


@behaviour("many-documents", "100 documents give 100 results", "TEI's limit of 32", ("any_input", "many_calls"))
def _many(session: Session) -> Comparison:
    indices = _rank(session, [f"{DOCUMENTS[i % 5]} Number {i}." for i in range(100)]).indices
    return from_condition(sorted(indices) == list(range(100)), "results", f"{len(indices)} for 100 documents")


@behaviour("unicode", "any character is accepted")
def _unicode(session: Session) -> Comparison:
    scores = _rank(session, ["火星是红色的", "🚀", "naïve größer", "a\u0000b", DOCUMENTS[1]]).by_document()
    return from_condition(bool(np.isfinite(scores).all()), "scores", f"{scores.round(4).tolist()}")


@behaviour("empty-document", "an empty document is scored or refused, never dropped", "llama.cpp: 400")
def _empty_document(session: Session) -> Comparison:
    try:
        indices = _rank(session, ["", DOCUMENTS[1]]).indices
    except RefusedError as error:
        return from_condition(True, "an empty document", f"refused, which is allowed: {error}")
    return from_condition(sorted(indices) == [0, 1], "two documents, one empty", f"indices {list(indices)}")


@behaviour(
    "no-documents",
    "no documents are refused, or give no results",
    "servers that answer 500",
    ("any_input", "many_calls"),
)
def _no_documents(session: Session) -> Comparison:
    try:
        indices = _rank(session, []).indices
    except RefusedError as error:
        return from_condition(True, "no documents", f"refused: {error}")
    return from_condition(not indices, "no documents", f"{len(indices)} results")


@behaviour("determinism", "the same request twice has one answer", "dropout left on")
def _twice(session: Session) -> Comparison:
    first, second = _rank(session, DOCUMENTS), _rank(session, DOCUMENTS)
    return _same(session, "scores of two runs", second.by_document(), first.by_document())


@behaviour(
    "concurrency", "five callers at once get their own answers", "buffers shared by requests", ("any_input", "parallel")
)
def _concurrent(session: Session) -> Comparison:
    lists = [DOCUMENTS[i:] + DOCUMENTS[:i] for i in range(5)]
    serial = [_rank(session, documents).by_document() for documents in lists]
    with ThreadPoolExecutor(len(lists)) as pool:
        together = list(pool.map(lambda documents: _rank(session, documents).by_document(), lists))
    return _same(session, "concurrent and serial scores", np.stack(together), np.stack(serial))


class RerankSuite(Suite):
    """Behaviours only."""

    name = "rerank"
    task = "rerank"
    about = "rankings of any reranker: order, indices, ties, top_k, echo, invariances"
    form = FORM
    behaviours = (
        *(_best_first, _every_index_once, _index_of_input, _ties, _tie_order, _top_k, _large_top_k, _echo),
        *(_alone, _beside_a_long_document, _many, _unicode, _empty_document, _no_documents, _twice, _concurrent),
    )

    def read(self, answer: Any, where: str) -> Ranking:
        """Parse a ranking."""
        return read_ranking(answer, where)
