"""Other libraries under `check`: each passes with the tolerance class of its arithmetic, and with no finer one."""

import numpy as np
import pytest

from refimpl import models
from refimpl.check.result import CheckResult
from refimpl.check.runner import check
from refimpl.check.suites.base import Settings
from refimpl.check.suites.encoder import expected_vectors
from refimpl.check.targets.python import PythonTarget
from refimpl.compare import compare_neighbours, compare_vector
from refimpl.compare.tolerance import named

pytestmark = [pytest.mark.peer, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def sentence_transformer():
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(models.path("all-MiniLM-L6-v2")), device="cpu")


def run_check(encode, tolerance: str, patterns=()) -> CheckResult:
    return check(PythonTarget(encode, "peer"), ["encoder"], Settings(named(tolerance), diagnose=False), patterns)


def worst(result: CheckResult, *without: str) -> float:
    return max(one.distance for one in result if one.distance is not None and one.case.name not in without)


def test_sentence_transformers_passes_as_float32(sentence_transformer):
    result = run_check(lambda texts: sentence_transformer.encode(texts, normalize_embeddings=True), "float32")
    assert [(one.case.name, one.message) for one in result if not one.ok] == []
    assert worst(result) < 0.5


def test_half_precision_passes_as_float16_and_not_as_float32(sentence_transformer):
    import copy

    half = copy.deepcopy(sentence_transformer).half()

    def encode(texts):
        return half.encode(texts, normalize_embeddings=True).astype(np.float32)

    result = run_check(encode, "float16")
    assert [(one.case.name, one.message) for one in result if not one.ok] == []
    assert worst(result, "neighbours") < 0.5
    assert not run_check(encode, "float32", ["question"]).ok


@pytest.mark.parametrize("by", ["tensor", "channel"])
def test_dynamic_int8_passes_as_int8_and_not_as_float16(sentence_transformer, by):
    import copy

    import torch

    how = {torch.nn.Linear: torch.ao.quantization.per_channel_dynamic_qconfig} if by == "channel" else {torch.nn.Linear}
    quantised = torch.ao.quantization.quantize_dynamic(copy.deepcopy(sentence_transformer), how, dtype=torch.qint8)

    def encode(texts):
        return quantised.encode(texts, normalize_embeddings=True)

    result = run_check(encode, "int8")
    assert [(one.case.name, one.message) for one in result if not one.ok] == []
    assert not run_check(encode, "float16", ["question"]).ok


def test_three_values_per_entry_pass_as_quantised_ranking_and_not_as_float16():
    vectors = expected_vectors()
    steps = np.round(vectors / 0.08).clip(-1, 1)
    names = [str(i) for i in range(len(vectors))]
    allowed, finer = named("quantised-ranking"), named("float16")
    assert compare_neighbours(names, steps, vectors, allowed).matches
    assert all(compare_vector("v", a, b, allowed).matches for a, b in zip(steps, vectors, strict=True))
    assert not any(compare_vector("v", a, b, finer).matches for a, b in zip(steps, vectors, strict=True))
