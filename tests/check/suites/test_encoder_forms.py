"""Vectors of another form are named in one sentence; those that can be decoded are compared."""

import base64

import numpy as np
import pytest

from refimpl import golden
from refimpl.check.result import Status
from refimpl.check.runner import check
from refimpl.check.suites.base import Settings
from refimpl.check.suites.encoder import expected_vectors
from refimpl.check.suites.encoder_forms import other_form, projection
from refimpl.check.targets.base import UnsupportedError
from refimpl.compare.tolerance import named


class Answers:
    """Transforms the golden vectors, as a file of answers: no other input is answered."""

    traits: frozenset[str] = frozenset()
    name = "transformed"

    def __init__(self, transform) -> None:
        self.vectors = dict(zip(golden.texts().values(), expected_vectors(), strict=True))
        self.transform = transform

    def tasks(self):
        return frozenset({"embed"})

    def run(self, task, inputs):
        if any(text not in self.vectors for text in inputs):
            raise UnsupportedError("another text")
        return [self.transform(self.vectors[text]) for text in inputs]


def by_dimension(vectors):
    """Calibrated ranges of each dimension, as sentence_transformers.quantize_embeddings computes uint8."""
    low, high = expected_vectors().min(axis=0), expected_vectors().max(axis=0)
    return ((vectors - low) / ((high - low) / 255)).astype(np.uint8)


def base64_of(vector):
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()


FORMS = {
    "first": (lambda v: v[:256], "256 numbers, expected 384: the first 256 of 384 dimensions (truncate_dim)"),
    "first, unit": (lambda v: v[:128] / np.linalg.norm(v[:128]), "the first 128 of 384 dimensions, scaled anew"),
    "last": (lambda v: v[-64:], "the last 64 of 384 dimensions"),
    "twice": (lambda v: [*v[::-1], *v], "numbers 384 to 767 are the expected ones"),
    "projected": (lambda v: v[:128] + v[128:256], "128 numbers, expected 384: another model, or vectors"),
    "int8": (lambda v: np.round(v * 127).astype(np.int8), "the expected vectors times 127, rounded"),
    "own scale": (lambda v: np.round(v * 127 / abs(v).max()), "times a scale of its own"),
    "ranges": (by_dimension, "each dimension has a scale"),
    "other integers": (lambda v: np.round(v[::-1] * 127), "by no scale the expected vectors"),
    "packed": (lambda v: np.packbits(v > 0), "384 bits, packed into 48 bytes (uint8): 100.00% of the bits"),
    "packed int8": (
        lambda v: (np.packbits(v > 0).astype(int) - 128).tolist(),
        "packed into 48 bytes (int8, bytes less 128): 100.00%",
    ),
    "packed, other order": (lambda v: np.packbits(v > 0, bitorder="little"), "of the bits are those of the expected"),
    "bits": (lambda v: (v > 0).astype(int), "every number is 0 or 1, a bit: 100.00%"),
    "base64": (base64_of, "every answer is base64 of 384 float32: decode it"),
    "text": (lambda v: "a vector", "every answer is a string, such as 'a vector'"),
    "entries": (lambda v: [f"{x:.6f}" for x in v], "the entries are strings"),
    "object": (lambda v: {"embedding": v.tolist()}, "an object with 'embedding': return its list of 384 numbers"),
    "nested": (lambda v: [v], "every vector is in a list of its own"),
    "tokens": (lambda v: [v, v, v], "one vector per token (3 to 3 of 384 numbers)"),
}


@pytest.mark.parametrize("name", FORMS)
def test_another_form_is_one_failure_with_one_sentence(name):
    transform, sentence = FORMS[name]
    result = check(Answers(transform), ["encoder"], Settings(named("float32")))
    failed = [one for one in result if one.status is Status.failed]
    assert [one.case.name for one in failed] == ["form"]
    assert sentence in failed[0].message
    assert result.count(Status.error) == 0
    assert result.suites[0].diagnosis is None


@pytest.mark.parametrize("transform", [lambda v: v, lambda v: v[::-1], np.zeros_like, lambda v: v * np.nan, np.round])
def test_vectors_of_the_expected_form_are_compared(transform):
    result = check(Answers(transform), ["encoder"], Settings(named("float32"), diagnose=False))
    assert "form" not in [one.case.name for one in result]


def test_texts_without_a_common_form_are_compared():
    first, second, *_ = expected_vectors()
    names = list(golden.texts())[:2]
    assert other_form({names[0]: first[:5], names[1]: second}, dict.fromkeys(names, first)) is None


@pytest.mark.parametrize(("name", "tolerance"), [("int8", "int8"), ("own scale", "int8"), ("ranges", "int8")])
def test_integers_are_compared_where_the_tolerance_is_for_them(name, tolerance):
    result = check(Answers(FORMS[name][0]), ["encoder"], Settings(named(tolerance), diagnose=False))
    assert result.ok, [one.message for one in result if not one.ok]


@pytest.mark.parametrize("name", ["packed", "packed int8", "bits"])
def test_bits_are_compared_by_ranking(name):
    result = check(Answers(FORMS[name][0]), ["encoder"], Settings(named("quantised-ranking"), diagnose=False))
    assert result.ok, [one.message for one in result if not one.ok]
    flipped = check(Answers(lambda v: FORMS[name][0](-v)), ["encoder"], Settings(named("quantised-ranking")))
    assert not flipped.ok


def test_a_projection_is_confirmed_on_texts_that_it_is_not_fitted_to():
    random = np.random.default_rng(3)
    truth, matrix = random.normal(size=(100, 20)), random.normal(size=(20, 8))
    sentence = projection(truth @ matrix + 1, truth)
    assert sentence is not None
    assert "8 numbers, expected 20: a linear projection of rank 8" in sentence
    assert projection(np.tanh(truth @ matrix), truth) is None
    assert projection((truth @ matrix)[:24], truth[:24]) is None  # as many texts as unknowns: any vectors would fit
