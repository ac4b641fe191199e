"""Real implementations under `check`: each passes under the class that its arithmetic belongs to, and no finer one."""

import numpy as np
import pytest

from refimpl import models
from refimpl.oracle.check import check
from refimpl.oracle.judge import judge_neighbours, judge_vector
from refimpl.oracle.outcome import Check
from refimpl.oracle.subjects.python import PythonSubject
from refimpl.oracle.suites.base import Settings
from refimpl.oracle.suites.encoder import expected_vectors
from refimpl.oracle.tolerance import named

pytestmark = [pytest.mark.peer, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def sentence_transformer():
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(models.path("all-MiniLM-L6-v2")), device="cpu")


def outcome(encode, tolerance: str, patterns=()) -> Check:
    return check(PythonSubject(encode, "peer"), ["encoder"], Settings(named(tolerance), diagnose=False), patterns)


def worst(found: Check, *without: str) -> float:
    return max(one.distance for one in found if one.distance is not None and one.case.name not in without)


def test_sentence_transformers_passes_as_float32(sentence_transformer):
    found = outcome(lambda texts: sentence_transformer.encode(texts, normalize_embeddings=True), "float32")
    assert [(one.case.name, one.message) for one in found if not one.ok] == []
    assert worst(found) < 0.5


def test_half_precision_passes_as_float16_and_not_as_float32(sentence_transformer):
    import copy

    half = copy.deepcopy(sentence_transformer).half()

    def encode(texts):
        return half.encode(texts, normalize_embeddings=True).astype(np.float32)

    found = outcome(encode, "float16")
    assert [(one.case.name, one.message) for one in found if not one.ok] == []
    assert worst(found, "neighbours") < 0.5
    assert not outcome(encode, "float32", ["question"]).ok


@pytest.mark.parametrize("by", ["tensor", "channel"])
def test_dynamic_int8_passes_as_int8_and_not_as_float16(sentence_transformer, by):
    import copy

    import torch

    how = {torch.nn.Linear: torch.ao.quantization.per_channel_dynamic_qconfig} if by == "channel" else {torch.nn.Linear}
    quantised = torch.ao.quantization.quantize_dynamic(copy.deepcopy(sentence_transformer), how, dtype=torch.qint8)

    def encode(texts):
        return quantised.encode(texts, normalize_embeddings=True)

    found = outcome(encode, "int8")
    assert [(one.case.name, one.message) for one in found if not one.ok] == []
    assert not outcome(encode, "float16", ["question"]).ok


def test_three_values_an_entry_pass_as_quantised_ranking_and_not_as_float16():
    vectors = expected_vectors()
    steps = np.round(vectors / 0.08).clip(-1, 1)
    names = [str(i) for i in range(len(vectors))]
    allowed, finer = named("quantised-ranking"), named("float16")
    assert judge_neighbours(names, steps, vectors, allowed).ok
    assert all(judge_vector(a, b, allowed).ok for a, b in zip(steps, vectors, strict=True))
    assert not any(judge_vector(a, b, finer).ok for a, b in zip(steps, vectors, strict=True))
