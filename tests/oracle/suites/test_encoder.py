"""The encoder suite passes sentence-transformers' vectors, and each fault of behaviour fails its own case."""

import time

import numpy as np
import pytest
from imitations import encode, subject

from refimpl.oracle import golden
from refimpl.oracle.check import all_cases, check
from refimpl.oracle.outcome import Verdict
from refimpl.oracle.subjects.base import SubjectError
from refimpl.oracle.suites import SUITES
from refimpl.oracle.suites.base import Settings
from refimpl.oracle.tolerance import named

FLOAT32 = Settings(named("float32"), diagnose=False)


def failed(function, tolerance="float32", patterns=()):
    outcome = check(subject(function), ["encoder"], Settings(named(tolerance), diagnose=False), patterns)
    return {one.case.name: one for one in outcome if not one.ok}


def test_sentence_transformers_float32_passes_every_case():
    outcome = check(subject(), ["encoder"], FLOAT32)
    assert [str(one) for one in outcome if one.verdict is not Verdict.passed] == []
    assert len(list(outcome)) == 61 + 9
    assert outcome.ok


def test_each_golden_text_is_a_case_with_the_reason_that_stands_beside_it():
    cases = all_cases(SUITES["encoder"], FLOAT32)
    assert {case.name: case.reason for case in cases[:61]} == golden.reasons()
    assert all(case.reason for case in cases)
    assert len({case.name for case in cases}) == len(cases)


def test_one_wrong_entry_fails_its_text_alone_and_is_told_in_units_of_the_tolerance():
    def off(texts):
        vectors = encode(texts).copy()
        vectors[[text == golden.texts()["paragraph"] for text in texts], 7] += 5e-5
        return vectors

    found = failed(off, patterns=["*a*"])
    assert set(found) == {"paragraph"}
    assert found["paragraph"].distance == pytest.approx(50, abs=1)
    assert "worst at entry 7: got" in found["paragraph"].message
    assert failed(off, "float16") == {}


class Batching:
    """Wrong in what lies between the texts of one call."""

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


def test_length_neighbours_and_numbers_that_are_none():
    assert "unit-length" in failed(lambda texts: encode(texts) * 1.001, patterns=["unit-length"])
    assert "neighbours" in failed(lambda texts: np.roll(encode(texts), 3, axis=0), patterns=["neighbours"])
    found = failed(
        lambda texts: np.full((len(texts), 384), np.nan), patterns=["question", "unit-length", "determinism"]
    )
    assert set(found) == {"question", "unit-length", "determinism"}


def test_answers_in_no_form_are_failures_that_say_so():
    found = failed(lambda texts: [[1.0, 2.0]] * len(texts), patterns=["question"])
    assert found["question"].message == "question: a vector of 384 numbers is asked, got shape (2,)"
    found = failed(lambda texts: ["abc"] * len(texts), patterns=["question"])
    assert "got 'abc'" in found["question"].message


def test_a_refused_empty_text_is_allowed_and_a_refused_other_is_not():
    def refusing(texts):
        if any(not text.strip() or text == golden.texts()["emoji"] for text in texts):
            raise ValueError("no such text, please")
        return encode(texts)

    outcome = {one.case.name: one for one in check(subject(refusing), ["encoder"], FLOAT32, ["e*", "question"])}
    assert outcome["empty"].verdict is Verdict.passed
    assert outcome["empty"].message.startswith("refused, which is allowed: imitation raised ValueError: no such")
    assert outcome["emoji"].verdict is Verdict.error  # and the others are asked alone
    assert outcome["question"].verdict is Verdict.passed


def test_a_subject_that_is_gone_is_in_error_everywhere():
    def gone(texts):
        raise OSError("connection refused")

    outcome = check(subject(gone), ["encoder"], FLOAT32, ["question", "determinism", "unit-length"])
    verdicts = {one.case.name: one.verdict for one in outcome}
    assert verdicts == {"question": Verdict.error, "determinism": Verdict.error, "unit-length": Verdict.failed}
    assert not outcome.ok


class Recorded:
    """A subject that can be asked nothing but its golden inputs, as a file."""

    name, traits = "recorded", frozenset()

    def tasks(self):
        return frozenset({"embed"})

    def ask(self, task, inputs):
        if len(inputs) != 61:
            raise SubjectError("a file")
        return list(encode(inputs))


def test_a_file_is_judged_by_its_golden_texts_and_the_rest_is_not_asked():
    outcome = check(Recorded(), ["encoder"], FLOAT32)
    assert (outcome.count(Verdict.passed), outcome.count(Verdict.not_asked)) == (63, 7)
    assert outcome.ok


def test_quantised_vectors_are_held_to_direction_and_neighbours():
    def three_bits(texts):
        return np.round(encode(texts) * 40) / 40

    assert len(failed(three_bits, "float32")) > 60
    assert failed(three_bits, "quantised-ranking", ["*a*", "neighbours"]) == {}
    found = failed(lambda texts: encode(texts)[:, ::-1], "quantised-ranking", ["question", "neighbours"])
    assert set(found) == {"question"}  # neighbours stay neighbours in a mirror
