"""The encoder suite: all-MiniLM-L6-v2's unit vectors, compared with those of transformers in float64."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from refimpl import golden
from refimpl.check.suites.base import Session, Settings, TextSuite, behaviour
from refimpl.check.suites.encoder_forms import other_form, projection
from refimpl.check.suites.parse import numbers
from refimpl.check.targets.base import AnswerError, RefusedError, TargetError
from refimpl.common.types import Array
from refimpl.compare import Comparison, compare_neighbours, compare_vector, from_condition, worst_of
from refimpl.compare.tolerance import Tolerance, named

if TYPE_CHECKING:
    from refimpl.diagnosis.result import Diagnosis

MIXED = ("one-word", "paragraph", "chinese", "tokens-255", "emoji", "tokens-33", "question", "accents")
EQUAL_TOKENS = (
    ("tokens-257", "tokens-602"),
    ("prose-257", "prose-555"),
    ("case", "case-lowered"),
    ("accents", "accents-absent"),
    ("thai", "long-word"),
)
"""Texts with the same ids: up to the limit of 256 tokens, without case and accents, and of unknown words."""
PROJECTED = (
    *(
        "ship",
        "music",
        "winter",
        "engine",
        "doctor",
        "river",
        "market",
        "garden",
        "bread",
        "window",
        "lawyer",
        "planet",
    ),
    *("horse", "battle", "silver", "letter", "island", "school", "cotton", "camera", "church", "mountain", "virus"),
    *("paper", "king", "bridge", "planet"),
)
"""Words; pairs of them in both orders are 650 texts, more than a vector has numbers."""
WORDS, SPACES, LETTERS = ("two", "roads"), "\u00a0\u2003\u3000", "\u043f\u0436"
EXACT = named("float32")  # whatever the tolerance of the check: equal inputs, each in a call of its own
WHO = {
    "published-1": "pymilvus.model 0.3.4, whose default embedding function became another model (albert)",
    "tokens-129": "users of tokenizer.json as it is: it truncates at 128",
    "tokens-255": "users of tokenizer.json as it is: it truncates at 128",
    "tokens-257": "implementations that truncate at 512, the size of the position table; llama.cpp",
    "tokens-602": "implementations that truncate at 512, the size of the position table; servers that refuse",
    "prose-257": "implementations that truncate at the left or in the middle",
    "prose-555": "implementations that truncate at the left or in the middle; at 512",
    "greek-capitals": "implementations that lower-case a whole text, as Python's str.lower and JavaScript do",
    "case": "implementations without BERT's lower-casing",
    "accents": "implementations that lower the case and keep the accents",
    "empty": "servers that refuse an empty text (OpenAI, TEI): reported as refused, and allowed",
}


@cache
def expected_vectors() -> Float[Array, "texts dim"]:
    """Return the unit vectors of the golden texts, computed by transformers in float64."""
    return golden.array(next(v for v in golden.vectors() if v.stage == "normalized"))


@cache
def _rows() -> dict[str, int]:
    return {name: row for row, name in enumerate(golden.texts())}


def _mixed() -> list[str]:
    texts = golden.texts()
    return [texts[name] for name in MIXED]


def _own(name: str, got: Array, expected: Array, tolerance: Tolerance) -> Comparison:
    """Compare two vectors of the target's own, in which a NaN equals a NaN."""
    if np.isnan(got).any() and np.array_equal(got, expected, equal_nan=True):
        return from_condition(True, name, "equal, NaN included")
    return compare_vector(name, got, expected, tolerance)


def _same(session: Session, got: Sequence[Array], expected: Sequence[Array], what: str) -> Comparison:
    """Compare two sets of vectors that should be equal."""
    pairs = enumerate(zip(got, expected, strict=True))
    return worst_of(_own(f"{what}, text {i}", a, b, session.tolerance) for i, (a, b) in pairs)


def _answered(session: Session) -> list[str]:
    """Names of the golden texts with a vector; AnswerError where there is none."""
    names = [name for name, answer in session.golden.items() if isinstance(answer, np.ndarray)]
    if not names:
        raise AnswerError("no text has a vector")
    return names


@behaviour("unit-length", "the published model normalises", "exports that stop after pooling; Jina v3", needs=())
def _unit_length(session: Session) -> Comparison:
    limit = max(session.tolerance.entry, 1e-6) * 10 if session.tolerance.entry else 0.1
    names = _answered(session)
    norms = np.array([np.linalg.norm(session.golden[name]) for name in names])
    deviations = np.where(np.isfinite(norms), np.abs(norms - 1), np.inf)
    i = int(np.argmax(deviations))
    return Comparison("unit length", float(deviations[i]) / limit, f"{names[i]} has length {norms[i]:.9g}, expected 1")


@behaviour("neighbours", "search needs the right neighbours, whatever the values", "quantised indexes", needs=())
def _neighbours(session: Session) -> Comparison:
    names = _answered(session)
    got = np.stack([session.golden[name] for name in names])
    return compare_neighbours(names, got, expected_vectors()[[_rows()[name] for name in names]], session.tolerance)


@behaviour("batch-invariance", "a text alone and among others has one vector", "dynamic int8 quantisation")
def _alone_and_together(session: Session) -> Comparison:
    texts = _mixed()[:4]
    alone = [session.run([text])[0] for text in texts]
    return _same(session, alone, session.run(texts), "alone and in a batch")


@behaviour("padding-invariance", "a short text beside a long one has the same vector", "padding in the mean")
def _beside_a_long_text(session: Session) -> Comparison:
    texts = golden.texts()
    short, long = texts["one-word"], texts["tokens-256"]
    return _same(session, session.run([short]), session.run([short, long])[:1], "alone and beside 256 tokens")


@behaviour("order-invariance", "vectors come in the order of the texts", "sorting by length, not undone")
def _reversed(session: Session) -> Comparison:
    texts = _mixed()
    return _same(session, session.run(texts), session.run(texts[::-1])[::-1], "in order and reversed")


@behaviour("doubled-texts", "the same text twice gets two vectors, both the same", "caches and dicts of texts")
def _doubled(session: Session) -> Comparison:
    one, other = _mixed()[:2]
    vectors = session.run([one, other, one, one])
    return _same(session, [vectors[2], vectors[3]], [vectors[0], vectors[0]], "the same text in one batch")


@behaviour("many-texts", "100 texts get 100 vectors", "TEI's limit of 32 texts, fixed batch sizes")
def _many(session: Session) -> Comparison:
    texts = [f"text number {number}" for number in range(100)]
    vectors = session.run(texts)
    return _same(session, vectors[-3:], session.run(texts[-3:]), "the last of 100 and by themselves")


@behaviour("determinism", "the same request twice has one answer", "dropout left on")
def _twice(session: Session) -> Comparison:
    return _same(session, session.run(_mixed()), session.run(_mixed()), "two runs")


@behaviour(
    "concurrency",
    "eight callers at once get their own answers",
    "buffers shared by requests",
    ("any_input", "parallel"),
)
def _concurrent(session: Session) -> Comparison:
    texts = _mixed()
    serial = [session.run([text])[0] for text in texts]
    with ThreadPoolExecutor(len(texts)) as pool:
        together = list(pool.map(lambda text: session.run([text])[0], texts))
    return _same(session, together, serial, "concurrent and serial")


@behaviour(
    "equal-tokens",
    "texts with the same first 256 tokens have one vector, at any precision",
    "other truncation, case or accents, where a tolerance for quantisation hides them",
    ("any_input", "many_calls"),
)
def _equal_tokens(session: Session) -> Comparison:
    texts = golden.texts()
    pairs = [(session.run([texts[a]])[0], session.run([texts[b]])[0], f"{a} and {b}") for a, b in EQUAL_TOKENS]
    return worst_of(_own(what, got, expected, EXACT) for got, expected, what in pairs)


@behaviour(
    "empty-and-blank",
    "empty and blank texts have one vector, at any precision: [CLS] and [SEP] alone",
    "servers that replace an empty text by a space, or strip in one place only",
)
def _empty_and_blank(session: Session) -> Comparison:
    try:
        empty, *blank = session.run(["", "   ", "\n\t \u3000"])
    except RefusedError as error:
        return from_condition(True, "empty and blank texts", f"refused, which is allowed: {error}")
    return worst_of(_own("empty and blank", got, empty, EXACT) for got in blank)


@behaviour(
    "other-white-space",
    "words between other white space than a space are the same words, at any precision",
    "tokenizers that separate words at ASCII white space",
    ("any_input", "many_calls"),
)
def _other_white_space(session: Session) -> Comparison:
    plain = session.run([f"{WORDS[0]} {WORDS[1]}"])[0]
    pairs = [(session.run([f"{WORDS[0]}{space}{WORDS[1]}"])[0], f"U+{ord(space):04X} and a space") for space in SPACES]
    return worst_of(_own(what, got, plain, EXACT) for got, what in pairs)


@behaviour(
    "long-words",
    "words of up to 100 characters are split into pieces, however many bytes they have; longer ones are unknown",
    "limits of a word in bytes; tokenizers that split words of any length",
    ("any_input", "many_calls"),
)
def _long_words(session: Session) -> Comparison:
    limit = 100
    words = [letter * count for count in (limit, limit + 1) for letter in LETTERS]
    one, other, one_longer, other_longer = (session.run([word])[0] for word in words)
    if _own("two words", one, other, EXACT).matches:
        message = f"two different words of {limit} letters have one vector: they are unknown, or cut"
        return from_condition(False, "long words", message)
    return _own(f"two words of {limit + 1} letters", one_longer, other_longer, EXACT)


def _projected(session: Session, sentence: str) -> str | None:
    """Where vectors have another width for no known reason: whether they are a projection, from more texts."""
    if not sentence.endswith("projected") or "any_input" not in session.target.traits:
        return None
    from refimpl.dense.minilm import MiniLMEmbeddingFunction

    texts = [text for pair in combinations(PROJECTED, 2) for text in (" ".join(pair), " ".join(reversed(pair)))]
    given = [np.asarray(one, dtype=np.float64) for one in session.target.run("embed", texts)]
    if len({one.shape for one in given}) > 1:
        return None
    return projection(np.stack(given), MiniLMEmbeddingFunction()(texts).astype(np.float64))


class EncoderSuite(TextSuite):
    """The vectors of the golden texts, then invariances."""

    name = "encoder"
    task = "embed"
    about = "all-MiniLM-L6-v2: mean over real tokens, unit length, truncated at 256 tokens"
    form = 'input: "a text"; answer: [384 numbers], of unit length'
    refusable = frozenset({"empty", "space"})
    who = WHO
    behaviours = (
        *(_unit_length, _neighbours, _alone_and_together, _beside_a_long_text, _reversed, _doubled),
        *(_many, _twice, _concurrent, _equal_tokens, _empty_and_blank, _other_white_space, _long_words),
    )

    def other_form(self, session: Session) -> str | None:
        """Wrong widths, integers, strings and bits; those that can be decoded are, where the tolerance allows it."""
        rows, expected = _rows(), expected_vectors()
        form = other_form(session.raw, {name: expected[rows[name]] for name in session.raw})
        if form is None:
            return None
        if form.decode is not None and session.tolerance.entry is None:
            session.decode_by(form.decode)
            return None
        return _projected(session, form.sentence) or form.sentence

    def read(self, answer: Any, where: str) -> Float[Array, " dim"]:
        """Parse a vector of the model's width, as float64."""
        dim = expected_vectors().shape[1]
        vector = numbers(answer, where, f"a vector of {dim} numbers")
        if vector.shape != (dim,):
            raise AnswerError(f"{where}: expected a vector of {dim} numbers, got shape {vector.shape}")
        return vector

    def compare(self, name: str, answer: Float[Array, " dim"], settings: Settings) -> Comparison:
        """Compare a vector with that of transformers in float64."""
        return compare_vector("vector", answer, expected_vectors()[_rows()[name]], settings.tolerance)

    def diagnose(self, answers: Mapping[str, Any], failed: Sequence[str], settings: Settings) -> "Diagnosis":
        """Diagnose the vectors of all texts."""
        return _diagnosis(answers, settings, None)

    def diagnose_target(
        self, session: Session, answers: Mapping[str, Any], failed: Sequence[str]
    ) -> "Diagnosis | str | None":
        """Search for causes only where the target gives the same vectors twice; run it on more texts for its tokens."""
        if "any_input" not in session.target.traits:
            return self.diagnose(answers, failed, session.settings)
        if (sentence := _changing(session)) is not None:
            return sentence

        def encode(texts: list[str]) -> Array:
            try:
                return np.stack(session.run(texts))
            except (TargetError, AnswerError):
                return np.empty(0)  # of which no tokenizer is measured

        return _diagnosis(answers, session.settings, encode)


def _changing(session: Session) -> str | None:
    """A sentence for vectors that change from call to call."""
    from refimpl.diagnosis.calls import changing

    def matches(one: Array, other: Array) -> bool:
        return _own("two runs", one, other, session.tolerance).matches

    first, second = (np.stack(session.run(_mixed())) for _ in range(2))
    return changing(first, second, matches)


def _diagnosis(
    answers: Mapping[str, Any], settings: Settings, encode: Callable[[list[str]], Array] | None
) -> "Diagnosis":
    from refimpl.diagnosis import diagnose_embeddings

    texts = {name: text for name, text in golden.texts().items() if name in answers}
    vectors = np.stack([answers[name] for name in texts])
    tolerance = settings.tolerance.entry or 1e-6
    return diagnose_embeddings(vectors, list(texts.values()), tolerance=tolerance, labels=list(texts), encode=encode)
