"""Searches in the collection of a finished run."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from refimpl.common.json_reader import JsonError, read_json
from refimpl.search import results, saved_run
from refimpl.search.milvus_uri import Connection
from refimpl.search.results import main_measure
from refimpl.search.saved_run import IndexMissingError, SavedRun, SearchHit
from refimpl.systems.build import RERANKED, Settings, build


@dataclass(frozen=True)
class SearchOptions:
    """`k` hits per query, a Milvus expression over id and text as `filter`, a reranker as in `Settings`."""

    k: int = 5
    filter: str = ""
    rerank: str | None = None


@dataclass(frozen=True)
class BestSystem:
    """A system's name, and why it was chosen."""

    name: str
    reason: str


def search(
    queries: Sequence[str],
    out: Path,
    system: str | None = None,
    options: SearchOptions | None = None,
    connection: Connection | None = None,
) -> list[list[SearchHit]]:
    """The k best documents per query by one system of the run in `out`, by default `best_system(out)`.

    `NAME+rerank` is a system with the run's reranker. Raises IndexMissingError where there is no finished run,
    ValueError for a system that it does not have.
    """
    options, connection = options or SearchOptions(), connection or Connection()
    saved = SavedRun.open(out)
    settings = _settings(saved)
    chosen = system or best_system(out).name
    first_stage = chosen.removesuffix(RERANKED) if settings.rerank else chosen
    if first_stage not in saved.systems:
        raise ValueError(f"system must be one of the run in {out} ({', '.join(saved.systems)}), got {chosen!r}")
    rerank = options.rerank or (settings.rerank if first_stage != chosen else None)
    encoders, systems = build([first_stage], replace(settings, rerank=rerank))
    for encoder in encoders:
        saved_run.restore(saved, encoder)
    uri, token = replace(connection, uri=connection.uri or saved.uri or None).resolve(out / saved_run.LITE)
    with saved.open_store(uri, token) as store:
        return saved_run.search(store, queries, encoders, systems[-1], k=options.k, filter=options.filter)


def best_system(out: Path) -> BestSystem:
    """The system with the highest main measure in the run's results.json; without that file, the last hybrid.

    The main measure is nDCG@10, or the first one of the run. Raises IndexMissingError where there is no finished run.
    """
    saved = SavedRun.open(out)
    try:
        systems = read_json(out / results.FILE)["systems"]
        measure = main_measure(next(iter(systems.values()))["metrics"])
        values = {name: float(system["metrics"][measure]) for name, system in systems.items()}
        best = max((name for name in values if name.removesuffix(RERANKED) in saved.systems), key=values.__getitem__)
    except (OSError, JsonError, KeyError, TypeError, ValueError, AttributeError, StopIteration):
        hybrids = [name for name in saved.systems if name.startswith("hybrid")]
        return BestSystem((hybrids or saved.systems)[-1], "no results.json to choose by")
    return BestSystem(best, f"{measure} {values[best]:.4f}, the highest of the run")


def _settings(saved: SavedRun) -> Settings:
    try:
        return Settings(**saved.settings)
    except TypeError as error:
        file = saved.folder / saved_run.FILE
        raise IndexMissingError(f"{file} has the settings of another release ({error}): run again") from error
