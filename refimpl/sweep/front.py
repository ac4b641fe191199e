"""The Pareto front of a sweep, and its advice in one sentence."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

WANTED_RECALL = 0.95

Point = Mapping[str, Any]


def median_ms(point: Point) -> float:
    """The median latency of single queries."""
    return float(np.median(point["latency_ms"]["single"]))


def label(point: Point) -> str:
    """Index, build and search parameters: `HNSW M=16 efConstruction=100 ef=32`."""
    return " ".join([point["index"], *(f"{k}={v}" for k, v in {**point["build"], **point["search"]}.items())])


def pareto_front(points: Sequence[Point], kind: str = "dense") -> list[int]:
    """Numbers of the correct points that no other correct point beats in recall@10 and median latency, fastest first.

    Only points of one kind of vectors are compared: dense and sparse recall are relative to different exact searches.
    The front as ann-benchmarks draws it (Aumüller, Bernhardsson and Faithfull 2018, https://arxiv.org/abs/1807.05614).
    Points of equal recall and latency are represented by the first.
    """
    correct = [number for number, point in enumerate(points) if point["correct"] and point["kind"] == kind]
    front: list[int] = []
    for number in sorted(correct, key=lambda one: (median_ms(points[one]), -points[one]["recall"]["10"])):
        if not front or points[number]["recall"]["10"] > points[front[-1]]["recall"]["10"]:
            front.append(number)
    return front


def advice(points: Sequence[Point], kind: str = "dense", wanted: float = WANTED_RECALL) -> str:
    """One sentence: the fastest correct point whose recall@10 is at least `wanted`, or that there is none."""
    front = [points[number] for number in pareto_front(points, kind)]
    enough = [point for point in front if point["recall"]["10"] >= wanted]
    if enough:
        best = enough[0]
        return f"For recall@10 >= {wanted} take {label(best)}: {_figures(best)}."
    if front:
        best = front[-1]
        return f"No correct {kind} point has recall@10 >= {wanted}; the highest is {label(best)}: {_figures(best)}."
    return f"No {kind} point is correct, so none can be advised: see the score errors of the points."


def _figures(point: Point) -> str:
    return f"recall@10 {point['recall']['10']:.3f}, {median_ms(point):.3g} ms per query (median, one at a time)"
