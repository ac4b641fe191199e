"""Causes are found text by text: truncation at any length, groups of texts, causes that leave a text unexplained."""

import re

import ml_dtypes
import numpy as np
import pytest
import token_faults
from faulty_bert import FaultyBert

from refimpl.diagnosis import by_text, diagnose_embeddings

TOLERANCE = 1e-10  # both compute in float64
SHIPS = ["a", *("ship " * (tokens - 2) for tokens in (20, 100, 120, 128, 129, 135))]
ACCENTED = ["Zoë said so", "a café in Łódź", "two roads", "hm", "a wood"]

pytestmark = pytest.mark.usefixtures("quick")


def diagnosed(actual, texts, folder):
    return diagnose_embeddings(actual, texts, model_path=folder, tolerance=TOLERANCE)


@pytest.mark.parametrize("length", [19, 57, 100, 111, 127, 128, 129])
def test_truncation_at_any_length_is_named_and_not_taken_for_another_order(length, small_folder):
    """Texts of one repeated word: truncated at 128 tokens, a longer one has the vector of another."""
    diagnosis = diagnosed(FaultyBert(small_folder, max_length=length)(SHIPS), SHIPS, small_folder)
    assert [cause.names for cause in diagnosis.causes] == [(f"truncation at {length}",)]
    assert f"truncation at {length} explains 7 of 7 texts" in str(diagnosis)
    assert "set max_length=136" in str(diagnosis)


def test_another_order_is_a_permutation(small_folder):
    right = FaultyBert(small_folder)(ACCENTED)
    assert diagnosed(right[[1, 0, 2, 4, 3]], ACCENTED, small_folder).causes[0].names == ("rows in another order",)
    assert diagnosed(right[[1, 1, 2, 4, 3]], ACCENTED, small_folder).causes == ()


def test_texts_with_a_cause_of_their_own_are_a_group(small_folder):
    actual = FaultyBert(small_folder, act="tanh")(ACCENTED)
    actual[1] = FaultyBert(small_folder, act="tanh", accents=False)(ACCENTED)[1]
    diagnosis = diagnosed(actual, ACCENTED, small_folder)
    assert diagnosis.explained
    first, second = diagnosis.causes[:2]
    assert (first.names, first.of) == (("tanh GELU",), "4 of 5 texts")
    assert (second.names[0], second.texts) == ("tanh GELU", ("'a café in Łódź'",))
    assert set(second.names[1:]) <= {"accents kept", "cased tokens"}


def test_a_cause_that_leaves_a_text_unexplained_is_half_a_cause(small_folder):
    actual = FaultyBert(small_folder, pooling="CLS")(ACCENTED)
    actual[2] = FaultyBert(small_folder, pooling="CLS")(["something else"])[0]
    diagnosis = diagnosed(actual, ACCENTED, small_folder)
    assert not diagnosis.explained
    assert diagnosis.causes[0].names == ("CLS pooling",)
    assert not diagnosis.causes[0].explains_all
    assert diagnosis.unexplained == ("'two roads'",)
    assert "CLS pooling explains 4 of 5 texts" in str(diagnosis)
    assert "not explained: 'two roads'" in str(diagnosis)


def test_errors_are_relative_to_the_length_of_a_vector(small_folder):
    """Without normalisation a vector is some four times longer, and so is its rounding."""
    actual = FaultyBert(small_folder, norm="none")(ACCENTED)
    actual += 0.9 * TOLERANCE * np.linalg.norm(actual, axis=1, keepdims=True)
    assert diagnosed(actual, ACCENTED, small_folder).causes[0].names == ("no normalisation",)


def test_a_rounded_vector_may_be_rounded_from_any_vector_within_the_tolerance(small_folder):
    actual = FaultyBert(small_folder)(ACCENTED)
    actual += np.where(np.arange(actual.size).reshape(actual.shape) % 2, 0.9e-4, -0.9e-4)
    diagnosis = diagnose_embeddings(actual.astype(np.float16), ACCENTED, model_path=small_folder, tolerance=9e-5)
    assert diagnosis.causes[0].names == ("float16 vectors",)


@pytest.mark.parametrize(
    ("stored", "name"),
    [
        (lambda v: np.round(v, 4), "4 decimals"),
        (lambda v: np.round(v, 2), "2 decimals"),
        (lambda v: np.round(v * np.float32(127)) / np.float32(127), "int8 vectors"),
        (lambda v: np.round(v * np.float32(255)) / np.float32(255), "steps of 1/255"),
        (lambda v: np.round(v / (m := np.abs(v).max(axis=1)[:, None]) * 127) * (m / 127), "127 levels per vector"),
    ],
)
def test_rounding_in_float32_is_measured(stored, name, small_folder):
    actual = stored(FaultyBert(small_folder)(ACCENTED).astype(np.float32))
    assert actual.dtype == np.float32
    diagnosis = diagnose_embeddings(actual, ACCENTED, model_path=small_folder)
    assert [cause.names for cause in diagnosis.causes] == [(name,)], str(diagnosis)


@pytest.mark.parametrize("factor", [1 - 9e-7, 1 + 9e-7])
def test_the_levels_of_a_vector_may_be_of_a_maximum_within_the_tolerance(factor, small_folder):
    vectors = FaultyBert(small_folder)(ACCENTED)
    steps = factor * np.abs(vectors).max(axis=1, keepdims=True) / 127
    diagnosis = diagnose_embeddings(np.rint(vectors * factor / steps) * steps, ACCENTED, model_path=small_folder)
    assert [cause.names for cause in diagnosis.causes] == [("127 levels per vector",)], str(diagnosis)
    assert diagnosis.causes[0].of == "5 of 5 texts"


def test_zeros_among_right_vectors_are_named_without_a_search(small_folder):
    vectors = FaultyBert(small_folder)(ACCENTED)
    vectors[[1, 3]] = 0
    lines = str(diagnosed(vectors, ACCENTED, small_folder)).splitlines()[1:]
    assert lines == ["2 of 5 vectors are zero, those of 'a café in Łódź', 'hm'; all others are right"]


@pytest.mark.parametrize(
    ("vectors", "sentence"),
    [
        (np.zeros((5, 32)), "every vector is zero"),
        (np.full((5, 32), 0.2), "every text has the same vector"),
    ],
)
def test_vectors_that_depend_on_no_text_are_named_without_a_search(vectors, sentence, small_folder):
    diagnosis = diagnosed(vectors, ACCENTED, small_folder)
    assert diagnosis.causes == ()
    assert str(diagnosis).splitlines()[1:] == [sentence]


WRITTEN = [*ACCENTED, "one [SEP] two", "[CLS] hm [MASK]"]
PROSE = [
    *ACCENTED,
    " ".join(f"{a}{b} {b}ing" for a in "bcdfgh" for b in ("at", "in", "on", "up", "et", "ob", "is", "an")),
]


def test_the_causes_of_several_groups_are_one_where_they_explain_every_text_together(small_folder):
    faults = {"pooling": "CLS", **token_faults.FAULTS["special tokens read as text"]}
    diagnosis = diagnosed(FaultyBert(small_folder, **faults)(WRITTEN), WRITTEN, small_folder)
    assert [set(cause.names) for cause in diagnosis.causes] == [{"CLS pooling", "special tokens read as text"}]
    assert "explains 7 of 7 texts" in str(diagnosis)


@pytest.mark.parametrize(
    ("faults", "names"),
    [
        ({"cut": "middle"}, {"truncation in the middle"}),
        ({"cut": "first 64"}, {"truncation after the first 64 tokens"}),
        ({"cut": "left", "max_length": 64}, {"truncation at the left", "truncation at 64"}),
        ({"special_room": "beside"}, {"special tokens not counted"}),
        ({"special_room": "cut", "pooling": "CLS"}, {"CLS pooling", "special tokens truncated"}),
    ],
)
def test_the_side_of_truncation_is_named_with_its_length(faults, names, small_folder):
    diagnosis = diagnosed(FaultyBert(small_folder, **faults)(PROSE), PROSE, small_folder)
    assert [set(cause.names) for cause in diagnosis.causes] == [names], str(diagnosis)


def test_a_hypothesis_without_effect_beside_another_is_left_out(small_folder):
    """Without [CLS] and [SEP] a text keeps 136 tokens of its own, as where the limit does not count them."""
    encode = FaultyBert(small_folder, special="", accents=False)
    diagnosis = diagnose_embeddings(
        encode(PROSE), PROSE, model_path=small_folder, tolerance=TOLERANCE, labels=PROSE, encode=encode
    )
    assert [set(cause.names) for cause in diagnosis.causes] == [{"no special tokens", "accents kept"}], str(diagnosis)


def test_the_nearest_hypothesis_is_tried_with_all_others_before_prompts(small_folder, monkeypatch):
    """Max pooling alone leaves more than a quarter of the squared errors; so much work leaves no room for all pairs."""
    monkeypatch.setattr(by_text, "WORK", 1e10)
    actual = FaultyBert(small_folder, pooling="max", layers=-1)(ACCENTED)
    diagnosis = diagnosed(actual, ACCENTED, small_folder)
    assert [set(cause.names) for cause in diagnosis.causes] == [{"max pooling", "last layer left out"}], str(diagnosis)


def test_a_long_text_of_one_word_does_not_hide_the_side_of_truncation(small_folder):
    texts = [*PROSE, "ship " * 200]
    diagnosis = diagnosed(FaultyBert(small_folder, cut="first 64")(texts), texts, small_folder)
    assert [cause.names for cause in diagnosis.causes] == [("truncation after the first 64 tokens",)], str(diagnosis)


class Wrapped(FaultyBert):
    """Token i has the position i modulo 16."""

    def hidden(self, ids, segments=None):
        table = "embeddings.position_embeddings.weight"
        own = self.w[table]
        self.w[table] = np.concatenate([own[:16]] * 9)
        found = super().hidden(ids, segments)
        self.w[table] = own
        return found


def test_positions_that_begin_again_are_named_where_short_texts_match(small_folder):
    texts = [*ACCENTED, "ship " * 14, "ship " * 15, *PROSE[-1:]]
    diagnosis = diagnosed(Wrapped(small_folder)(texts), texts, small_folder)
    assert [cause.names for cause in diagnosis.causes] == [("positions modulo 16",)], str(diagnosis)


@pytest.mark.parametrize(
    ("part", "name"),
    [
        (r"\.attention\..*(query|key|value|output\.dense)\.weight", "bfloat16 weights in attention only"),
        (r"\d\.(intermediate|output)\.dense\.weight", "bfloat16 weights in the feed forward only"),
    ],
)
def test_rounded_weights_of_one_sublayer_are_named(part, name, small_folder):
    bert = FaultyBert(small_folder)
    bert.w |= {
        key: tensor.astype(ml_dtypes.bfloat16).astype(np.float64)
        for key, tensor in bert.w.items()
        if re.search(part, key)
    }
    diagnosis = diagnosed(bert(ACCENTED), ACCENTED, small_folder)
    assert diagnosis.causes[0].names == (name,), str(diagnosis)


def test_exchanged_biases_are_named(small_folder):
    bert = FaultyBert(small_folder)
    for layer in range(3):
        query, key = (f"encoder.layer.{layer}.attention.self.{name}.bias" for name in ("query", "key"))
        bert.w[query], bert.w[key] = bert.w[key], bert.w[query]
    diagnosis = diagnosed(bert(ACCENTED), ACCENTED, small_folder)
    name = "encoder.layer.*.attention.self.query.bias and attention.self.key.bias exchanged"
    assert diagnosis.causes[0].names == (name,), str(diagnosis)


def test_counts_of_a_part_add_up(small_folder):
    """Two of five texts match: two of the other three have a cause, and one has none."""
    actual = FaultyBert(small_folder)(ACCENTED)
    actual[:2] = FaultyBert(small_folder, accents=False)(ACCENTED)[:2]
    actual[2] = FaultyBert(small_folder)(["something else"])[0]
    diagnosis = diagnosed(actual, ACCENTED, small_folder)
    assert "explains 2 of 3 texts that mismatch" in str(diagnosis), str(diagnosis)
    assert diagnosis.unexplained == ("'two roads'",)


@pytest.mark.parametrize(
    ("faults", "names"),
    [
        ({"pooling": "words", "max_length": 200}, {"mean without special tokens", "truncation at 200"}),
        ({"special_times": 2, "max_length": 138}, {"special tokens twice", "truncation at 138"}),
    ],
)
def test_a_longer_limit_is_found_beside_another_cause(faults, names, small_folder):
    """Texts between the two limits fit every longer one; another was named of them, and the rest left unexplained."""
    texts = [f"two roads diverged in a wood{' and a sea' * count}" for count in (0, 1, 3, 42, 50, 58, 70, 90)]
    diagnosis = diagnosed(FaultyBert(small_folder, **faults)(texts), texts, small_folder)
    assert set(diagnosis.causes[0].names) == names, str(diagnosis)
    assert diagnosis.explained
