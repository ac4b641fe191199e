"""Real implementations under `check`: each passes under the class that its arithmetic belongs to, and no finer one."""

import numpy as np
import pytest

from refimpl import models
from refimpl.oracle.check import check
from refimpl.oracle.outcome import Check
from refimpl.oracle.subjects.python import PythonSubject
from refimpl.oracle.suites.base import Settings
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
    print("float32", worst(found))


def test_half_precision_passes_as_float16_and_not_as_float32(sentence_transformer):
    import copy

    half = copy.deepcopy(sentence_transformer).half()

    def encode(texts):
        return half.encode(texts, normalize_embeddings=True).astype(np.float32)

    found = outcome(encode, "float16")
    assert [(one.case.name, one.message) for one in found if not one.ok] == []
    print("float16", worst(found, "neighbours"))
    assert not outcome(encode, "float32", ["question"]).ok


def test_dynamic_int8_passes_as_int8_and_not_as_float16(sentence_transformer):
    import copy

    import torch

    quantised = torch.ao.quantization.quantize_dynamic(
        copy.deepcopy(sentence_transformer), {torch.nn.Linear}, dtype=torch.qint8
    )

    def encode(texts):
        return quantised.encode(texts, normalize_embeddings=True)

    found = outcome(encode, "int8")
    assert [(one.case.name, one.message) for one in found if not one.ok] == []
    print("int8", worst(found, "neighbours"))
    assert not outcome(encode, "float16", ["question"]).ok


def test_signs_alone_pass_as_quantised_ranking_no_more():
    from refimpl.oracle.suites.encoder import expected_vectors

    vectors = expected_vectors()
    steps = np.round(vectors / 0.08).clip(-1, 1)  # three values an entry
    from refimpl.oracle.judge import judge_neighbours, judge_vector

    allowed = named("quantised-ranking")
    names = [str(i) for i in range(len(vectors))]
    found = [judge_vector(a, b, allowed).distance for a, b in zip(steps, vectors, strict=True)]
    print("ternary", max(found), judge_neighbours(names, steps, vectors, allowed).message)
