"""index.json of a run's folder, with which `refimpl search` finds the collection and rebuilds the encoders."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from refimpl.common.atomic import write_atomically
from refimpl.common.json_reader import CHECKSUM, JsonError, checksum, read_json
from refimpl.search.fields import Field, field_from_dict, field_to_dict
from refimpl.search.milvus_uri import is_lite, redacted
from refimpl.search.plan import Encoder, System
from refimpl.search.retrieval import rerank, retrieve
from refimpl.search.store import MilvusStore

SCHEMA = "refimpl.index/2"
EARLIER = "refimpl.index/1"  # without a checksum
FILE = "index.json"
LITE = "milvus.db"  # the Milvus Lite file of a run's folder
LEAST_DEPTH = 100  # hits retrieved, of which the best k are returned


class IndexMissingError(OSError):
    """The folder has nothing to search; the message says how to build it."""


@dataclass(frozen=True)
class SearchHit:
    """One document of a search, with its score (higher is better) and text."""

    id: str
    score: float
    text: str


@dataclass(frozen=True)
class SavedRun:
    """A finished run: its collection and fields, its systems' names, the settings that its encoders were built with."""

    folder: Path
    collection: str
    fields: tuple[Field, ...]
    systems: tuple[str, ...]
    settings: dict[str, Any]
    uri: str

    @classmethod
    def open(cls, folder: Path) -> "SavedRun":
        """Read `index.json` of a run's folder; IndexMissingError where it is missing or damaged."""
        if not (folder / FILE).is_file():
            raise IndexMissingError(f"{folder} holds no index: build one with `refimpl run --out {folder}`")
        try:
            values = read_json(folder / FILE)
        except JsonError as error:
            raise IndexMissingError(f"{error}: run again") from error
        schema = values.get("schema") if isinstance(values, dict) else None
        if schema not in (SCHEMA, EARLIER):
            raise IndexMissingError(f"{folder / FILE} has schema {schema!r}, expected {SCHEMA!r}: run again")
        try:
            fields = tuple(field_from_dict(field) for field in values["fields"])
            _check_values(values)
            systems, settings, uri = tuple(values["systems"]), values["settings"], values["uri"]
            return cls(folder, values["collection"], fields, systems, settings, uri)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise IndexMissingError(
                f"{folder / FILE} is damaged ({type(error).__name__}: {error}): run again"
            ) from error

    def open_store(self, uri: str, token: str | None = None) -> MilvusStore:
        """The store that holds the run's collection; IndexMissingError when it is missing or empty."""
        if is_lite(uri) and not Path(uri).exists():
            raise IndexMissingError(f"{uri} is missing: build it again with `refimpl run --out {self.folder}`")
        store = MilvusStore(self.collection, self.fields, uri=uri, token=token)
        try:
            if not store.count():
                raise IndexMissingError(f"{redacted(uri)} has no documents of this run: run again")
        except OSError:
            store.close()
            raise
        return store


def _check_values(values: dict[str, Any]) -> None:
    """Raise ValueError unless the values of index.json have their types and their checksum."""
    types = {"schema": str, "collection": str, "fields": list, "systems": list, "settings": dict, "uri": str}
    types |= {CHECKSUM: str} if values["schema"] == SCHEMA else {}
    if unknown := values.keys() - types.keys():
        raise ValueError(f"unknown key {min(unknown)!r:.40}")
    for key, kind in types.items():
        if not isinstance(values[key], kind):
            raise ValueError(f"{key} must be {kind.__name__}, got {values[key]!r:.40}")
    if not values["systems"] or not all(isinstance(name, str) for name in values["systems"]):
        raise ValueError("systems must be a list of names")
    if CHECKSUM in types and values[CHECKSUM] != checksum(values):
        raise ValueError("it differs from its checksum")


def search(
    store: MilvusStore,
    queries: Sequence[str],
    encoders: Sequence[Encoder],
    system: System,
    *,
    k: int = 5,
    filter: str = "",
) -> list[list[SearchHit]]:
    """The k best documents per query, best first; a system that reranks returns at most its `rerank_depth`.

    `encoders` are those of the system, fitted as `restore` leaves them.
    """
    encoded = {
        encoder.field.name: queries if encoder.function is None else encoder.function.encode_queries(queries)
        for encoder in encoders
    }
    results = retrieve(store, system, encoded, max(k, LEAST_DEPTH), filter=filter)
    rows = zip(queries, results.ids, results.scores, strict=True)
    return [_best(store, system, query, ids, scores, k) for query, ids, scores in rows]


def _best(
    store: MilvusStore, system: System, query: str, ids: list[str], scores: list[float], k: int
) -> list[SearchHit]:
    candidates = ids[:k] if system.rerank is None else ids[: system.rerank_depth]
    texts = store.texts(candidates)
    if system.rerank is not None:
        candidates, scores = rerank(system.rerank, query, candidates, [texts[doc_id] for doc_id in candidates])
    return [SearchHit(doc_id, score, texts[doc_id]) for doc_id, score in zip(candidates[:k], scores[:k], strict=True)]


def save(
    folder: Path,
    collection: str,
    encoders: Sequence[Encoder],
    systems: Sequence[str],
    settings: dict[str, Any],
    uri: str,
) -> None:
    """Write the fitted encoders' state and then `index.json`; the URI is stored without user and password.

    A state's file has the collection in its name: until the new index.json is there, the old one has its own states.
    """
    for encoder in encoders:
        if encoder.fit is not None:
            encoder.function.save(str(_state_file(folder, collection, encoder)))  # type: ignore[union-attr]  # every fittable can be saved
    values = {
        "schema": SCHEMA,
        "collection": collection,
        "fields": [field_to_dict(encoder.field) for encoder in encoders],
        "systems": list(systems),
        "settings": settings,
        "uri": "" if is_lite(uri) else redacted(uri),
    }
    values[CHECKSUM] = checksum(values)
    write_atomically(folder / FILE, json.dumps(values, indent=1) + "\n")
    _remove_states_of_other_runs(folder, collection, encoders)


def restore(saved: SavedRun, encoder: Encoder) -> None:
    """Load the state that `save` wrote into a fitted encoder."""
    if encoder.fit is not None:
        file = _state_file(saved.folder, saved.collection, encoder)
        if not file.exists():  # of a run by refimpl 0.1.0
            file = saved.folder / f"{encoder.field.name}.json"
        encoder.function.load(str(file))  # type: ignore[union-attr]  # every fittable can be loaded


def _state_file(folder: Path, collection: str, encoder: Encoder) -> Path:
    return folder / f"{encoder.field.name}.{collection.removeprefix('refimpl_')}.json"


def _remove_states_of_other_runs(folder: Path, collection: str, encoders: Sequence[Encoder]) -> None:
    for encoder in encoders:
        for file in folder.glob(f"{encoder.field.name}.{'[0-9a-f]' * 16}.json"):
            if file != _state_file(folder, collection, encoder):
                file.unlink(missing_ok=True)
