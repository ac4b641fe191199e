import pytest

from refimpl.sweep.front import advice, label, pareto_front


def point(recall, ms, *, correct=True, kind="dense", index="HNSW", **search):
    return {
        "kind": kind,
        "index": index,
        "build": {"M": 8},
        "search": search,
        "recall": {"10": recall},
        "correct": correct,
        "latency_ms": {"single": [ms / 2, ms, 9 * ms]},
    }


def test_the_front_has_the_points_that_no_other_beats_in_both():
    points = [point(0.9, 3), point(0.8, 1), point(0.85, 4), point(1.0, 9), point(0.8, 2), point(0.95, 3)]
    assert pareto_front(points) == [1, 5, 3]


def test_equal_points_are_there_once():
    assert pareto_front([point(0.9, 3), point(0.9, 3)]) == [0]


def test_a_wrong_point_is_never_on_the_front_however_fast():
    points = [point(1.0, 0.1, correct=False), point(0.97, 5)]
    assert pareto_front(points) == [1]
    assert advice(points).startswith("For recall@10 >= 0.95 take HNSW M=8: recall@10 0.970, 5 ms per query")


def test_kinds_of_vectors_are_not_compared():
    points = [point(1.0, 1, kind="sparse", index="SPARSE_INVERTED_INDEX"), point(0.9, 5)]
    assert pareto_front(points) == [1]
    assert pareto_front(points, "sparse") == [0]


@pytest.mark.parametrize(
    ("points", "sentence"),
    [
        (
            [point(0.94, 1, ef=8), point(0.96, 2, ef=16), point(1, 3, ef=32)],
            "For recall@10 >= 0.95 take HNSW M=8 ef=16:",
        ),
        (
            [point(0.5, 1), point(0.7, 2, ef=4)],
            "No correct dense point has recall@10 >= 0.95; the highest is HNSW M=8 ef=4",
        ),
        ([point(1, 1, correct=False)], "No dense point is correct, so none can be advised"),
    ],
)
def test_the_advice_is_the_fastest_sufficient_point(points, sentence):
    assert advice(points).startswith(sentence)


def test_a_label_has_index_build_and_search_parameters():
    assert label(point(1, 1, ef=3)) == "HNSW M=8 ef=3"
