"""Texts whose vectors depend on the other texts of a call: the cause is named, with the batches of the large call."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from faulty_bert import FaultyBert

from refimpl.diagnosis import diagnose_embeddings
from refimpl.diagnosis.calls import changed_alone

TEXTS = [
    "hm",
    "oil and gas",
    "Two ROADS diverged in a yellow wood.",
    "",
    "the sun is red",
    "春の海 終日のたり",
    "forty ships at sea, and none of them came home before winter",
    "a wood",
    "no dogs",
    "And looked down one as far as I could to where it bent in the undergrowth; " * 2,
    "two roads",
]
TOLERANCE = 1e-10

Encode = Callable[[list[str]], np.ndarray]

pytestmark = pytest.mark.usefixtures("quick")


def batched(encode: Encode, size: int, order: str = "") -> Encode:
    def encode_all(texts: list[str]) -> np.ndarray:
        rows = sorted(range(len(texts)), key=lambda i: -len(texts[i])) if order else list(range(len(texts)))
        vectors: list[Any] = [None] * len(texts)
        for start in range(0, len(rows), size):
            batch = rows[start : start + size]
            for row, vector in zip(batch, encode([texts[i] for i in batch]), strict=True):
                vectors[row] = vector
        return np.array(vectors)

    return encode_all


class LeftPadded(FaultyBert):
    """Positions begin after the padding."""

    def vector(self, ids: list[int]) -> np.ndarray:
        self.f.first_position = self.longest - len(ids)
        return super().vector(ids)


class MaskOfFirst(FaultyBert):
    """The pooling of every text has the mask of the first."""

    def __call__(self, texts: list[str]) -> np.ndarray:
        sequences = self.ids(texts)
        self.f.pad_to = self.longest
        means = [self.hidden(ids)[0][: len(sequences[0])].mean(axis=0) for ids in sequences]
        return np.array([mean / np.linalg.norm(mean) for mean in means])


class Joined(FaultyBert):
    """One sequence of all texts."""

    def __call__(self, texts: list[str]) -> np.ndarray:
        sequences = self.ids(texts)
        states = self.hidden([token for ids in sequences for token in ids])[0]
        ends = np.cumsum([len(ids) for ids in sequences])
        means = [states[end - len(ids) : end].mean(axis=0) for end, ids in zip(ends, sequences, strict=True)]
        return np.array([mean / np.linalg.norm(mean) for mean in means])


class CutToShortest(FaultyBert):
    def ids(self, texts: list[str]) -> list[list[int]]:
        sequences = super().ids(texts)
        self.longest = min(map(len, sequences))
        return [[*ids[: self.longest - 1], ids[-1]] for ids in sequences]


class PositionsGoOn(FaultyBert):
    """A packed batch whose positions are not restarted."""

    def __call__(self, texts: list[str]) -> np.ndarray:
        vectors, first = [], 0
        for ids in self.ids(texts):
            self.f.first_position = first
            vectors.append(self.vector(ids))
            first += len(ids)
        return np.array(vectors)


class OverThePaddedLength(FaultyBert):
    """The masked sum is divided by the width of the batch."""

    def __call__(self, texts: list[str]) -> np.ndarray:
        sequences = self.ids(texts)
        return np.array([self.hidden(ids)[0].sum(0) / max(map(len, sequences)) for ids in sequences])


class KeptTokens(FaultyBert):
    """A buffer of ids that is never cleared: a shorter text keeps the end of the text that its row had before."""

    buffer: dict[int, list[int]]

    def __call__(self, texts: list[str]) -> np.ndarray:
        sequences = self.ids(texts)
        self.buffer = getattr(self, "buffer", {})
        rows = [[*ids, *self.buffer.get(row, [])[len(ids) :]] for row, ids in enumerate(sequences)]
        self.buffer |= dict(enumerate(rows))
        return np.array([self.vector(ids[: max(map(len, sequences))]) for ids in rows])


class KeptState(FaultyBert):
    """A state that is not reset: a text's vector has a share of the one before."""

    before = 0.0

    def vector(self, ids: list[int]) -> np.ndarray:
        self.before = super().vector(ids) + 0.3 * self.before
        return self.before / np.linalg.norm(self.before)


def diagnosed(encode: Encode, folder: Any, tolerance: float = TOLERANCE) -> Any:
    return diagnose_embeddings(
        encode(TEXTS), TEXTS, model_path=folder, tolerance=tolerance, labels=TEXTS, encode=encode
    )


@pytest.mark.parametrize(
    ("faults", "name"),
    [
        ({"mask_attention": False}, "padding attended to"),
        ({"mask_pooling": False}, "padding pooled"),
        ({"mask_attention": False, "mask_pooling": False}, "padding attended to and pooled"),
    ],
)
def test_padding_without_a_mask_is_named_with_the_batches(faults, name, small_folder):
    bert = FaultyBert(small_folder, pad_to=-1, **faults)
    for encode, batches in (
        (bert, "all texts of the call are padded to its longest"),
        (batched(bert, 8), "the call is batched by 8 texts, in their order"),
        (batched(bert, 8, "longest first"), "the call is batched by 8 texts, longest first"),
    ):
        diagnosis = diagnosed(encode, small_folder)
        assert [cause.names for cause in diagnosis.causes] == [(name,)], str(diagnosis)
        assert batches in diagnosis.causes[0].explanation
        assert diagnosis.explained
        assert diagnosis.causes[0].of == "10 of 10 texts, each run beside a longer one"
    assert "8 texts" not in str(diagnosed(batched(bert, 5), small_folder))


def test_padding_without_a_mask_is_named_of_rounded_vectors(small_folder):
    bert = FaultyBert(small_folder, pad_to=-1, mask_attention=False)
    diagnosis = diagnosed(batched(lambda texts: np.round(bert(texts), 3), 8), small_folder)
    names = [cause.names for cause in diagnosis.causes]
    assert names == [("padding attended to",), ("3 decimals",)], str(diagnosis)
    assert "the call is batched by 8 texts, in their order" in diagnosis.causes[0].explanation


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (LeftPadded, "left padding"),
        (MaskOfFirst, "mask of the first text in pooling"),
        (Joined, "attention across the texts of a call, positions go on"),
        (CutToShortest, "cut to the shortest text, with its [SEP]"),
        (PositionsGoOn, "positions go on"),
    ],
)
def test_what_else_texts_of_a_call_do_is_named(kind, name, small_folder):
    diagnosis = diagnosed(kind(small_folder), small_folder)
    assert [cause.names for cause in diagnosis.causes] == [(name,)], str(diagnosis)


def test_a_sum_over_the_padded_length_is_named_where_lengths_show_it(small_folder):
    diagnosis = diagnosed(OverThePaddedLength(small_folder), small_folder)
    names = [cause.names for cause in diagnosis.causes]
    assert names == [("sum divided by the padded length",), ("no normalisation",)], str(diagnosis)


def test_what_earlier_calls_change_is_no_matter_of_a_call(small_folder):
    diagnosis = diagnosed(KeptState(small_folder), small_folder)
    assert diagnosis.causes == ()
    assert "a text has another vector after calls of other texts" in str(diagnosis)


def test_tokens_of_earlier_calls_are_named(small_folder):
    diagnosis = diagnosed(batched(KeptTokens(small_folder), 4), small_folder)
    name = "left-over tokens attended to and pooled, of earlier calls"
    assert [cause.names for cause in diagnosis.causes] == [(name,)], str(diagnosis)


def test_rounding_of_a_batch_that_a_format_enlarges_is_no_dependence_on_the_call():
    """bfloat16 that is cut flips a few entries; a table of float16 changes all of them, by a small share."""
    random = np.random.default_rng(3)
    texts, right = ["a", "b", "c"], random.normal(0, 0.05, (3, 64))
    flipped = right + 1e-3
    flipped[:, :3] += 5e-4
    assert changed_alone(lambda one: flipped[[texts.index(one[0])]], right + 1e-3, right, texts, 1e-6) is None
    small = right + 1e-3 + random.normal(0, 3e-5, right.shape)
    assert changed_alone(lambda one: small[[texts.index(one[0])]], right + 1e-3, right, texts, 1e-6) is None
    other = right + random.normal(0, 1e-3, right.shape)
    sentence = changed_alone(lambda one: right[[texts.index(one[0])]], other, right, texts, 1e-6)
    assert sentence == "3 of 3 short texts have another vector when each is run alone"


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (lambda v: v / np.linalg.norm(v), "normalised over the whole call"),
        (lambda v: v / np.linalg.norm(v, axis=0), "normalised over the wrong axis"),
        (lambda v: v - v.mean(axis=0), "mean of the call subtracted"),
    ],
)
def test_a_function_of_all_vectors_of_a_call_is_named(function, name, small_folder):
    means = FaultyBert(small_folder, norm="none")
    diagnosis = diagnosed(lambda texts: function(means(texts)), small_folder)
    assert [cause.names for cause in diagnosis.causes] == [(name,)], str(diagnosis)


def test_a_cause_of_the_texts_alone_is_named_beside_that_of_the_call(small_folder):
    bert = FaultyBert(small_folder, pad_to=-1, mask_pooling=False, act="tanh")
    diagnosis = diagnosed(batched(bert, 8), small_folder)
    assert [cause.names for cause in diagnosis.causes] == [("padding pooled",), ("tanh GELU",)], str(diagnosis)
    assert diagnosis.explained
    assert "also explained" not in str(diagnosis)
    assert diagnosis.causes[1].of == "11 of 11 texts, each run alone"


def test_a_padded_and_truncated_tokenizer_without_masks_is_named(small_folder):
    """As tokenizer.json has it, used without its attention mask."""
    long = [*TEXTS, "And looked down one as far as I could to where it bent in the undergrowth; " * 12]
    actual = FaultyBert(small_folder, pad_to=128, max_length=128, mask_attention=False, mask_pooling=False)(long)
    diagnosis = diagnose_embeddings(actual, long, model_path=small_folder, tolerance=TOLERANCE)
    names = {"padding attended to and pooled, padded to 128", "truncation at 128"}
    assert set(diagnosis.causes[0].names) == names, str(diagnosis)
    assert diagnosis.explained


def test_texts_that_are_mixed_up_in_a_large_call_are_no_padding(small_folder):
    bert = FaultyBert(small_folder)

    def last_repeated(texts: list[str]) -> np.ndarray:
        vectors = bert(texts)
        return vectors if len(texts) < 8 else np.array([*vectors[:8], *vectors[: len(texts) - 8]])

    diagnosis = diagnosed(last_repeated, small_folder)
    assert diagnosis.causes == ()
    assert "3 of 3 short texts have another vector when each is run alone, the right one" in str(diagnosis)
    assert "no dogs that of hm" in str(diagnosis)
    assert "as when rows are mixed up" in str(diagnosis)


def test_vectors_that_are_zero_in_a_large_call_are_named_as_that(small_folder):
    """Only whole batches of four are computed."""
    bert = FaultyBert(small_folder)

    def whole_batches(texts: list[str]) -> np.ndarray:
        count = len(texts) // 4 * 4 or len(texts)
        return np.array([*bert(texts[:count]), *np.zeros((len(texts) - count, 32))])

    diagnosis = diagnosed(whole_batches, small_folder)
    assert diagnosis.causes == ()
    assert str(diagnosis).splitlines()[1:] == [
        "3 of 11 vectors are zero, those of the last texts; all others are right",
        "3 of 3 short texts have another vector when each is run alone, the right one",
    ]
    assert diagnosis.unexplained == tuple(TEXTS[8:])


def test_a_cache_by_the_beginning_of_a_text_is_no_cause_of_tokens(small_folder):
    beginnings = ("two roads diverged in a wood", "forty ships at sea, and none of them")
    texts = [*TEXTS, *(f"{each}{end}" for each in beginnings for end in ("", ", and I", ", unwillingly", " home"))]
    bert, kept = FaultyBert(small_folder), dict[str, np.ndarray]()

    def cached(texts: list[str]) -> np.ndarray:
        return np.array([kept.setdefault(text[:20], bert([text])[0]) for text in texts])

    diagnosis = diagnose_embeddings(
        cached(texts), texts, model_path=small_folder, tolerance=TOLERANCE, labels=texts, encode=cached
    )
    assert diagnosis.causes == ()
    lines = str(diagnosis).splitlines()[1:]
    assert lines[0] == "none of the known causes explains it"
    assert lines[1].startswith("7 of 7 unexplained texts have the right vector of another text: ")
    assert lines[1].endswith(
        "at least their first 28 characters with it, as with truncation, or a cache by the beginning of a text"
    )
    assert len(lines) == 2


def test_vectors_that_depend_on_a_call_in_no_known_way_have_no_cause(small_folder):
    bert = FaultyBert(small_folder)

    def mixed(texts: list[str]) -> np.ndarray:
        vectors = bert(texts)
        return vectors if len(texts) == 1 else vectors + 0.1 * np.roll(vectors, 1, axis=0)

    diagnosis = diagnosed(mixed, small_folder)
    assert diagnosis.causes == ()
    assert not diagnosis.explained
    assert "vectors depend on the other texts of a call" in str(diagnosis)
    assert "padding" not in str(diagnosis)


def test_many_texts_are_not_run_each_alone(small_folder):
    bert, calls = FaultyBert(small_folder, pad_to=-1, mask_pooling=False), []

    def counted(texts: list[str]) -> np.ndarray:
        calls.append(len(texts))
        return bert(texts)

    many = [f"{text} {number}" for number in range(100) for text in TEXTS]
    diagnose_embeddings(bert(many), many, model_path=small_folder, tolerance=TOLERANCE, encode=counted)
    assert calls.count(1) < 20


def test_short_texts_are_run_alone_and_compared(small_folder):
    right = FaultyBert(small_folder)(TEXTS)

    def encode(texts: list[str]) -> np.ndarray:
        return right[[TEXTS.index(text) for text in texts]]

    sentence = changed_alone(encode, right + 0.1, right, TEXTS, TOLERANCE)
    assert sentence == "3 of 3 short texts have another vector when each is run alone"
    assert changed_alone(encode, right, right, TEXTS, TOLERANCE) is None
    assert changed_alone(lambda texts: np.empty(0), right, right, TEXTS, TOLERANCE) is None
