"""Pairs of faults put into an independent BERT are named; without a fault the vectors match."""

import numpy as np
import pytest
from encoder_faults import EMBEDDINGS
from faulty_bert import FaultyBert

from refimpl.diagnosis import by_text, diagnose_embeddings, embeddings
from refimpl.diagnosis.explanation import Explanation

TOLERANCE = 1e-10  # both compute in float64

PAIRS = [
    ("CLS pooling", "no normalisation"),
    ("tanh GELU", "no normalisation"),
    ("tanh GELU", "eps 1e-5"),
    ("tanh GELU", "float16 weights"),
    ("tanh GELU", "truncation at 128"),
    ("tanh GELU", "cased tokens"),
    ("eps 1e-5", "truncation at 128"),
    ("eps 1e-3", "no [SEP]"),
    ("accents kept", "no special tokens"),
    ("cased tokens", "float16 vectors"),
    ("truncation at 128", "no special tokens"),
    ("positions off by one", "token types of ones"),
    ("positions off by two", "tanh GELU"),
    ("query and key swapped", "attention dense transposed"),
    ("query and key swapped", "tanh GELU"),
    ("no token type embeddings", "max pooling"),
    ("bfloat16 weights", "CLS pooling"),
    ("int8 weights", "no normalisation"),
    ("last layer left out", "CLS pooling"),
    ("padding pooled, padded to the longest", "no normalisation"),
    ("padding pooled, padded to the longest", "tanh GELU"),
    ("scores not scaled", "mean without special tokens"),
    ("heads interleaved", "eps 1e-5"),
    ("pooler applied", "cased tokens"),
]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("pair", PAIRS, ids=" + ".join)
def test_two_faults_are_named_first(small_folder, texts, pair):
    actual = FaultyBert(small_folder, **(EMBEDDINGS[pair[0]] | EMBEDDINGS[pair[1]]))(texts)
    diagnosis = diagnose_embeddings(actual, texts, model_path=small_folder, tolerance=TOLERANCE)
    assert diagnosis.causes, str(diagnosis)
    assert set(diagnosis.causes[0].names) == set(pair), str(diagnosis)
    assert diagnosis.causes[0].explains_all


def test_right_vectors_match(small_folder, texts):
    diagnosis = diagnose_embeddings(FaultyBert(small_folder)(texts), texts, model_path=small_folder, tolerance=1e-12)
    assert diagnosis.matches
    assert diagnosis.causes == ()
    assert str(diagnosis).startswith("matches")


@pytest.fixture
def small_budget(monkeypatch):
    """Little work for the pairs, none of which explains anything."""
    monkeypatch.setattr(by_text, "WORK", 1e10)


@pytest.mark.usefixtures("quick")
def test_noise_has_no_known_cause(small_folder, texts, small_budget):
    actual = FaultyBert(small_folder)(texts)
    actual += np.random.default_rng(0).normal(0, 0.01, actual.shape)
    diagnosis = diagnose_embeddings(actual, texts, model_path=small_folder, tolerance=TOLERANCE)
    assert not diagnosis.matches
    assert not diagnosis.explained
    assert "none of the known causes" in str(diagnosis)
    assert "100%" not in str(diagnosis)
    assert "the search ended at its limit of work" in str(diagnosis)
    assert "listed hypotheses" in str(diagnosis)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("long", [True, False])
def test_unexplained_texts_of_a_length_of_their_own_are_told(small_folder, small_budget, long):
    """The words have one piece each, [CLS] and [SEP] are counted."""
    texts = [" ".join(["a"] * words) for words in (1, 2, 8, 9)]
    actual = FaultyBert(small_folder)(texts)
    rows = slice(2, 4) if long else slice(0, 2)
    actual[rows] += np.random.default_rng(0).normal(0, 0.01, actual[rows].shape)
    found = str(diagnose_embeddings(actual, texts, model_path=small_folder, tolerance=TOLERANCE))
    of_long = "only texts of 10 or more tokens mismatch; all of up to 4 match"
    assert (of_long if long else "only texts of up to 4 tokens mismatch; all of 10 or more match") in found


@pytest.mark.usefixtures("quick")
def test_a_part_is_never_reported_as_all(small_folder, texts, small_budget):
    actual = FaultyBert(small_folder, norm="none")(texts)
    actual[0, 0] += 1e-6
    diagnosis = diagnose_embeddings(actual, texts, model_path=small_folder, tolerance=TOLERANCE)
    assert diagnosis.causes[0].names[0] == "no normalisation"
    assert not diagnosis.causes[0].explains_all
    assert not diagnosis.explained
    assert "no normalisation explains 5 of 6 texts" in str(diagnosis)
    assert "not explained: 'Grüße aus Łódź, sagte Zoë!'" in str(diagnosis)


def test_rows_in_another_order_are_named(small_folder, texts):
    actual = FaultyBert(small_folder)(texts)[::-1]
    diagnosis = diagnose_embeddings(actual, texts, model_path=small_folder, tolerance=TOLERANCE)
    assert diagnosis.causes[0].names == ("rows in another order",)


def test_a_vector_that_is_not_finite_is_named(small_folder, texts):
    actual = FaultyBert(small_folder)(texts)
    actual[3] = np.nan
    diagnosis = diagnose_embeddings(actual, texts, model_path=small_folder)
    assert diagnosis.difference == np.inf
    assert "1 of 6 vectors is not finite, that of ''; all others are right" in str(diagnosis)
    assert diagnosis.unexplained == ("''",)


def test_the_others_are_diagnosed_beside_vectors_that_are_not_finite(small_folder, texts):
    actual = FaultyBert(small_folder, pooling="CLS")(texts)
    actual[3:5] = np.nan
    diagnosis = diagnose_embeddings(actual, texts, model_path=small_folder, tolerance=TOLERANCE)
    assert diagnosis.causes[0].names == ("CLS pooling",)
    assert not diagnosis.explained
    assert "2 of 6 vectors are not finite, those of '', 'hm'" in str(diagnosis)


def test_no_finite_vector_is_said(small_folder, texts):
    diagnosis = diagnose_embeddings(np.full((len(texts), 32), np.nan), texts, model_path=small_folder)
    assert diagnosis.observation == "no vector is finite"


def test_another_shape_is_refused(small_folder, texts):
    with pytest.raises(ValueError, match=r"expected vectors of shape \(6, 32\), got \(6, 31\): one row per text"):
        diagnose_embeddings(np.zeros((6, 31)), texts, model_path=small_folder)


def test_no_texts_match_no_vectors(small_folder):
    assert diagnose_embeddings(np.zeros((0, 32)), [], model_path=small_folder).matches


@pytest.mark.parametrize(
    ("untried", "unexplained", "words"),
    [
        ("hypotheses", (3,), ["some of the 9 listed hypotheses were not tried"]),
        ("pairs", (3,), ["each of the 9 listed hypotheses was tried alone, but not every pair"]),
        ("pairs", (), []),
        ("", (3,), []),
    ],
)
def test_the_limit_of_work_is_told_for_unexplained_texts_only(untried, unexplained, words):
    notes = embeddings._notes(Explanation((), (), unexplained, (), untried), 9)
    assert len(notes) == len(words)
    assert all(each in note for each, note in zip(words, notes, strict=True))
