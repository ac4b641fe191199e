"""Published and recorded figures of whole runs, and a run that is compared with them: `data/expected.yaml`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from refimpl.common.resources import data_path
from refimpl.datasets import Dataset, DatasetError
from refimpl.search.plan import load
from refimpl.systems.build import Settings
from refimpl.systems.run import run

FILE = "expected.yaml"


@dataclass(frozen=True)
class Expected:
    """One reproduction: the collection's hash, the systems of the run, and their figures by system and measure.

    A figure is correct where it differs by at most `tolerance`, upwards as well as downwards. `published`
    has the figures that others published, of the systems of which there are any.
    """

    name: str
    dataset: str
    sha256: str
    systems: tuple[str, ...]
    tolerance: float
    figures: Mapping[str, Mapping[str, float]]
    source: str
    published: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def command(self) -> str:
        """The command of the run."""
        return f"refimpl run --dataset {self.dataset} --systems {','.join(self.systems)}"


@dataclass(frozen=True)
class Figure:
    """One measure of one system: expected and got."""

    system: str
    measure: str
    expected: float
    actual: float
    tolerance: float

    @property
    def matches(self) -> bool:
        """Whether both are equal up to the tolerance."""
        return abs(self.actual - self.expected) <= self.tolerance


def expected_runs() -> dict[str, Expected]:
    """The reproductions of data/expected.yaml, by name."""
    entries = yaml.safe_load(data_path(FILE).read_text(encoding="utf-8"))
    return {name: Expected(name, systems=tuple(entry.pop("systems")), **entry) for name, entry in entries.items()}


def reproduce(expected: Expected, dataset: Dataset, out: Path, *, show_progress: bool = False) -> list[Figure]:
    """Repeat a run in `out` and compare its figures with those expected.

    Raises DatasetError for another collection than the one that was measured, and the errors of `run`.
    """
    sha256 = load(dataset).sha256
    if sha256 != expected.sha256:
        raise DatasetError(
            f"{dataset.name} has sha256 {sha256[:12]}..., expected {expected.sha256[:12]}...: its documents, queries "
            f"or judgements are not those of {expected.dataset}, whose figures are recorded"
        )
    results = run(dataset, expected.systems, out, Settings(), show_progress=show_progress)
    return figures(expected, results)


def figures(expected: Expected, results: Mapping[str, Any]) -> list[Figure]:
    """The expected figures beside those of a run's results; a system that failed has the figure nan."""
    return [
        Figure(
            system,
            measure,
            value,
            results["systems"].get(system, {"metrics": {}})["metrics"].get(measure, float("nan")),
            expected.tolerance,
        )
        for system, measures in expected.figures.items()
        for measure, value in measures.items()
    ]
