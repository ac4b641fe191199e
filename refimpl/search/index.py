"""What `refimpl run` leaves for `refimpl search`: where the documents are and how to encode a question."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from refimpl.search.milvus import MilvusStore, shown
from refimpl.search.pipeline import ask, rerank
from refimpl.search.plan import Encoder, System
from refimpl.search.records import Field

SCHEMA = "refimpl.index/1"
FILE = "index.json"
LITE = "milvus.db"  # the Milvus Lite file of a run's folder


class IndexMissingError(OSError):
    """The folder holds nothing that can be searched; the message says how to build it."""


@dataclass(frozen=True)
class Answer:
    """One document that answers a question, with its score (higher is better)."""

    id: str
    score: float
    text: str


@dataclass(frozen=True)
class Index:
    """A finished run's collection: its fields, its systems' names, the settings that its encoders were built with."""

    folder: Path
    collection: str
    fields: tuple[Field, ...]
    systems: tuple[str, ...]
    settings: dict[str, Any]
    uri: str

    @classmethod
    def open(cls, folder: Path) -> "Index":
        """Read `index.json` of a run's folder; IndexMissingError where there is none."""
        if not (folder / FILE).is_file():
            raise IndexMissingError(f"{folder} holds no index: build one with `refimpl run --out {folder}`")
        held = json.loads((folder / FILE).read_text(encoding="utf-8"))
        if held.get("schema") != SCHEMA:
            raise IndexMissingError(
                f"{folder / FILE} has schema {held.get('schema')!r}, expected {SCHEMA!r}: run again"
            )
        fields = tuple(Field(**field) for field in held["fields"])
        return cls(folder, held["collection"], fields, tuple(held["systems"]), held["settings"], held["uri"])

    def search(
        self,
        questions: Sequence[str],
        encoders: Sequence[Encoder],
        system: System,
        *,
        uri: str,
        token: str | None = None,
        k: int = 5,
        filter: str = "",
    ) -> list[list[Answer]]:
        """The k best documents for each question, best first.

        `encoders` are the system's, fitted as `restore` leaves them. Raises IndexMissingError when the collection is
        empty or gone.
        """
        queries = {
            encoder.field.name: questions if encoder.function is None else encoder.function.encode_queries(questions)
            for encoder in encoders
        }
        if uri.endswith(".db") and not Path(uri).exists():
            raise IndexMissingError(f"{uri} is gone: build it again with `refimpl run --out {self.folder}`")
        with MilvusStore(self.collection, self.fields, uri=uri, token=token) as store:
            if not store.count():
                raise IndexMissingError(f"{shown(uri)} holds no documents of this index: run again")
            found = ask(store, system, queries, max(k, 100), filter=filter)
            rows = zip(questions, found.ids, found.scores, strict=True)
            return [_best(store, system, question, ids, scores, k) for question, ids, scores in rows]


def _best(
    store: MilvusStore, system: System, question: str, ids: list[str], scores: list[float], k: int
) -> list[Answer]:
    few = ids[: max(k, system.rerank_depth)]
    texts = store.texts(few)
    if system.rerank is not None and few:
        few = few[: system.rerank_depth]
        few, scores = rerank(system, question, few, [texts[doc_id] for doc_id in few])
    return [Answer(doc_id, score, texts[doc_id]) for doc_id, score in zip(few[:k], scores[:k], strict=True)]


def save(
    folder: Path,
    collection: str,
    encoders: Sequence[Encoder],
    systems: Sequence[str],
    settings: dict[str, Any],
    uri: str,
) -> None:
    """Write `index.json` and the fitted encoders' numbers; the URI is kept without user and password."""
    for encoder in encoders:
        if encoder.fit is not None:
            encoder.function.save(_numbers(folder, encoder))  # type: ignore[union-attr]  # what can be fitted can be saved
    held = {
        "schema": SCHEMA,
        "collection": collection,
        "fields": [asdict(encoder.field) for encoder in encoders],
        "systems": list(systems),
        "settings": settings,
        "uri": "" if uri.endswith(".db") else shown(uri),
    }
    (folder / FILE).write_text(json.dumps(held, indent=1) + "\n", encoding="utf-8")


def restore(folder: Path, encoder: Encoder) -> None:
    """Give a fitted encoder the numbers that `save` wrote."""
    if encoder.fit is not None:
        encoder.function.load(_numbers(folder, encoder))  # type: ignore[union-attr]  # what can be fitted can be loaded


def _numbers(folder: Path, encoder: Encoder) -> str:
    return str(folder / f"{encoder.field.name}.json")
