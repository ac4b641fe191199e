"""Faults put into an independent BERT, alone and in pairs, are named; without one the verdict is that it matches."""

from functools import partial

import numpy as np
import pytest
from faulty_bert import FaultyBert

from refimpl.oracle.diagnosis import diagnose_embeddings, embeddings
from refimpl.oracle.diagnosis.search import explain

TOLERANCE = 1e-10  # both compute in float64

SINGLE = {
    "tanh GELU": {"act": "tanh"},
    "sigmoid GELU": {"act": "quick"},
    "ReLU": {"act": "relu"},
    "SiLU": {"act": "silu"},
    "eps 1e-3": {"eps": 1e-3},
    "eps 1e-5": {"eps": 1e-5},
    "eps 1e-6": {"eps": 1e-6},
    "eps 1e-7": {"eps": 1e-7},
    "pre-norm": {"block": "pre"},
    "no residuals": {"block": "no residual"},
    "causal mask": {"block": "causal"},
    "no special tokens": {"special": ""},
    "no [SEP]": {"special": "[CLS]"},
    "no [CLS]": {"special": "[SEP]"},
    "cased tokens": {"lower": False},
    "accents kept": {"accents": False},
    "Han not split": {"han": False},
    "truncation at 128": {"max_length": 128},
    "truncation at 512": {"max_length": 512},
    "truncation at the left": {"cut": "left"},
    "prefix 'query: '": {"prefix": "query: "},
    "token types of ones": {"segment": 1},
    "positions off by one": {"first_position": 1},
    "positions off by two": {"first_position": 2},
    "padding attended to, padded to the longest": {"pad_to": -1, "mask_attention": False},
    "padding pooled, padded to the longest": {"pad_to": -1, "mask_pooling": False},
    "padding pooled, padded to 512": {"pad_to": 512, "mask_pooling": False},
    "query and key swapped": {"swap": ("query", "key")},
    "key and value swapped": {"swap": ("key", "value")},
    "attention dense transposed": {"transpose": ("attention.output.dense",)},
    "query transposed": {"transpose": ("query",)},
    "query, key and value transposed": {"transpose": ("query", "key", "value")},
    "no position embeddings": {"zero": ("position_embeddings",)},
    "no token type embeddings": {"zero": ("token_type_embeddings",)},
    "no query, key and value biases": {"zero": ("query.bias", "key.bias", "value.bias")},
    "no biases": {"zero": (".bias",)},
    "layer norms without weight and bias": {"plain_norms": True},
    "scores not scaled": {"divisor": "1"},
    "scores scaled by hidden size": {"divisor": "sqrt(hidden)"},
    "scores scaled twice": {"divisor": "head_dim"},
    "heads interleaved": {"interleave": True},
    "unbiased variance": {"ddof": 1},
    "float16 weights": {"rounding": "float16"},
    "bfloat16 weights": {"rounding": "bfloat16"},
    "int8 weights": {"rounding": "int8"},
    "int8 weights by row": {"rounding": "int8 by row"},
    "last layer left out": {"layers": 2},
    "last two layers left out": {"layers": 1},  # of three, so "first layer only" explains it as well
    "no layer": {"layers": 0},
    "CLS pooling": {"pooling": "CLS"},
    "max pooling": {"pooling": "max"},
    "last token pooling": {"pooling": "last"},
    "mean without special tokens": {"pooling": "words"},
    "pooler applied": {"pooling": "pooler"},
    "tokens normalised before pooling": {"pooling": "unit"},
    "no normalisation": {"norm": "none"},
    "L1 normalisation": {"norm": "L1"},
    "normalised by the squared length": {"norm": "squared"},
    "float16 vectors": {"stored": "float16"},
    "bfloat16 vectors": {"stored": "bfloat16"},
    "4 decimals": {"stored": "4"},
}
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
    ("padding attended to, padded to the longest", "padding pooled, padded to the longest"),
    ("scores not scaled", "mean without special tokens"),
    ("heads interleaved", "eps 1e-5"),
    ("pooler applied", "cased tokens"),
]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("fault", SINGLE)
def test_a_fault_is_named_first(small_folder, texts, fault):
    given = FaultyBert(small_folder, **SINGLE[fault])(texts)
    diagnosis = diagnose_embeddings(given, texts, model_path=small_folder, tolerance=TOLERANCE)
    assert not diagnosis.matches
    assert diagnosis.causes, str(diagnosis)
    assert diagnosis.causes[0].names == (fault,), str(diagnosis)
    assert diagnosis.causes[0].explains_all
    assert f"{fault} explains 100% of the difference" in str(diagnosis)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("pair", PAIRS, ids=" + ".join)
def test_two_faults_are_named_first(small_folder, texts, pair):
    given = FaultyBert(small_folder, **(SINGLE[pair[0]] | SINGLE[pair[1]]))(texts)
    diagnosis = diagnose_embeddings(given, texts, model_path=small_folder, tolerance=TOLERANCE)
    assert diagnosis.causes, str(diagnosis)
    assert set(diagnosis.causes[0].names) == set(pair), str(diagnosis)
    assert diagnosis.causes[0].explains_all


def test_right_vectors_match(small_folder, texts):
    diagnosis = diagnose_embeddings(FaultyBert(small_folder)(texts), texts, model_path=small_folder, tolerance=1e-12)
    assert diagnosis.matches
    assert diagnosis.causes == ()
    assert str(diagnosis).startswith("matches")


@pytest.fixture
def hurried(monkeypatch):
    """All pairs would be tried in vain."""
    monkeypatch.setattr(embeddings, "explain", partial(explain, budget_s=1.0))


@pytest.mark.usefixtures("quick")
def test_noise_is_no_known_cause(small_folder, texts, hurried):
    given = FaultyBert(small_folder)(texts)
    given += np.random.default_rng(0).normal(0, 0.01, given.shape)
    diagnosis = diagnose_embeddings(given, texts, model_path=small_folder, tolerance=TOLERANCE)
    assert not diagnosis.matches
    assert not diagnosis.explained
    assert "none of the known causes" in str(diagnosis)
    assert "100%" not in str(diagnosis)


@pytest.mark.usefixtures("quick")
def test_part_of_it_is_never_called_all(small_folder, texts, hurried):
    given = FaultyBert(small_folder, norm="none")(texts)
    given[0, 0] += 1e-6
    diagnosis = diagnose_embeddings(given, texts, model_path=small_folder, tolerance=TOLERANCE)
    assert diagnosis.causes[0].names[0] == "no normalisation"
    assert diagnosis.causes[0].share > 0.999999
    assert "none of the known causes" in str(diagnosis)
    assert "no normalisation explains 99.9%" in str(diagnosis)


def test_rows_at_other_texts_are_seen(small_folder, texts):
    given = FaultyBert(small_folder)(texts)[::-1]
    diagnosis = diagnose_embeddings(given, texts, model_path=small_folder, tolerance=TOLERANCE)
    assert diagnosis.causes[0].names == ("rows in another order",)


def test_what_is_not_finite_is_told(small_folder, texts):
    given = FaultyBert(small_folder)(texts)
    given[3] = np.nan
    diagnosis = diagnose_embeddings(given, texts, model_path=small_folder)
    assert diagnosis.difference == np.inf
    assert "vector 3 is not finite" in str(diagnosis)


def test_another_shape_is_refused(small_folder, texts):
    with pytest.raises(ValueError, match=r"given must be \(6, 32\), a vector a text, got \(6, 31\)"):
        diagnose_embeddings(np.zeros((6, 31)), texts, model_path=small_folder)


def test_no_texts_match_no_vectors(small_folder):
    assert diagnose_embeddings(np.zeros((0, 32)), [], model_path=small_folder).matches
