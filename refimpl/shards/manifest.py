"""The manifest of a folder of shards: settings, vector columns, and size and sha256 of each file."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from refimpl.common.atomic import write_atomically
from refimpl.common.hashing import sha256
from refimpl.common.json_reader import CHECKSUM, JsonError, checksum, read_json
from refimpl.shards.parquet import Column, ShardError, Vectors, read_info, read_shard

SCHEMA = "refimpl.shards/1"
FILE = "manifest.json"


@dataclass(frozen=True)
class ShardEntry:
    """One file: its name in the folder, number of documents, first and last document id, bytes, sha256."""

    file: str
    rows: int
    first_id: str
    last_id: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """A folder of shards.

    `settings`, any JSON object, has what the vectors depend on: model, parameters, data set. `shards` is empty until
    `complete`: while a folder is being filled, its files are found by their names.
    """

    settings: Mapping[str, Any]
    columns: Mapping[str, Column] = field(default_factory=dict)
    shards: tuple[ShardEntry, ...] = ()
    complete: bool = False

    @property
    def rows(self) -> int:
        """Number of documents."""
        return sum(entry.rows for entry in self.shards)

    def write(self, folder: Path) -> None:
        """Write `manifest.json`, whole; raises OSError where that is not possible."""
        values: dict[str, Any] = {
            "schema": SCHEMA,
            "settings": dict(self.settings),
            "columns": {name: column._asdict() for name, column in self.columns.items()},
            "documents": self.rows,
            "complete": self.complete,
            "shards": [asdict(entry) for entry in self.shards],
        }
        values[CHECKSUM] = checksum(values)
        write_atomically(folder / FILE, json.dumps(values, indent=1, ensure_ascii=False) + "\n")

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Read `manifest.json`; ShardError where it is damaged, FileNotFoundError where there is none."""
        file = folder / FILE
        try:
            values = read_json(file)
            if values["schema"] != SCHEMA or values[CHECKSUM] != checksum(values):
                raise ValueError("another schema, or another content than its checksum's")
            return cls(
                values["settings"],
                {name: Column(**column) for name, column in values["columns"].items()},
                tuple(ShardEntry(**entry) for entry in values["shards"]),
                values["complete"] is True,
            )
        except (JsonError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise ShardError(f"{file} is damaged ({error}): remove the folder, and run again") from error

    def check_settings(self, settings: Mapping[str, Any], folder: Path) -> None:
        """Raise ShardError, with the first setting that differs, unless the folder's settings equal these."""
        mine, others = json.loads(json.dumps(dict(self.settings))), json.loads(json.dumps(dict(settings)))
        for key in [*others, *mine]:
            if mine.get(key) != others.get(key):
                raise ShardError(
                    f"{folder} has shards of other settings ({key}: {mine.get(key)!r:.80}, expected "
                    f"{others.get(key)!r:.80}): give another folder, or remove this one"
                )


def shard_file(number: int) -> str:
    """The name of the shard with this number, from 0."""
    return f"{number:06d}.parquet"


def entry_of(path: Path) -> ShardEntry:
    """The manifest's entry of a shard; reads the whole file. Raises as `read_shard`."""
    ids = read_shard(path, ["id"]).ids
    return ShardEntry(
        path.name, len(ids), ids[0] if ids else "", ids[-1] if ids else "", path.stat().st_size, sha256(path)
    )


def verify(folder: Path) -> Manifest:
    """Compare every file of a complete folder with its manifest; ShardError names the first that differs."""
    manifest = Manifest.read(folder)
    if not manifest.complete:
        raise ShardError(f"{folder} is not complete: run again, and what is there is kept")
    for entry in manifest.shards:
        path = folder / entry.file
        if not path.is_file() or sha256(path) != entry.sha256:
            raise ShardError(f"{path} is missing or differs from the manifest: remove it, and run again")
        if read_info(path).columns != manifest.columns:
            raise ShardError(f"{path} has other columns than the manifest: remove the folder, and run again")
    return manifest


def shard_paths(folder: Path) -> Iterator[Path]:
    """The files of a complete folder, in order."""
    manifest = Manifest.read(folder)
    if not manifest.complete:
        raise ShardError(f"{folder} is not complete: run again, and what is there is kept")
    for entry in manifest.shards:
        yield folder / entry.file


def blocks_of(folder: Path, field: str) -> Iterator[Vectors]:
    """The vectors of one field of a complete folder, shard by shard."""
    return (read_shard(path, [field]).vectors[field] for path in shard_paths(folder))
