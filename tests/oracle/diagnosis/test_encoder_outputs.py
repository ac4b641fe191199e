"""Token ids, intermediates, SPLADE rows and rerank scores of an independent BERT with faults."""

import math

import numpy as np
import pytest
from faulty_bert import FaultyBert

from refimpl.oracle.diagnosis import diagnose_rerank, diagnose_splade, diagnose_tokens, diagnose_trace

QUERY = "Which PLANET is red?"
DOCUMENTS = [
    "Mars is red; its soil holds iron oxide, say those who looked, and they looked for a long time indeed.",
    "Venus is hot.",
    "Ein größerer Café, naïve",
    "planets orbit a star",
]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def pair_ids(bert, query, document, room=24, cut="longest"):
    """[CLS] query [SEP] document [SEP], and segments."""
    bert.f.special, bert.f.max_length = "", 999
    a, b = bert.ids([query, document])
    while len(a) + len(b) > room - 3:
        (a if cut == "longest" and len(a) > len(b) else b).pop()
    bert.longest = room
    return [101, *a, 102, *b, 102], [0] * (len(a) + 2) + [1] * (len(b) + 1)


def scores(folder, finish=lambda x: x, head="pooler", segments="own", swapped=False, **faults):
    bert, found = FaultyBert(folder, **faults), []
    for document in DOCUMENTS:
        texts = (document, QUERY) if swapped else (QUERY, document)
        ids, types = pair_ids(bert, *texts)
        types = {"own": types, "zero": [0] * len(types), "swapped": [1 - t for t in types]}[segments]
        first = bert.hidden(ids, types)[0][0]
        dense = bert._affine(first, "pooler.dense")
        first = {"pooler": np.tanh(dense), "none": first, "no tanh": dense}[head]
        found.append(bert._affine(first, "classifier")[0])
    return finish(np.array(found))


RERANK = {
    "segment ids zero": {"segments": "zero"},
    "segment ids swapped": {"segments": "swapped"},
    "document first": {"swapped": True},
    "no pooler": {"head": "none"},
    "pooler without tanh": {"head": "no tanh"},
    "sigmoid": {"finish": sigmoid},
    "softmax over documents": {"finish": lambda x: np.exp(x) / np.exp(x).sum()},
    "best first": {"finish": lambda x: np.sort(x)[::-1]},
    "reversed order": {"finish": lambda x: x[::-1]},
    "tanh GELU": {"act": "tanh"},
}
RERANK_PAIRS = [
    ("segment ids zero", "tanh GELU"),
    ("segment ids zero", "sigmoid"),
    ("no pooler", "segment ids zero"),
    ("document first", "sigmoid"),
]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("names", [*((n,) for n in RERANK), *RERANK_PAIRS], ids=" + ".join)
def test_rerank_faults_are_named(small_folder, names):
    changes = {}
    for name in names:
        changes |= RERANK[name]
    diagnosis = diagnose_rerank(scores(small_folder, **changes), QUERY, DOCUMENTS, small_folder, tolerance=1e-9)
    assert diagnosis.causes, str(diagnosis)
    assert set(diagnosis.causes[0].names) == set(names), str(diagnosis)
    assert diagnosis.causes[0].explains_all


def test_right_rerank_scores_match(small_folder):
    assert diagnose_rerank(scores(small_folder), QUERY, DOCUMENTS, small_folder, tolerance=1e-12).matches


def splade(folder, texts, reduce=np.max, saturate=lambda x: np.log1p(np.maximum(x, 0)), **faults):
    bert, rows = FaultyBert(folder, **faults), []
    for ids in bert.ids(texts):
        x, real = bert.hidden(ids)
        used = x[real] if bert.f.mask_pooling else x
        erf = np.vectorize(lambda t: 0.5 * t * math.erfc(-t / math.sqrt(2)))
        act = (
            erf if bert.f.act == "erf" else lambda t: t / 2 * (1 + np.tanh(0.7978845608028654 * (t + 0.044715 * t**3)))
        )
        head = bert._norm(
            act(bert._affine(used, "cls.predictions.transform.dense")), "cls.predictions.transform.LayerNorm"
        )
        logits = head @ bert.w["embeddings.word_embeddings.weight"].T + bert.w["cls.predictions.bias"]
        rows.append(reduce(saturate(logits), axis=0))
    return np.array(rows)


SPLADE = {
    "maximum over padding, padded to the longest": {"pad_to": -1, "mask_pooling": False},
    "sum for maximum": {"reduce": np.sum},
    "no log1p": {"saturate": lambda x: np.maximum(x, 0)},
    "log base 2": {"saturate": lambda x: np.log2(1 + np.maximum(x, 0))},
    "tanh GELU": {"act": "tanh"},
    "cased tokens": {"lower": False},
}


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "names", [*((n,) for n in SPLADE), ("sum for maximum", "no log1p"), ("no log1p", "cased tokens")], ids=" + ".join
)
def test_splade_faults_are_named(small_folder, texts, names):
    changes = {}
    for name in names:
        changes |= SPLADE[name]
    given = splade(small_folder, texts[:5], **changes)
    diagnosis = diagnose_splade(given, texts[:5], model_path=small_folder, tolerance=1e-9)
    assert diagnosis.causes, str(diagnosis)
    assert set(diagnosis.causes[0].names) == set(names), str(diagnosis)


def test_right_splade_rows_match(small_folder, texts):
    given = splade(small_folder, texts[:5])
    assert diagnose_splade(given, texts[:5], model_path=small_folder, tolerance=1e-9).matches


@pytest.mark.parametrize(
    ("fault", "changes"),
    [
        ("no special tokens", {"special": ""}),
        ("no [SEP]", {"special": "[CLS]"}),
        ("cased tokens", {"lower": False}),
        ("accents kept", {"accents": False}),
        ("Han not split", {"han": False}),
        ("truncation at 128", {"max_length": 128}),
        ("truncation at 512", {"max_length": 512}),
        ("prefix 'query: '", {"prefix": "query: "}),
    ],
)
def test_token_faults_are_named(small_folder, texts, fault, changes):
    diagnosis = diagnose_tokens(FaultyBert(small_folder, **changes).ids(texts), texts, model_path=small_folder)
    assert diagnosis.causes[0].names == (fault,), str(diagnosis)
    assert diagnosis.causes[0].explains_all
    assert "text" in diagnosis.first_departure


def test_right_token_ids_match_and_padding_is_seen(small_folder, texts):
    ids = FaultyBert(small_folder).ids(texts)
    assert diagnose_tokens(ids, texts, model_path=small_folder).matches
    longest = max(map(len, ids))
    padded = [each + [0] * (longest - len(each)) for each in ids]
    assert diagnose_tokens(padded, texts, model_path=small_folder).causes[0].names == ("padding kept",)
    with pytest.raises(ValueError, match="a list of ids for each of 6 texts, got 5"):
        diagnose_tokens(ids[:5], texts, model_path=small_folder)


def walk(folder, text, **faults):
    """Hidden states after each layer, then the vector, by the trace's names."""
    bert = FaultyBert(folder, **faults)
    (ids,) = bert.ids([text])
    stages = {}
    for layers in range(4):
        bert.f.layers = layers
        name = f"layer.{layers - 1}.hidden_states" if layers else "embeddings.hidden_states"
        stages[name] = bert.hidden(ids)[0]
    return stages | {"normalized": bert.vector(ids)}


@pytest.mark.parametrize(
    ("fault", "changes", "first"),
    [
        ("tanh GELU", {"act": "tanh"}, "layer.0.hidden_states, by"),
        ("positions off by one", {"first_position": 1}, "embeddings.hidden_states, by"),
        ("query and key swapped", {"swap": ("query", "key")}, "layer.0.hidden_states, by"),
        ("no normalisation", {"norm": "none"}, "normalized, by"),
        ("no special tokens", {"special": ""}, r"embeddings.hidden_states, of shape"),
    ],
)
@pytest.mark.usefixtures("quick")
def test_the_first_stage_that_departs_and_why(small_folder, texts, fault, changes, first):
    given = walk(small_folder, texts[0], **changes)
    diagnosis = diagnose_trace(given, texts[0], model_path=small_folder, tolerance=1e-9)
    assert diagnosis.first_departure.startswith(first)
    assert diagnosis.causes[0].names == (fault,), str(diagnosis)


def test_right_intermediates_match_and_wrong_names_are_refused(small_folder, texts):
    given = walk(small_folder, texts[0])
    assert diagnose_trace(given, texts[0], model_path=small_folder, tolerance=1e-11).matches
    with pytest.raises(ValueError, match=r"no intermediate called 'layer.0.hidden'; near it are layer.0"):
        diagnose_trace({"layer.0.hidden": given["normalized"]}, texts[0], model_path=small_folder)
    with pytest.raises(ValueError, match="given holds no intermediates"):
        diagnose_trace({}, texts[0], model_path=small_folder)
