"""The encoder suite: all-MiniLM-L6-v2's unit vectors, held against transformers in float64."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from refimpl.oracle import golden
from refimpl.oracle.compare import Array
from refimpl.oracle.judge import judge_neighbours, judge_vector
from refimpl.oracle.outcome import Case, Finding, worst
from refimpl.oracle.subjects.base import AnswerError, Task
from refimpl.oracle.suites.base import Asking, Behaviour, Settings

MIXED = ("one-word", "paragraph", "chinese", "tokens-255", "emoji", "tokens-33", "question", "accents")
WHO = {
    "published-1": "pymilvus.model 0.3.4, whose default embedding function became another model (albert)",
    "tokens-129": "users of tokenizer.json as it is: it cuts at 128",
    "tokens-255": "users of tokenizer.json as it is: it cuts at 128",
    "tokens-257": "implementations that cut at 512, the size of the position table; llama.cpp",
    "tokens-602": "implementations that cut at 512, the size of the position table; servers that refuse",
    "case": "implementations without BERT's lower-casing",
    "accents": "implementations that lower the case and keep the accents",
    "empty": "servers that refuse an empty text (OpenAI, TEI): told as refused, and allowed",
}


class EncoderSuite:
    """Golden texts one by one, then what must hold between any two ways of asking."""

    name: ClassVar[str] = "encoder"
    task: ClassVar[Task] = "embed"
    about: ClassVar[str] = "all-MiniLM-L6-v2: mean over real tokens, unit length, cut at 256 tokens"
    form: ClassVar[str] = 'input: "a text"; answer: [384 numbers], of unit length'
    refusable: ClassVar[frozenset[str]] = frozenset({"empty", "space"})

    def inputs(self, settings: Settings) -> Mapping[str, Any]:
        """The golden texts."""
        return golden.texts()

    def cases(self, settings: Settings) -> Sequence[Case]:
        """One case a golden text, with the reason that stands beside the text."""
        return [Case(name, reason, WHO.get(name, "")) for name, reason in golden.reasons().items()]

    def read(self, answer: Any, where: str) -> Float[Array, " dim"]:
        """A vector as wide as the model's, in float64."""
        return read_vector(answer, where, expected_vectors().shape[1])

    def judge(self, name: str, answer: Float[Array, " dim"], settings: Settings) -> Finding:
        """The vector against transformers' in float64."""
        return judge_vector(answer, expected_vectors()[_rows()[name]], settings.tolerance)

    def diagnose(self, answers: Mapping[str, Any], failed: Sequence[str], settings: Settings) -> str | None:
        """What the encoder did otherwise, over all texts that were answered."""
        from refimpl.oracle.diagnosis import diagnose_embeddings

        texts = golden.texts()
        names = [name for name in texts if name in answers]
        given = np.stack([answers[name] for name in names])
        allowed = settings.tolerance.entry or 1e-6
        return str(diagnose_embeddings(given, [texts[name] for name in names], tolerance=allowed))

    def behaviours(self) -> Sequence[Behaviour]:
        """Invariances, unit length, neighbours, threads."""
        return tuple(
            Behaviour(Case(name, reason, who), check, frozenset(needs))
            for name, reason, who, check, needs in BEHAVIOURS
        )


def read_vector(answer: Any, where: str, dim: int) -> Float[Array, " dim"]:
    """`answer` as `dim` float64 numbers; AnswerError says what else it is."""
    try:
        vector = np.asarray(answer, dtype=np.float64)
    except (TypeError, ValueError):
        raise AnswerError(f"{where}: a vector of {dim} numbers is asked, got {repr(answer)[:80]}") from None
    if vector.shape != (dim,):
        raise AnswerError(f"{where}: a vector of {dim} numbers is asked, got shape {vector.shape}")
    return vector


@cache
def expected_vectors() -> Float[Array, "texts dim"]:
    """The unit vectors of the golden texts, by transformers in float64."""
    return golden.array(next(v for v in golden.vectors() if v.stage == "normalized"))


@cache
def _rows() -> dict[str, int]:
    return {name: row for row, name in enumerate(golden.texts())}


def _mixed() -> list[str]:
    texts = golden.texts()
    return [texts[name] for name in MIXED]


def _same(asking: Asking, mine: Sequence[Array], other: Sequence[Array], what: str) -> Finding:
    """Two sets of answers that should be one."""
    found = []
    for number, (a, b) in enumerate(zip(mine, other, strict=True)):
        finding = judge_vector(a, b, asking.tolerance)
        found.append(Finding(finding.distance, f"{what}, text {number}: {finding.message}"))
    return worst(found)


def _answered(asking: Asking) -> list[str]:
    """Golden texts with an answer; AnswerError where there is none."""
    names = [name for name, answer in asking.golden.items() if isinstance(answer, np.ndarray)]
    if not names:
        raise AnswerError("no text was answered")
    return names


def _unit_length(asking: Asking) -> Finding:
    limit = max(asking.tolerance.entry or 0.0, 1e-6) * 10 if asking.tolerance.entry else 0.1
    names = _answered(asking)
    norms = np.array([np.linalg.norm(asking.golden[name]) for name in names])
    off = np.where(np.isfinite(norms), np.abs(norms - 1), np.inf)
    at = int(np.argmax(off))
    return Finding(float(off[at]) / limit, f"{names[at]} has length {norms[at]:.9g}, 1 is expected")


def _neighbours(asking: Asking) -> Finding:
    rows = _rows()
    names = _answered(asking)
    mine = np.stack([asking.golden[name] for name in names])
    return judge_neighbours(names, mine, expected_vectors()[[rows[name] for name in names]], asking.tolerance)


def _alone_and_together(asking: Asking) -> Finding:
    texts = _mixed()[:4]
    alone = [asking.answers([text])[0] for text in texts]
    return _same(asking, alone, asking.answers(texts), "alone and in a batch")


def _beside_a_long_one(asking: Asking) -> Finding:
    texts = golden.texts()
    short, long = texts["one-word"], texts["tokens-256"]
    return _same(asking, asking.answers([short]), asking.answers([short, long])[:1], "alone and beside 256 tokens")


def _reversed(asking: Asking) -> Finding:
    texts = _mixed()
    return _same(asking, asking.answers(texts), asking.answers(texts[::-1])[::-1], "in order and reversed")


def _doubled(asking: Asking) -> Finding:
    one, other = _mixed()[:2]
    answers = asking.answers([one, other, one, one])
    return _same(asking, [answers[2], answers[3]], [answers[0], answers[0]], "the same text in one batch")


def _many(asking: Asking) -> Finding:
    texts = [f"text number {number}" for number in range(100)]
    answers = asking.answers(texts)
    return _same(asking, answers[-3:], asking.answers(texts[-3:]), "the last of 100 and by themselves")


def _twice(asking: Asking) -> Finding:
    return _same(asking, asking.answers(_mixed()), asking.answers(_mixed()), "asked twice")


def _at_once(asking: Asking) -> Finding:
    texts = _mixed()
    serial = [asking.answers([text])[0] for text in texts]
    with ThreadPoolExecutor(len(texts)) as pool:
        together = list(pool.map(lambda text: asking.answers([text])[0], texts))
    return _same(asking, together, serial, "at once and one by one")


LIVE, THREADS = ("again",), ("again", "parallel")
BEHAVIOURS = (
    ("unit-length", "the published model normalises", "exports that stop after pooling; Jina v3", _unit_length, ()),
    ("neighbours", "search needs the right neighbours, whatever the digits", "quantised indexes", _neighbours, ()),
    (
        "batch-invariance",
        "a text alone and among others has one vector",
        "dynamic int8 quantisation",
        _alone_and_together,
        LIVE,
    ),
    (
        "padding-invariance",
        "a short text beside a long one has the same vector",
        "padding in the mean",
        _beside_a_long_one,
        LIVE,
    ),
    ("order-invariance", "vectors come in the order of the texts", "sorting by length, not undone", _reversed, LIVE),
    (
        "doubled-texts",
        "the same text twice gets two vectors, both the same",
        "caches and dicts of texts",
        _doubled,
        LIVE,
    ),
    ("many-texts", "100 texts get 100 vectors", "TEI's limit of 32 texts, fixed batch sizes", _many, LIVE),
    ("determinism", "the same request twice has one answer", "dropout left on", _twice, LIVE),
    ("concurrency", "eight callers at once each get their own answer", "buffers shared by requests", _at_once, THREADS),
)
