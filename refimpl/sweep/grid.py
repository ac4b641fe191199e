"""Grids of index parameters: the values of each build and each search parameter, and their combinations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal

from refimpl.search.indexes import Index, Parameters

Axes = Mapping[str, tuple[int | float | str, ...]]


@dataclass(frozen=True)
class Grid:
    """An index type with the values of its build and search parameters, as Milvus' documentation names them.

    HNSW: Malkov and Yashunin 2018, https://arxiv.org/abs/1603.09320 (M edges per node, efConstruction and ef
    candidates). IVF: nlist clusters, of which nprobe are searched. PQ: Jégou et al. 2011 (m subvectors of nbits bits).
    """

    type: str
    kind: Literal["dense", "sparse"]
    build: Axes
    search: Axes

    def indexes(self) -> list[Index]:
        """One index per combination of build parameters."""
        return [Index(self.type, build) for build in combinations(self.build)]

    def searches(self, index: Index, k: int) -> list[Parameters]:
        """Combinations of search parameters that Milvus accepts: ef at least k, nprobe at most nlist."""
        axes = dict(self.search)
        if "ef" in axes:
            axes["ef"] = tuple(dict.fromkeys(max(k, int(ef)) for ef in axes["ef"]))
        if "nprobe" in axes:
            axes["nprobe"] = tuple(dict.fromkeys(min(int(index.build["nlist"]), int(n)) for n in axes["nprobe"]))
        return combinations(axes)


HNSW: Axes = {"M": (8, 16, 32), "efConstruction": (100,)}
EF: Axes = {"ef": (10, 32, 100, 320)}
IVF: Axes = {"nlist": (32, 128)}
NPROBE: Axes = {"nprobe": (1, 4, 16, 64)}
DROP: Axes = {"drop_ratio_search": (0.0, 0.2, 0.4, 0.6)}

GRIDS: dict[str, Grid] = {
    "flat": Grid("FLAT", "dense", {}, {}),
    "hnsw": Grid("HNSW", "dense", HNSW, EF),
    "hnsw_sq": Grid("HNSW_SQ", "dense", HNSW, EF),
    "ivf_flat": Grid("IVF_FLAT", "dense", IVF, NPROBE),
    "ivf_sq8": Grid("IVF_SQ8", "dense", IVF, NPROBE),
    "ivf_pq": Grid("IVF_PQ", "dense", {**IVF, "m": (8,), "nbits": (8,)}, NPROBE),
    "sparse_inverted_index": Grid("SPARSE_INVERTED_INDEX", "sparse", {}, DROP),
    "sparse_wand": Grid("SPARSE_WAND", "sparse", {}, DROP),
}


def parse_grids(names: Sequence[str], overrides: Sequence[str] = ()) -> list[Grid]:
    """The grids of these names; an override such as `hnsw:M=8,16;ef=32` replaces the values of its parameters.

    Raises ValueError for an unknown or duplicate name, an override of an index that is not swept or of a parameter that
    the index does not have, and a value that is not a number.
    """
    cleaned = [name.strip().lower() for name in names]
    if len(set(cleaned)) < len(cleaned) or not set(cleaned) <= GRIDS.keys():
        raise ValueError(f"index must be distinct names of {', '.join(GRIDS)}, got {','.join(names)}")
    grids = {name: GRIDS[name] for name in cleaned}
    for override in overrides:
        name, _, values = override.partition(":")
        if name.strip().lower() not in grids:
            raise ValueError(f"grid must begin with one of {', '.join(grids)} and a colon, got {override!r}")
        key = name.strip().lower()
        grids[key] = _overridden(grids[key], key, values)
    return list(grids.values())


def combinations(axes: Axes) -> list[Parameters]:
    """Every combination of one value per parameter; one without parameters where there are no axes."""
    return [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]


def _overridden(grid: Grid, name: str, text: str) -> Grid:
    for part in text.split(";"):
        parameter, _, values = (piece.strip() for piece in part.partition("="))
        numbers = tuple(_number(parameter, value) for value in values.split(","))
        if parameter in grid.build:
            grid = replace(grid, build={**grid.build, parameter: numbers})
        elif parameter in grid.search:
            grid = replace(grid, search={**grid.search, parameter: numbers})
        else:
            known = ", ".join([*grid.build, *grid.search]) or "no parameters"
            raise ValueError(f"{name} has {known}, got {parameter!r}: write {name}:NAME=VALUE,VALUE;NAME=VALUE")
    return grid


def _number(parameter: str, text: str) -> Any:
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        raise ValueError(f"{parameter} must be numbers separated by commas, got {text!r}") from None
