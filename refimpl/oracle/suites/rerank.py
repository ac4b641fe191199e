"""The rerank suite: what a ranking must be, whatever the model behind it; no number is known beforehand."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from refimpl.oracle.judge import judge_numbers
from refimpl.oracle.outcome import Case, Finding
from refimpl.oracle.subjects.base import AnswerError, RefusedError, Task
from refimpl.oracle.suites.base import Asking, Behaviour, Settings
from refimpl.oracle.suites.ranking import FORM, Ranking, read_ranking

QUERY = "Which planet is known as the Red Planet?"
DOCUMENTS = [
    "Venus is often called Earth's twin because of its similar size.",
    "Mars is called the Red Planet because its soil holds iron oxide.",
    "Jupiter, the largest planet, has a prominent red spot.",
    "Saturn, famous for its rings, is sometimes mistaken for it.",
    "Bread is baked.",
]


class RerankSuite:
    """Behaviours only."""

    name: ClassVar[str] = "rerank"
    task: ClassVar[Task] = "rerank"
    about: ClassVar[str] = "rankings of any reranker: order, indices, ties, top_k, echo, invariances"
    form: ClassVar[str] = FORM
    refusable: ClassVar[frozenset[str]] = frozenset()

    def inputs(self, settings: Settings) -> Mapping[str, Any]:
        """None: nothing here has a golden answer."""
        return {}

    def cases(self, settings: Settings) -> Sequence[Case]:
        """None."""
        return []

    def read(self, answer: Any, where: str) -> Ranking:
        """A ranking."""
        return read_ranking(answer, where)

    def judge(self, name: str, answer: Ranking, settings: Settings) -> Finding:
        """Never asked: there is no golden input."""
        raise LookupError(f"the rerank suite has no golden case {name!r}")

    def diagnose(self, answers: Mapping[str, Any], failed: Sequence[str], settings: Settings) -> str | None:
        """None: each behaviour says what is wrong."""
        return None

    def behaviours(self) -> Sequence[Behaviour]:
        """Each trap of rerankers and their servers."""
        return tuple(
            Behaviour(Case(name, reason, who), check, frozenset({"again", *needs}))
            for name, reason, who, check, needs in BEHAVIOURS
        )


def _asked(documents: Sequence[str], **more: Any) -> dict[str, Any]:
    return {"query": QUERY, "documents": list(documents), "top_k": None, **more}


def _one(asking: Asking, documents: Sequence[str], **more: Any) -> Ranking:
    ranking: Ranking = asking.answers([_asked(documents, **more)])[0]
    outside = [index for index in ranking.indices if not 0 <= index < len(documents)]
    if outside:
        raise AnswerError(f"index {outside[0]} is out of range: {len(documents)} documents were given")
    return ranking


def _held(true: bool, said: str) -> Finding:
    return Finding(0.0 if true else np.inf, said)


def _same(asking: Asking, name: str, mine: Any, other: Any) -> Finding:
    return judge_numbers(name, np.asarray(mine), np.asarray(other), asking.tolerance.score or 0.5)


def _best_first(asking: Asking) -> Finding:
    scores = _one(asking, DOCUMENTS).scores
    falls = all(a >= b for a, b in pairwise(scores)) and np.isfinite(scores).all()
    return _held(bool(falls), f"scores in the order given: {[round(s, 6) for s in scores]}")


def _every_index_once(asking: Asking) -> Finding:
    found = _one(asking, DOCUMENTS).indices
    return _held(sorted(found) == list(range(len(DOCUMENTS))), f"indices {list(found)} for {len(DOCUMENTS)} documents")


def _index_of_input(asking: Asking) -> Finding:
    turned = _one(asking, DOCUMENTS[::-1]).by_document()[::-1]
    return _same(asking, "scores of documents in order and reversed", turned, _one(asking, DOCUMENTS).by_document())


def _ties(asking: Asking) -> Finding:
    scores = _one(asking, [DOCUMENTS[1], DOCUMENTS[0], DOCUMENTS[1], DOCUMENTS[0]]).by_document()
    return _same(asking, "scores of the same text, twice", scores[2:], scores[:2])


def _tie_order(asking: Asking) -> Finding:
    found = _one(asking, [DOCUMENTS[1]] * 4)
    said = f"four equal documents came as {list(found.indices)}; by index ascending is asked"
    if len(set(found.scores)) > 1:  # rounding parted them, so there is no tie to break
        return _same(asking, "scores of four equal documents", found.scores[1:], found.scores[:1] * 3)
    return _held(list(found.indices) == sorted(found.indices), said)


def _top_k(asking: Asking) -> Finding:
    whole = _one(asking, DOCUMENTS)
    found = {k: _one(asking, DOCUMENTS, top_k=k).indices for k in (1, 3, len(DOCUMENTS))}
    wrong = [k for k, indices in found.items() if indices != whole.indices[:k]]
    said = f"all: {list(whole.indices)}; " + "; ".join(f"top {k}: {list(i)}" for k, i in found.items())
    return _held(not wrong, said)


def _large_top_k(asking: Asking) -> Finding:
    found = _one(asking, DOCUMENTS[:2], top_k=10).indices
    return _held(sorted(found) == [0, 1], f"top 10 of two documents: {list(found)}")


def _echo(asking: Asking) -> Finding:
    told, silent = _one(asking, DOCUMENTS, echo=True), _one(asking, DOCUMENTS)
    wrong = [i for i, text in zip(told.indices, told.texts, strict=True) if text is not None and text != DOCUMENTS[i]]
    if wrong:
        return _held(False, f"the text echoed for document {wrong[0]} is another's")
    if None in told.texts:
        return _held(False, "documents were asked to be echoed and were not")
    return _held(
        told.indices == silent.indices, "the texts are those of their indices; asked or not, the ranking is one"
    )


def _alone(asking: Asking) -> Finding:
    together = _one(asking, DOCUMENTS).by_document()
    alone = [_one(asking, [document]).scores[0] for document in DOCUMENTS[:3]]
    return _same(asking, "scores alone and together", alone, together[:3])


def _beside_a_long_one(asking: Asking) -> Finding:
    long = " ".join(DOCUMENTS * 12)
    together = _one(asking, [DOCUMENTS[1], long]).by_document()
    return _same(asking, "score alone and beside a long document", together[:1], _one(asking, DOCUMENTS[1:2]).scores)


def _many(asking: Asking) -> Finding:
    documents = [f"{DOCUMENTS[i % 5]} Number {i}." for i in range(100)]
    found = _one(asking, documents).indices
    return _held(sorted(found) == list(range(100)), f"{len(found)} results for 100 documents")


def _unicode(asking: Asking) -> Finding:
    found = _one(asking, ["火星是红色的", "🚀", "naïve größer", "a\u0000b", DOCUMENTS[1]])
    return _held(bool(np.isfinite(found.by_document()).all()), f"scores {[round(s, 4) for s in found.scores]}")


def _empty_document(asking: Asking) -> Finding:
    try:
        found = _one(asking, ["", DOCUMENTS[1]])
    except RefusedError as error:
        return _held(True, f"refused, which is allowed: {error}")
    return _held(sorted(found.indices) == [0, 1], f"two documents, one empty: indices {list(found.indices)}")


def _no_documents(asking: Asking) -> Finding:
    try:
        found = _one(asking, [])
    except RefusedError as error:
        return _held(True, f"refused: {error}")
    return _held(not found.indices, f"no documents gave {len(found.indices)} results")


def _twice(asking: Asking) -> Finding:
    first, second = _one(asking, DOCUMENTS), _one(asking, DOCUMENTS)
    return _same(asking, "scores asked twice", second.by_document(), first.by_document())


def _at_once(asking: Asking) -> Finding:
    lists = [DOCUMENTS[i:] + DOCUMENTS[:i] for i in range(5)]
    serial = [_one(asking, documents).by_document() for documents in lists]
    with ThreadPoolExecutor(len(lists)) as pool:
        together = list(pool.map(lambda documents: _one(asking, documents).by_document(), lists))
    return _same(asking, "scores at once and one by one", np.stack(together), np.stack(serial))


BEHAVIOURS = (
    ("best-first", "results come by score, best first, and every score is a number", "", _best_first, ()),
    (
        "indices",
        "each document once, by its place in the request",
        "servers that number the sorted list",
        _every_index_once,
        (),
    ),
    (
        "index-of-input",
        "a document keeps its score wherever it stands",
        "servers that number the sorted list",
        _index_of_input,
        (),
    ),
    ("ties", "equal texts have equal scores, and both are there", "clients that find texts by their text", _ties, ()),
    ("tie-order", "ties come by index ascending", "TEI, which breaks ties by descending index", _tie_order, ()),
    (
        "top_k",
        "the best k are the first k of all",
        "pymilvus.model's TEI reranker: always five results",
        _top_k,
        ("top_k",),
    ),
    ("top_k-large", "more than there are gives all", "bm25s, where k > N raises", _large_top_k, ("top_k",)),
    (
        "echo",
        "an echoed text is that of its index",
        "pymilvus.model's Jina reranker: KeyError without echo",
        _echo,
        ("echo",),
    ),
    ("batch-invariance", "a document alone and among others has one score", "dynamic quantisation", _alone, ()),
    (
        "padding-invariance",
        "a short document beside a long one has the same score",
        "padding attended to",
        _beside_a_long_one,
        (),
    ),
    ("many-documents", "100 documents give 100 results", "TEI's limit of 32", _many, ("cheap",)),
    ("unicode", "any letter is a text", "", _unicode, ()),
    ("empty-document", "an empty document is scored or refused, never lost", "llama.cpp: 400", _empty_document, ()),
    (
        "no-documents",
        "no documents are refused, or give no results",
        "servers that answer 500",
        _no_documents,
        ("cheap",),
    ),
    ("determinism", "the same request twice has one answer", "dropout left on", _twice, ()),
    (
        "concurrency",
        "five callers at once each get their own answer",
        "buffers shared by requests",
        _at_once,
        ("parallel",),
    ),
)
