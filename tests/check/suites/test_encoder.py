"""The encoder suite passes sentence-transformers' vectors, and each fault of behaviour fails its own case."""

import re
import time

import numpy as np
import pytest
from imitations import encode, target

from refimpl import golden
from refimpl.check.result import Status
from refimpl.check.runner import all_cases, check
from refimpl.check.suites import SUITES
from refimpl.check.suites.base import Settings
from refimpl.check.targets.base import TargetError
from refimpl.compare.tolerance import named

FLOAT32 = Settings(named("float32"), diagnose=False)


def failed(function, tolerance="float32", patterns=()):
    result = check(target(function), ["encoder"], Settings(named(tolerance), diagnose=False), patterns)
    return {one.case.name: one for one in result if not one.ok}


def test_sentence_transformers_float32_passes_every_case():
    result = check(target(), ["encoder"], FLOAT32)
    assert [str(one) for one in result if one.status is not Status.passed] == []
    assert len(list(result)) == 71 + 13
    assert result.ok


def test_each_golden_text_is_a_case_with_its_reason():
    cases = all_cases(SUITES["encoder"], FLOAT32)
    assert {case.name: case.reason for case in cases[:71]} == golden.reasons()
    assert all(case.reason for case in cases)
    assert len({case.name for case in cases}) == len(cases)


def test_one_wrong_entry_fails_only_its_text_with_a_distance_in_units_of_the_tolerance():
    def off(texts):
        vectors = encode(texts).copy()
        vectors[[text == golden.texts()["paragraph"] for text in texts], 7] += 5e-5
        return vectors

    results = failed(off, patterns=["*a*"])
    assert set(results) == {"paragraph"}
    assert results["paragraph"].distance == pytest.approx(50, abs=1)
    assert "at index 7: got" in results["paragraph"].message
    assert failed(off, "float16") == {}


class Batching:
    """Encoders where the texts of one call affect each other."""

    def padding_pooled(self, texts):
        return encode(texts) + 1e-4 * (len(texts) > 1 and max(map(len, texts)) > 500)

    def batch(self, texts):
        return encode(texts) + 1e-4 * (len(texts) == 4)

    def sorted_by_length(self, texts):
        return encode(sorted(texts, key=len))

    def each_text_once(self, texts):
        return encode(list(dict.fromkeys(texts)))

    def at_most_64(self, texts):
        return encode(texts[:64])


@pytest.mark.parametrize(
    ("fault", "case"),
    [
        ("padding_pooled", "padding-invariance"),
        ("batch", "batch-invariance"),
        ("sorted_by_length", "order-invariance"),
        ("each_text_once", "doubled-texts"),
        ("at_most_64", "many-texts"),
    ],
)
def test_faults_between_texts_fail_their_case(fault, case):
    assert case in failed(getattr(Batching(), fault), patterns=[case])


def test_faults_in_time_fail_their_case():
    calls = iter(range(1000))
    assert "determinism" in failed(lambda texts: encode(texts) + 1e-4 * (next(calls) % 2), patterns=["determinism"])
    shared = {}

    def one_buffer(texts):
        shared["texts"] = texts
        time.sleep(0.02)
        return encode(shared["texts"])

    assert "concurrency" in failed(one_buffer, patterns=["concurrency"])


def test_no_cause_is_searched_for_vectors_that_differ_at_each_call():
    random = np.random.default_rng(2)
    noisy = target(lambda texts: encode(texts) + random.normal(0, 1e-3, (len(texts), 384)))
    diagnosis = check(noisy, ["encoder"], Settings(FLOAT32.tolerance), ["question"]).suites[0].diagnosis
    assert diagnosis is not None
    assert diagnosis.startswith("not deterministic, so that no cause is searched (two calls differ by up to 0.0")
    assert diagnosis.endswith("dropout left on, or noise")


def test_what_is_kept_from_one_call_to_the_next_is_no_noise():
    calls = iter(range(5, 1000))

    def first_vector_changes(texts):
        vectors = np.array(encode(texts))
        vectors[0] *= 1 + 0.01 * next(calls)
        return vectors

    diagnosis = check(target(first_vector_changes), ["encoder"], Settings(FLOAT32.tolerance), ["question"]).suites[0]
    assert "1 of 8 vectors changed, the first of text 0 of the call; the others stay" in str(diagnosis.diagnosis)


def test_vectors_that_are_never_finite_are_deterministic():
    def long_ones_fail(texts):
        vectors = encode(texts)
        vectors[[len(text) > 800 for text in texts]] = np.nan
        return vectors

    diagnosis = check(target(long_ones_fail), ["encoder"], Settings(FLOAT32.tolerance)).suites[0].diagnosis
    assert "deterministic" not in str(diagnosis)
    assert "vectors are not finite, those of" in str(diagnosis)


def test_length_neighbours_and_nan():
    assert "unit-length" in failed(lambda texts: encode(texts) * 1.001, patterns=["unit-length"])
    assert "neighbours" in failed(lambda texts: np.roll(encode(texts), 3, axis=0), patterns=["neighbours"])
    results = failed(
        lambda texts: np.full((len(texts), 384), np.nan), patterns=["question", "unit-length", "determinism"]
    )
    assert set(results) == {"question", "unit-length"}  # NaN each time is deterministic


def test_answers_of_another_form_fail():
    results = failed(lambda texts: [[1.0, 2.0]] * len(texts), patterns=["question"])
    assert results["form"].message.startswith("every vector has 2 numbers, expected 384: another model")
    results = failed(lambda texts: ["abc"] * len(texts), patterns=["question"])
    assert "such as 'abc'" in results["form"].message


def test_a_refused_empty_text_is_allowed_and_a_refused_other_is_not():
    def refusing(texts):
        if any(not text.strip() or text == golden.texts()["emoji"] for text in texts):
            raise ValueError("no such text, please")
        return encode(texts)

    result = {one.case.name: one for one in check(target(refusing), ["encoder"], FLOAT32, ["e*", "question"])}
    assert result["empty"].status is Status.passed
    assert result["empty"].message.startswith("refused, which is allowed: imitation raised ValueError: no such")
    assert result["emoji"].status is Status.error  # and the others are run alone
    assert result["question"].status is Status.passed


def test_a_target_that_is_gone_is_in_error_everywhere():
    def gone(texts):
        raise OSError("connection refused")

    result = check(target(gone), ["encoder"], FLOAT32, ["question", "determinism", "unit-length"])
    statuss = {one.case.name: one.status for one in result}
    assert statuss == {"question": Status.error, "determinism": Status.error, "unit-length": Status.failed}
    assert not result.ok


class Recorded:
    """A target that has the answers to the golden inputs only, as a file."""

    name, traits = "recorded", frozenset()

    def tasks(self):
        return frozenset({"embed"})

    def run(self, task, inputs):
        if len(inputs) != 71:
            raise TargetError("a file")
        return list(encode(inputs))


def test_a_file_is_compared_by_its_golden_texts_and_the_rest_is_skipped():
    result = check(Recorded(), ["encoder"], FLOAT32)
    assert (result.count(Status.passed), result.count(Status.skipped)) == (73, 11)
    assert result.ok


@pytest.mark.parametrize("tolerance", ["int8", "quantised-ranking"])
def test_truncation_at_another_length_fails_at_any_precision(tolerance):
    texts = golden.texts()

    def longer(given):
        """The text of 602 tokens gets a little of another vector, as if more of it was read."""
        shift = np.array([[0.02 * (text == texts["tokens-602"])] for text in given])
        return np.round((encode(given) + shift * encode([texts["question"]])) * 127) / 127

    assert set(failed(longer, tolerance, ["tokens-602", "equal-tokens"])) == {"equal-tokens"}
    assert failed(lambda given: np.round(encode(given) * 127) / 127, tolerance, ["equal-tokens"]) == {}


def test_quantised_vectors_are_compared_by_direction_and_neighbours():
    def three_bits(texts):
        return np.round(encode(texts) * 40) / 40

    assert len(failed(three_bits, "float32")) > 60
    assert failed(three_bits, "quantised-ranking", ["*a*", "neighbours"]) == {}
    results = failed(lambda texts: encode(texts)[:, ::-1], "quantised-ranking", ["question", "neighbours"])
    assert set(results) == {"question"}  # neighbours stay neighbours in a mirror


@pytest.mark.parametrize("tolerance", ["float32", "int8", "quantised-ranking"])
def test_another_vector_of_blank_texts_fails_at_any_precision(tolerance):
    def blank(texts):
        return encode(["no text" if text.isspace() else text for text in texts])

    assert "empty-and-blank" in failed(blank, tolerance, ["empty-and-blank"])


@pytest.mark.parametrize("tolerance", ["float32", "int8"])
@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("other-white-space", lambda text: re.sub(r"[^\S\t\n\r ]", "x", text)),
        ("long-words", lambda text: re.sub(r"\S+", lambda word: word[0][:50] if len(word[0]) > 100 else word[0], text)),
        ("long-words", lambda text: " ".join("\U0010fffd" if len(w.encode()) > 100 else w for w in text.split(" "))),
    ],
)
def test_words_of_other_white_space_or_of_many_bytes_fail_at_any_precision(name, change, tolerance):
    """Such words are in no golden text; 100 Cyrillic letters are 200 bytes."""
    assert failed(lambda texts: encode([change(text) for text in texts]), tolerance, [name]).keys() == {name}


def test_a_server_may_refuse_empty_texts():
    def refusing(texts):
        if not all(text.strip() for text in texts):
            raise ValueError("a text is empty")
        return encode(texts)

    assert failed(refusing, patterns=["empty-and-blank", "empty", "space"]) == {}


def test_the_time_of_a_call_is_shared_by_its_golden_cases():
    def slow(texts):
        time.sleep(0.05)
        return encode(texts)

    result = check(target(slow), ["encoder"], FLOAT32, ["tokens-*"])
    seconds = [one.seconds for one in result]
    assert min(seconds) > 0
    assert sum(seconds) <= result.seconds
