"""Synthetic BM25s with 1 to 5 unusual factors: what is identified is what they were made of, or undetermined."""

import pytest
from bm25_truth import truth
from bm25_zoo import GROUPS, Zoo, draw

from refimpl.check.targets.python import PythonTarget
from refimpl.identify.bm25 import measure
from refimpl.identify.features import features


def judge(factors: dict[str, str]) -> tuple[dict[str, str], dict[str, tuple[str, str]]]:
    """Features that were not determined, and those that were determined wrongly: (true, identified)."""
    measured = measure(PythonTarget(Zoo(factors), "zoo"))
    found, expected = features(measured), truth(factors)
    missing = {name: value for name, value in expected.items() if name not in found}
    wrong = {name: (value, found[name]) for name, value in expected.items() if found.get(name, value) != value}
    if "combine" not in expected and "combine" in found:
        wrong["combine"] = ("not to be known", found["combine"])
    scores = factors.get("scores", "")
    if scores.startswith("top") and measured.hits != int(scores.split()[1]):
        wrong["hits"] = (scores, str(measured.hits))
    return missing, wrong


def covering():
    """Every option of every group, each with options of other groups."""
    of = GROUPS
    yield from ({"idf": idf, "scores": of["scores"][(i + 2) % 9]} for i, idf in enumerate(of["idf"]))
    yield from ({"tf": tf, "query": of["query"][i % 6]} for i, tf in enumerate(of["tf"]))
    others = [("parameters", value) for value in of["parameters"]] + [("empty", value) for value in of["empty"]]
    yield from ({"length": length, **dict([others[i % 5]])} for i, length in enumerate(of["length"]))
    yield {"df": "occurrences"}
    yield {}


@pytest.mark.parametrize("factors", list(covering()), ids=lambda factors: ", ".join(factors.values()) or "none")
def test_every_option_is_named(factors):
    missing, wrong = judge(factors)
    assert wrong == {}
    assert missing == {}


@pytest.mark.parametrize("seed", range(4))
def test_drawn_factors_are_named(seed):
    missing, wrong = judge(draw(seed))
    assert wrong == {}
    assert missing == {}


@pytest.mark.parametrize("seed", [380, 391, 439])
def test_what_scores_do_not_show_is_not_claimed(seed):
    """A query norm divided away by the best score, a floor beyond ten hits, squashed scores without idf."""
    assert judge(draw(seed))[1] == {}


@pytest.mark.slow
def test_a_sweep_names_nearly_all_and_none_wrongly():
    missing, wrong = {}, {}
    for seed in range(100, 220):
        missing[seed], wrong[seed] = judge(draw(seed))
    assert {seed: found for seed, found in wrong.items() if found} == {}
    complete = sum(not found for found in missing.values())
    assert complete >= 0.95 * len(missing), {seed: found for seed, found in missing.items() if found}
