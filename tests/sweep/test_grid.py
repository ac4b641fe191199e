import pytest

from refimpl.search.indexes import Index
from refimpl.sweep.grid import GRIDS, combinations, parse_grids


def test_every_combination_of_the_values_is_a_point():
    assert combinations({}) == [{}]
    assert combinations({"a": (1, 2), "b": (3, 4)}) == [
        {"a": 1, "b": 3},
        {"a": 1, "b": 4},
        {"a": 2, "b": 3},
        {"a": 2, "b": 4},
    ]


def test_overrides_replace_the_values_of_their_parameters():
    flat, hnsw = parse_grids(["flat", " HNSW"], ["hnsw:M=4, 8;ef=20", "hnsw:efConstruction=64"])
    assert flat is GRIDS["flat"]
    assert [index.build for index in hnsw.indexes()] == [
        {"M": 4, "efConstruction": 64},
        {"M": 8, "efConstruction": 64},
    ]
    assert hnsw.searches(hnsw.indexes()[0], 10) == [{"ef": 20}]
    assert hnsw.indexes()[0].label == "HNSW M=4 efConstruction=64"
    (sparse,) = parse_grids(["sparse_wand"], ["sparse_wand:drop_ratio_search=0.5"])
    assert sparse.searches(Index("SPARSE_WAND"), 10) == [{"drop_ratio_search": 0.5}]


def test_values_that_milvus_rejects_are_raised_or_lowered_to_its_limits_once():
    (hnsw,) = parse_grids(["hnsw"], ["hnsw:ef=10,50,200"])
    assert hnsw.searches(hnsw.indexes()[0], 100) == [{"ef": 100}, {"ef": 200}]  # ef must be at least k
    (ivf,) = parse_grids(["ivf_flat"], ["ivf_flat:nlist=16;nprobe=4,64,128"])
    assert ivf.searches(ivf.indexes()[0], 100) == [{"nprobe": 4}, {"nprobe": 16}]


@pytest.mark.parametrize(
    ("names", "overrides", "message"),
    [
        (["hnsw", "nsw"], [], "index must be distinct names of flat, hnsw, .* got hnsw,nsw"),
        (["hnsw", "HNSW"], [], "index must be distinct names"),
        (["hnsw"], ["ivf_flat:nlist=2"], "grid must begin with one of hnsw and a colon, got 'ivf_flat:nlist=2'"),
        (["hnsw"], ["M=2"], "grid must begin with one of hnsw"),
        (["hnsw"], ["hnsw:nlist=2"], "hnsw has M, efConstruction, ef, got 'nlist'"),
        (["flat"], ["flat:M=2"], "flat has no parameters, got 'M'"),
        (["hnsw"], ["hnsw:M=many"], "M must be numbers separated by commas, got 'many'"),
    ],
)
def test_an_invalid_grid_raises_with_the_valid_names(names, overrides, message):
    with pytest.raises(ValueError, match=message):
        parse_grids(names, overrides)
