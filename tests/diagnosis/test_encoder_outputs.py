"""Token ids, intermediates, SPLADE rows and rerank scores of an independent BERT with faults."""

import pytest
from encoder_faults import EMBEDDINGS, RERANK, SPLADE, rerank_scores, splade_vectors, trace_of
from faulty_bert import FaultyBert

from refimpl.diagnosis import diagnose_rerank, diagnose_splade, diagnose_tokens, diagnose_trace

QUERY = "Which PLANET is red?"
DOCUMENTS = [
    "Mars is red; its soil holds iron oxide, say those who looked, and they looked for a long time indeed.",
    "Venus is hot.",
    "Ein größerer Café, naïve",
    "planets orbit a star",
]


RERANK_PAIRS = [
    ("segment ids zero", "tanh GELU"),
    ("segment ids zero", "sigmoid"),
    ("no pooler", "segment ids zero"),
    ("document first", "sigmoid"),
]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("names", [("tanh GELU",), *RERANK_PAIRS], ids=" + ".join)
def test_rerank_faults_are_named(small_folder, names):
    changes = {}
    for name in names:
        changes |= (EMBEDDINGS | RERANK)[name]
    folder = small_folder / "pairs"
    diagnosis = diagnose_rerank(
        rerank_scores(folder, QUERY, DOCUMENTS, **changes), QUERY, DOCUMENTS, folder, tolerance=1e-9
    )
    assert diagnosis.causes, str(diagnosis)
    assert set(diagnosis.causes[0].names) == set(names), str(diagnosis)
    assert diagnosis.causes[0].explains_all


def test_right_rerank_scores_match(small_folder):
    folder = small_folder / "pairs"
    actual = rerank_scores(folder, QUERY, DOCUMENTS)
    assert diagnose_rerank(actual, QUERY, DOCUMENTS, folder, tolerance=1e-12).matches


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "names",
    [("tanh GELU",), ("cased tokens",), ("sum for maximum", "no log1p"), ("no log1p", "cased tokens")],
    ids=" + ".join,
)
def test_splade_faults_are_named(small_folder, texts, names):
    changes = {}
    for name in names:
        changes |= (EMBEDDINGS | SPLADE)[name]
    actual = splade_vectors(small_folder, texts[:5], **changes)
    diagnosis = diagnose_splade(actual, texts[:5], model_path=small_folder, tolerance=1e-9)
    assert diagnosis.causes, str(diagnosis)
    assert set(diagnosis.causes[0].names) == set(names), str(diagnosis)


def test_right_splade_rows_match(small_folder, texts):
    actual = splade_vectors(small_folder, texts[:5])
    assert diagnose_splade(actual, texts[:5], model_path=small_folder, tolerance=1e-9).matches


def test_right_token_ids_match_and_padding_is_named(small_folder, texts):
    ids = FaultyBert(small_folder).ids(texts)
    assert diagnose_tokens(ids, texts, model_path=small_folder).matches
    longest = max(map(len, ids))
    padded = [each + [0] * (longest - len(each)) for each in ids]
    assert diagnose_tokens(padded, texts, model_path=small_folder).causes[0].names == ("padding kept",)
    with pytest.raises(ValueError, match="expected 6 lists of ids, got 5: one list per text"):
        diagnose_tokens(ids[:5], texts, model_path=small_folder)


@pytest.mark.parametrize(
    ("fault", "changes", "first"),
    [
        ("tanh GELU", {"act": "tanh"}, "layer.0.hidden_states, by"),
        ("positions off by one", {"first_position": 1}, "embeddings.hidden_states, by"),
        ("query and key swapped", {"swap": ("query", "key")}, "layer.0.hidden_states, by"),
        ("no normalisation", {"norm": "none"}, "normalized, by"),
        ("no special tokens", {"special": ""}, r"embeddings.hidden_states: expected shape"),
    ],
)
@pytest.mark.usefixtures("quick")
def test_the_first_mismatching_stage_and_its_cause(small_folder, texts, fault, changes, first):
    actual = trace_of(small_folder, texts[0], **changes)
    diagnosis = diagnose_trace(actual, texts[0], model_path=small_folder, tolerance=1e-9)
    assert diagnosis.first_mismatch.startswith(first)
    assert diagnosis.causes[0].names == (fault,), str(diagnosis)


def test_right_intermediates_match_and_wrong_names_are_refused(small_folder, texts):
    actual = trace_of(small_folder, texts[0])
    assert diagnose_trace(actual, texts[0], model_path=small_folder, tolerance=1e-11).matches
    with pytest.raises(
        ValueError, match=r"expected the name of an intermediate, got 'layer.0.hidden': similar are layer.0"
    ):
        diagnose_trace({"layer.0.hidden": actual["normalized"]}, texts[0], model_path=small_folder)
    with pytest.raises(ValueError, match="expected intermediates, got none"):
        diagnose_trace({}, texts[0], model_path=small_folder)
