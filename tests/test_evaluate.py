import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.evaluate import evaluate, randomisation_test, read_run, write_run

# worked by hand: ranks of the relevant documents are 1 (gain 1) and 3 (gain 2) of 3 relevant with gains 2, 1, 1
QRELS = {"q1": {"a": 1, "c": 2, "z": 1, "n": 0}, "q2": {"x": 1}}
RUN = {"q1": {"a": 3.0, "b": 2.0, "c": 1.0}, "q2": {"y": 2.0, "x": 1.0}}


def test_the_four_measures_as_computed_by_hand():
    found = evaluate(RUN, QRELS)
    ideal = 2 / math.log2(2) + 1 / math.log2(3) + 1 / math.log2(4)
    assert found.per_query["nDCG@10"]["q1"] == pytest.approx((1 + 2 / math.log2(4)) / ideal, abs=1e-9)
    assert found.per_query["recall@100"] == pytest.approx({"q1": 2 / 3, "q2": 1.0}, abs=1e-9)
    assert found.per_query["MRR@10"] == {"q1": 1.0, "q2": 0.5}
    assert found.per_query["MAP"]["q1"] == pytest.approx((1 / 1 + 2 / 3) / 3, abs=1e-9)
    assert found.mean["MAP"] == pytest.approx(((1 + 2 / 3) / 3 + 0.5) / 2, abs=1e-9)


def test_queries_without_an_answer_count_as_nought_and_unjudged_ones_not_at_all():
    qrels = QRELS | {"q3": {"x": 1}, "q4": {"x": 0}}
    found = evaluate(RUN | {"q4": {"x": 1.0}, "q9": {"a": 1.0}}, qrels)
    assert set(found.per_query["MAP"]) == {"q1", "q2", "q3", "q4"}
    assert found.per_query["nDCG@10"]["q3"] == found.per_query["nDCG@10"]["q4"] == 0.0
    assert found.mean["MRR@10"] == 1.5 / 4


def test_cut_offs_bite():
    run = {"q": {f"d{i:03d}": 200.0 - i for i in range(200)}}
    assert evaluate(run, {"q": {"d009": 1}}).mean["MRR@10"] == 0.1
    assert evaluate(run, {"q": {"d010": 1}}).mean["MRR@10"] == 0.0
    assert evaluate(run, {"q": {"d010": 1}}).mean["nDCG@10"] == 0.0
    assert evaluate(run, {"q": {"d099": 1, "d100": 1}}).mean["recall@100"] == 0.5


@pytest.mark.parametrize("score", [math.nan, math.inf])
def test_a_score_that_is_not_finite_names_query_and_document(score, tmp_path):
    with pytest.raises(ValueError, match=r"query 'q', document 'd': the score must be finite"):
        evaluate({"q": {"d": score}}, {"q": {"d": 1}})
    with pytest.raises(ValueError, match="finite"):
        write_run({"q": {"d": score}}, tmp_path / "run", "t")


def test_no_judgements_is_an_error():
    with pytest.raises(ValueError, match="nothing to judge"):
        evaluate(RUN, {})


def by_query(values):
    return {f"q{i}": float(value) for i, value in enumerate(values)}


def exact_p(differences):
    """Every assignment of signs, counted one by one."""
    observed = abs(np.mean(differences))
    flips = itertools.product((1, -1), repeat=len(differences))
    means = [abs(np.mean(np.multiply(signs, differences))) for signs in flips]
    return sum(mean >= observed - 1e-12 for mean in means) / len(means)


def test_the_randomisation_test_agrees_with_counting_every_flip():
    rng = np.random.default_rng(5)
    for size in (2, 5, 9):
        a, b = rng.random(size) + 0.2, rng.random(size)
        found = randomisation_test(by_query(a), by_query(b))
        assert found.p_value == pytest.approx(exact_p(a - b), abs=1e-12)
        assert found.difference == pytest.approx(float(np.mean(a - b)), abs=1e-12)


def test_under_the_null_small_p_values_are_as_rare_as_they_say():
    rng = np.random.default_rng(11)
    samples = rng.normal(size=(200, 12))
    p = [randomisation_test(by_query(row), by_query(np.zeros(12))).p_value for row in samples]
    assert 0.01 <= np.mean(np.array(p) <= 0.05) <= 0.10


def test_equal_systems_do_not_differ_and_the_seed_makes_it_repeatable():
    values = {str(i): i / 40 for i in range(40)}
    assert randomisation_test(values, values).p_value == 1.0
    other = {k: v * 0.9 + 0.01 * (int(k) % 3) for k, v in values.items()}
    assert randomisation_test(values, other, seed=3) == randomisation_test(values, other, seed=3)


def test_unpaired_queries_are_refused():
    with pytest.raises(ValueError, match="same queries; 2 differ, first 'a'"):
        randomisation_test({"a": 1.0, "c": 0.0}, {"b": 1.0, "c": 0.0})
    with pytest.raises(ValueError, match="at least two"):
        randomisation_test({"a": 1.0}, {"a": 0.0})


ids = st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"]), min_size=1, max_size=6)
scores = st.floats(allow_nan=False, allow_infinity=False)


@given(st.dictionaries(ids, st.dictionaries(ids, scores, min_size=1, max_size=5), max_size=4))
def test_a_run_file_reads_back_exactly(tmp_path_factory, run):
    path = tmp_path_factory.mktemp("run") / "run.trec"
    write_run(run, path, "tag")
    assert read_run(path) == run


def test_a_run_file_is_trecs(tmp_path):
    write_run({"q": {"low": 0.1, "high": 2.0}}, tmp_path / "r", "sys")
    assert (tmp_path / "r").read_text() == "q Q0 high 1 2.0 sys\nq Q0 low 2 0.1 sys\n"
    import ir_measures

    assert [tuple(hit)[:3] for hit in ir_measures.read_trec_run(str(tmp_path / "r"))] == [
        ("q", "high", 2.0),
        ("q", "low", 0.1),
    ]


@pytest.mark.parametrize("bad", ["two words", "", "a\tb", "x\n"])
def test_an_id_that_trec_cannot_carry_is_refused(tmp_path, bad):
    with pytest.raises(ValueError, match="white space"):
        write_run({"q": {bad: 1.0}}, tmp_path / "r", "t")


@pytest.mark.parametrize("line", ["q Q0 d 1 0.5", "q Q0 d 1 half t", "q Q0 a 1 0.5 t"])
def test_a_malformed_run_line_is_named(tmp_path, line):
    (tmp_path / "r").write_text("q Q0 a 1 0.9 t\n" + line + "\n")
    with pytest.raises(ValueError, match="line 2"):
        read_run(tmp_path / "r")
