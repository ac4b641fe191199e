"""The queries on which systems differ most, by hand."""

from refimpl.search.contrasts import contrasts
from refimpl.search.documents import Documents
from refimpl.search.plan import LoadedDataset
from refimpl.search.records import SearchResults

TEXTS = {"d1": "one", "d2": "two " * 100, "d3": "three"}
QUERIES = {f"q{i}": f"query {i}" for i in range(6)}
DATASET = LoadedDataset(
    "toy", "", Documents.of(list(TEXTS), list(TEXTS.values())), QUERIES, {q: {"d1": 2, "d3": 0} for q in QUERIES}
)
A = {"q0": 0.1, "q1": 0.9, "q2": 0.5, "q3": 0.8, "q4": 0.25, "q5": 0.0}
B = {"q0": 0.6, "q1": 0.2, "q2": 0.5, "q3": 0.2, "q4": 0.5, "q5": 0.75}
HITS = {
    "a": SearchResults([["d1", "d2"]] * 6, [[2.0, 1.0]] * 6),
    "b": SearchResults([["d3"]] * 5 + [[]], [[1.0]] * 5 + [[]]),
}


def test_the_largest_differences_in_both_directions_with_hits_and_grades():
    found = contrasts({"a": A, "b": B}, HITS, DATASET)
    assert [one["query_id"] for one in found] == ["q1", "q3", "q5", "q0"]
    assert found[0]["values"] == {"a": 0.9, "b": 0.2}
    assert found[0]["hits"]["b"] == [{"id": "d3", "text": "three", "relevance": 0}]
    first, second = found[0]["hits"]["a"]
    assert (first["relevance"], second["relevance"]) == (2, None)
    assert (len(second["text"]), second["text"][-1]) == (100, "…")
    assert found[2]["hits"]["b"] == []


def test_equal_systems_have_no_contrasts():
    assert contrasts({"a": A, "b": A}, HITS, DATASET) == []
    assert contrasts({"a": A}, HITS, DATASET) == []
