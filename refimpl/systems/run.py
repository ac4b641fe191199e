"""Runs of named systems over a data set."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from refimpl import models
from refimpl.common.atomic import check_output
from refimpl.common.warning import silenced
from refimpl.datasets import Dataset
from refimpl.search import run as pipeline
from refimpl.search import saved_run
from refimpl.search.costs import Prices
from refimpl.search.engine import Engine, ThisProcess
from refimpl.search.file_locks import exclusive_run
from refimpl.search.milvus_uri import Connection
from refimpl.search.plan import RunPlan
from refimpl.systems.build import Settings, build
from refimpl.systems.names import parse_model
from refimpl.systems.remote import Service
from refimpl.tokens import TruncationWarning


def run(
    dataset: Dataset,
    names: Sequence[str],
    out: Path,
    settings: Settings,
    connection: Connection | None = None,
    *,
    engine: Engine | None = None,
    show_progress: bool = False,
) -> dict[str, Any]:
    """Run the named systems over a data set; write results, TREC runs and a searchable index to `out`.

    Milvus is `connection.uri`, else MILVUS_URI, else a Milvus Lite file in `out`. `engine` fits, encodes and searches
    exactly, by default in this process. Raises the errors of `build` and `search.run`, ValueError for a price of a
    system that is not remote, OSError where `out` is not writable, and InUseError where another run uses it.
    """
    prices = _prices(names, settings)
    uri, token = (connection or Connection()).resolve(out / saved_run.LITE)
    with exclusive_run(out):
        check_output(out / saved_run.FILE)
        encoders, systems = build(names, settings)
        recorded = {"systems": list(names), **asdict(settings), **_revisions(names, settings)}
        plan = RunPlan(
            encoders,
            systems,
            settings.depth,
            recorded,
            measures=settings.measures,
            ignore_identical_ids=settings.ignore_identical_ids,
            prices=prices,
            engine=engine or ThisProcess(),
        )
        with silenced(TruncationWarning):  # `System.about` says where texts are truncated
            results = pipeline.run(dataset, plan, out, uri, token, show_progress=show_progress)
        saved_run.save(out, results["store"]["collection"], encoders, names, asdict(settings), uri)
    return results


def _prices(names: Sequence[str], settings: Settings) -> Prices:
    """The prices of the settings, by field; ValueError for tokens of a system that the run does not have."""
    by_name = Prices(settings.price_per_hour, settings.price_per_million_tokens).per_million_tokens
    services = {name.strip(): service for name in names if (service := Service.parse(name.strip()))}
    if unknown := by_name.keys() - services.keys():
        expected = ", ".join(services) or "none, as no system of this run has a provider"
        raise ValueError(
            f"price_per_million_tokens: expected remote systems of this run ({expected}), got {min(unknown)}"
        )
    return Prices(settings.price_per_hour, {services[name].field: price for name, price in by_name.items()})


def _revisions(names: Sequence[str], settings: Settings) -> dict[str, dict[str, str]]:
    """The commits of the models that come from the hub and are not in the table, as the settings record them."""
    models_of_run = [settings.rerank, *(parsed[1] for name in names if (parsed := parse_model(name.strip())))]
    commits = {name: models.recorded(name) for name in models_of_run if name and not Path(name).is_dir()}
    known = {name: commit for name, commit in commits.items() if commit is not None}
    return {"hub_revisions": known} if known else {}
